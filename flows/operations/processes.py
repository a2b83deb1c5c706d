"""This machine's processes, found by their environment: children inherit it, and it ends with the last of them."""

import contextlib
import os
import signal
import time
from pathlib import Path

from tasks.pipeline import PROJECT

SERVICE_ENV = "FASHION_MNIST_SERVICE"  # "<service> of <project>"


def environments() -> dict[int, dict[str, str]]:
    """Return the environment of each process that this user may read."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            parts = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            found[int(folder.name)] = dict(part.split("=", 1) for part in parts if "=" in part)
    return found


def find_service(service: str, project: Path = PROJECT) -> dict[int, dict[str, str]]:
    """Return the processes of a project's service and their children, each with its environment."""
    wanted = f"{service} of {project}"
    return {process: its for process, its in environments().items() if its.get(SERVICE_ENV) == wanted}


def kill_service(service: str, project: Path = PROJECT) -> bool:
    """Kill a project's service with all that it has started, which loses nothing; return whether there was any."""
    killed = False
    while found := find_service(service, project):
        killed = True
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.1)
    return killed
