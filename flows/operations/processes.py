"""The processes of this machine, told by what their environment holds: it is inherited, and ends with the last one."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tasks.pipeline import PROJECT

STOP_WITHIN = 5  # seconds for what is told to end, before it is killed: Prefect's worker does not always hear it
MARK = "FASHION_MNIST_SERVICE"  # "<service> of <project>"


def environments() -> dict[int, dict[str, str]]:
    """Return the environment of each process that this user may look at."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            parts = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            found[int(folder.name)] = dict(part.split("=", 1) for part in parts if "=" in part)
    return found


def mark_of(service: str, project: Path = PROJECT) -> str:
    """Return what marks a service of a project."""
    return f"{service} of {project}"


def running(service: str, project: Path = PROJECT) -> dict[int, dict[str, str]]:
    """Return the processes of a service of a project, and what they have started, each with its environment."""
    mark = mark_of(service, project)
    return {process: environment for process, environment in environments().items() if environment.get(MARK) == mark}


def command_of(process: int) -> str:
    """Return a process's command line, empty once it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def end(found: Callable[[], Iterable[int]]) -> bool:
    """Tell processes to end, and kill those that do not; return whether there were any."""
    any_there = bool(found())
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in found():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        wait(STOP_WITHIN, lambda: not found())
    return any_there


def wait(seconds: float, ended: Callable[[], bool]) -> None:
    """Wait until something has ended, so many seconds at most."""
    deadline = time.monotonic() + seconds
    while not ended() and time.monotonic() < deadline:
        time.sleep(0.1)
