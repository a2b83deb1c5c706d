"""This machine's processes, found by their environment: children inherit it, and it ends with the last of them."""

import contextlib
import os
import signal
import sys
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


def seconds_running() -> float:
    """Return how long this process has run, its start and imports included."""
    began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began


def wait_until(is_done: Callable[[], bool], timeout: float, what: str = "") -> None:
    """Wait until something is done, at most so many seconds; at a terminal, show for what and how long so far."""
    began, shown = time.monotonic(), what and sys.stderr.isatty()
    while not is_done() and (seconds := time.monotonic() - began) < timeout:
        if shown:
            print(f"\r{what} … {seconds:.0f} s", end="", file=sys.stderr, flush=True)
        time.sleep(0.1)
    if shown:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
