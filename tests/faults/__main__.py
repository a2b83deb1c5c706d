"""The long form, by one command; see the package."""

import argparse
import sys
import tempfile
from pathlib import Path

from flows.parser import read_command
from tasks.settings.settings import Settings
from tests.faults.damages import damage_again_and_again
from tests.faults.kills import kill_again_and_again
from tests.faults.scheduled import FAULTS, disturb
from tests.faults.together import run_together
from tests.programs import ON_THE_FIXTURE, prefect_server, run_main


def main() -> int:
    """Do what the arguments name, print the counts, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("what", choices=["kills", "damages", "together", "scheduled"])
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of scheduled: {', '.join(FAULTS)} (default: all)")
    parser.add_argument("--count", type=int, default=200, help="of faults (default: 200)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.what == "scheduled":
        with tempfile.TemporaryDirectory() as scratch:
            return 0 if disturb(Path(scratch), given.faults) else 1
    with tempfile.TemporaryDirectory() as scratch, prefect_server(Path(scratch)) as server:
        folder = Path(scratch) / "runs"
        folder.mkdir()
        if given.what == "kills":
            print(dict(kill_again_and_again(folder, server, given.count, given.seed)))
            return 0
        if given.what == "together":
            return 0 if all(run_together(folder / str(runs), server, runs) for runs in (2, 3, 4)) else 1
        run_main(folder, server, *ON_THE_FIXTURE).check_returncode()
        settings, _ = read_command(Settings, [*ON_THE_FIXTURE, "--data-dir", str(folder / "data")])
        done, served = damage_again_and_again(settings, given.count, given.seed)
        print(f"{sum(done.values())} damages {dict(done)}, {len(served)} served {served}")
        return 1 if served else 0


if __name__ == "__main__":
    sys.exit(main())
