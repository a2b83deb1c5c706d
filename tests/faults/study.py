"""A study killed again and again in its trainings: it ends with the numbers of one that was left alone."""

import json
import random
import time
from pathlib import Path

from tests.faults.kills import Fault, running_in
from tests.programs import ON_THE_FIXTURE, Server, leftovers, run_main, start_main, wait_until

SEEDS = ("study.py", "seeds")
OPTIONS = (*ON_THE_FIXTURE, "--seeds", "3", "--epochs", "10", "--batch-size", "16")


def kill_a_study(folder: Path, server: Server, count: int, seed: int) -> dict[str, object]:
    """Kill a study so many times, let it end, and return the numbers that it and one left alone have ended with.

    Raises:
        Fault: they are others, something stayed behind, or it ended before it was killed so often.
    """
    choose, killed = random.Random(seed), 0
    for name in ("alone", "killed"):
        (folder / name).mkdir()
    while killed < count:
        with start_main(folder / "killed", server, *OPTIONS, program=SEEDS) as run:
            wait_until(lambda run=run: "train" in running_in(folder / "killed") or run.poll() is not None, 120)
            time.sleep(choose.uniform(0, 3))
            if run.poll() is not None:
                raise Fault(f"it has ended after {killed} kills: {run.stderr.read()}")
            killed += 1
            print(f"{killed:4} during {running_in(folder / 'killed')}", flush=True)
            run.kill()
    for name in ("killed", "alone"):
        run_main(folder / name, server, *OPTIONS, program=SEEDS).check_returncode()
    numbers = {name: study_of(folder / name) for name in ("alone", "killed")}
    if numbers["alone"] != numbers["killed"]:
        raise Fault(f"{numbers['killed']} instead of {numbers['alone']}")
    if left := leftovers(folder / "killed"):
        raise Fault(f"left behind: {left}")
    return {name: of["accuracy"]["validation"]["values"] for name, of in numbers["killed"]["networks"].items()}


def study_of(folder: Path) -> dict:
    """Return every number of the study in a folder."""
    (path,) = (folder / "data" / "compare_trainings").glob("*/study.json")
    return json.loads(path.read_text())
