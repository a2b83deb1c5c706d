"""Stopping: how long Ctrl-C takes in mid-training, until the run's process and all that writes for it are gone.

`python -m tests.benchmarks.stopping` prints the seconds of three, and fails if one took more than two.
"""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.flows.test_main import training_child
from tests.programs import ON_THE_FIXTURE, start_main

LIMIT = 2  # seconds


def stop_once(folder: Path) -> float:
    """Start a run, stop it while it trains, and return the seconds until it has ended."""
    folder.mkdir()
    with start_main(folder, None, *ON_THE_FIXTURE) as process:
        training_child(process)
        began = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        return time.monotonic() - began


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        taken = [stop_once(Path(scratch, str(turn))) for turn in range(3)]
    print("Ctrl-C to the end:", ", ".join(f"{seconds:.2f} s" for seconds in taken))
    sys.exit(max(taken) > LIMIT)
