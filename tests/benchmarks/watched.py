"""A command and all processes that it starts: how long it takes, and how much memory they hold together at most."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.programs import children_of

EVERY = 0.05  # seconds between two looks at the memory


class Watched(NamedTuple):
    """What a command took."""

    seconds: float
    megabytes: float  # of all its processes together, what they share counted once (proportional set size)
    of_itself: float  # of its first process alone
    output: str


def watched(command: list[str], memory: str = "", **options: Any) -> Watched:
    """Run a command to its end, and watch its memory: "Pss", or "Pss_Anon" without the files that it has mapped.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    began = time.perf_counter()
    together, alone = [0.0], [0.0]
    over = threading.Event()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options) as process:

        def look() -> None:
            while not over.wait(EVERY):
                sizes = {each: _proportional(each, memory) for each in _family(process.pid)}
                together.append(sum(sizes.values()))
                alone.append(sizes.get(process.pid, 0.0))

        if memory:
            threading.Thread(target=look, daemon=True).start()
        output, complaints = process.communicate()
        over.set()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output, complaints)
    return Watched(time.perf_counter() - began, max(together), max(alone), output)


def _family(first: int) -> list[int]:
    """Return a process and all that it has started, they too."""
    try:
        return [first, *(each for child in children_of(first) for each in _family(child))]
    except OSError:  # it has ended meanwhile
        return [first]


def _proportional(process: int, what: str) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1e3
