"""This machine's processes, found by their environment: children inherit it, and it ends with the last of them."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tasks.pipeline import PROJECT

TERMINATE_TIMEOUT = 5  # seconds from SIGTERM to SIGKILL: Prefect's worker sometimes ignores the first
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


def terminate(find: Callable[[], Iterable[int]], at_once: bool = False) -> bool:
    """Send SIGTERM (not `at_once`) to the processes found, then SIGKILL; return whether there were any."""
    found_any = bool(find())
    for number in (signal.SIGKILL,) if at_once else (signal.SIGTERM, signal.SIGKILL):
        for process in find():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        wait_until(lambda: not find(), TERMINATE_TIMEOUT)
    return found_any


def wait_until(is_done: Callable[[], bool], timeout: float) -> None:
    """Wait until something is done, at most so many seconds."""
    began = time.monotonic()
    while not is_done() and time.monotonic() - began < timeout:
        time.sleep(0.1)
