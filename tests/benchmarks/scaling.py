"""What more machines are worth, and what the engines add to a task.

python -m tests.benchmarks.scaling     # a quarter of an hour

A study of eight small trainings runs on Dask with one and with two workers, each on a core of its own, which share
their artifacts in a bucket; then a flow of empty tasks on each engine. Prints the figures and their medians.
"""

import contextlib
import json
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import pairwise, printed_by
from tests.benchmarks.throughput import RAW
from tests.machines import DASK_WORKER, bucket_server, dask_scheduler, machine, program_on
from tests.programs import Server, prefect_server

SEEDS, LIMIT, PAIRS, EMPTY = 8, 6_000, 3, 200
STUDY = ("--seeds", str(SEEDS), "--networks", "dropout", "--limit", str(LIMIT), "--epochs", "3", "--source", str(RAW))
EMPTY_TASKS = """
import json, sys, time
from prefect import flow, task
from flows.orchestration.task_runners import Engine
from tasks.settings.settings import Settings

@flow
def many():
    with Engine(Settings(engine=sys.argv[1])) as engine:
        nothing = task(lambda inputs: None)
        engine.runner.submit(nothing, {"inputs": {}}).wait()
        began = time.perf_counter()
        for future in [engine.runner.submit(nothing, {"inputs": {}}) for _ in range(int(sys.argv[2]))]:
            future.wait()
        return time.perf_counter() - began

print(json.dumps(many()))
"""


def main() -> None:
    """Measure, and print."""
    measured: dict[str, list[float]] = {}

    def tell(name: str, value: float) -> None:
        measured.setdefault(name, []).append(value)
        print(f"{name}: {value:.4g}", flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "prefect").mkdir()
        with prefect_server(folder / "prefect") as server:

            def seconds_with(workers: int) -> float:
                took = _study(server, Path(tempfile.mkdtemp(dir=folder)), workers)
                for name, value in took.items():
                    tell(f"{workers} workers: {name}", value)
                return took["seconds"]

            ratios = pairwise(lambda: seconds_with(1), lambda: seconds_with(2), PAIRS)
            for engine in ("local", "dask", "ray"):
                for _ in range(PAIRS):
                    seconds = printed_by("-c", EMPTY_TASKS, engine, str(EMPTY), **server.environment)
                    tell(f"{engine}: milliseconds an empty task", 1000 * seconds / EMPTY)
    print(f"\nratio {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
    print(json.dumps({name: statistics.median(values) for name, values in measured.items()}, indent=1))


def _study(server: Server, folder: Path, workers: int) -> dict[str, float]:
    """Run the study on so many workers, each on its own core; return what it took."""
    mine = machine(folder / "mine")
    with contextlib.ExitStack() as stack:
        environment = server.environment | stack.enter_context(bucket_server("localbucket", folder / "served"))
        scheduler = stack.enter_context(dask_scheduler(environment, folder / "scheduler.log"))
        for core in range(workers):
            other, pinned = machine(folder / f"worker-{core}"), ("taskset", "--cpu-list", str(core))
            worker = program_on(other, *DASK_WORKER, scheduler, environment=environment, before=pinned)
            stack.enter_context(worker)
        where = ("--engine", "dask", "--scheduler", scheduler, "--store", "s3://bucket/artifacts")
        began = time.perf_counter()
        run = stack.enter_context(program_on(mine, "flows/study.py", "seeds", *STUDY, *where, environment=environment))
        if run.wait():
            raise RuntimeError((mine / "log").read_text()[-2000:])
        seconds = time.perf_counter() - began
    manifests = [json.loads(path.read_bytes()) for path in (folder / "served" / "bucket").rglob("*.json")]
    nodes = len(manifests)
    requests = len(re.findall("HTTP/1.1", (folder / "served.log").read_text()))
    trained = sum(_size(one) for one in manifests if one["node"] in ("train", "evaluate"))
    prepared = next(_size(one) for one in manifests if one["node"] == "prepare")
    return {
        "seconds": seconds,
        "megabytes a training puts there": trained / SEEDS / 1e6,
        "megabytes a prepared seed puts there": prepared / 1e6,
        "requests a node": requests / nodes,
    }


def _size(manifest: dict[str, Any]) -> int:
    return sum(file["bytes"] for file in manifest["files"].values())


if __name__ == "__main__":
    main()
