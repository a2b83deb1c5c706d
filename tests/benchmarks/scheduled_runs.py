"""Many scheduled runs in a row, unattended: python -m tests.benchmarks.scheduled_runs [COUNT]

Each finds everything done. Prints, at run 10 and at the last one, what worker and server have needed of memory at most,
what `data/` and Prefect's database hold, and how long runs took from when they were due until they were done.
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from flows.server_api import seconds_of
from tasks.settings import PROJECT
from tests.deployed import Deployed, deployed

EVERY = 15  # seconds
SMOKE = {"preset": "smoke"}


def main(count: int) -> None:
    """Run them and print what they took."""
    with tempfile.TemporaryDirectory() as scratch, deployed(Path(scratch), "server", "deploy", "worker") as copy:
        if (PROJECT / "data" / "raw").is_dir():
            shutil.copytree(PROJECT / "data" / "raw", copy.data / "raw")
        copy.unschedule("watch")  # as deployed, it would train the article's networks at the next quarter of an hour
        assert copy.ended(copy.start("fast", SMOKE))["state_type"] == "COMPLETED"
        copy.schedule("watch", EVERY, SMOKE)
        for at in (10, count):
            while len(copy.runs("watch", "COMPLETED")) < at:
                time.sleep(1)
            print(f"run {at}: {told(copy)}", flush=True)
        copy.unschedule("watch")
        runs = copy.runs("watch")
        print(f"states: {dict(Counter(run['state_name'] for run in runs))}")
        for run in runs:
            if run["state_type"] != "COMPLETED":
                what = f"{run['state_name']}, due {run['expected_start_time']}: {run['state']['message']}"
                print(f"{what}; {run['parameters']}")
        tasks = Counter(state for run in runs for state in copy.tasks(run["id"]).values())
        print(f"states of tasks: {dict(tasks)}")
        took = [seconds_of(run["end_time"]) - seconds_of(run["expected_start_time"]) for run in runs]
        middle, most = statistics.median(took), statistics.quantiles(took, n=20)[-1]
        print(f"from due to done: median {middle:.1f} s, 95 % within {most:.1f} s, {max(took):.1f} s at most")


def told(copy: Deployed) -> str:
    """Return the sizes of everything."""
    database = sum(path.stat().st_size for path in (copy.data / "prefect").glob("prefect.db*"))
    data = sum(
        path.stat().st_size for path in copy.data.rglob("*") if "prefect" not in path.relative_to(copy.data).parts
    )
    records = len(list((copy.data / "runs").iterdir()))
    log = (copy.data / "prefect" / "worker.log").stat().st_size
    memory = {name: peak(copy, name) for name in ("worker", "server")}
    return (
        f"peak memory worker {memory['worker']:.0f} MB, server {memory['server']:.0f} MB; data/ {data / 1e6:.1f} MB, "
        f"{records} records; database {database / 1e6:.1f} MB; worker's log {log / 1e3:.0f} kB"
    )


def peak(copy: Deployed, service: str) -> float:
    """Return the most memory that the service's longest-lived processes have held, in MB."""
    told = {"worker": "worker start", "server": ""}[service]
    statuses = [Path(f"/proc/{process}/status") for process, line in copy.processes(service).items() if told in line]
    return sum(int(path.read_text().partition("VmHWM:")[2].split()[0]) for path in statuses) / 1e3


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
