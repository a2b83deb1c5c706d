"""What more machines are worth, what the engines add to a task, and what a thousand trainings on fifty would cost.

python -m tests.benchmarks.scaling     # a quarter of an hour

A study of eight small trainings runs on Dask with one and with two workers, each on a core of its own, which share
their artifacts in a bucket; then a flow of empty tasks on each engine. Prints the figures, and what follows from them.
"""

import contextlib
import json
import os
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tasks.data.dataset import FASHION_MNIST
from tests.benchmarks.figures import pairwise, printed_by
from tests.benchmarks.throughput import RAW
from tests.conftest import Server, prefect_server
from tests.machines import Machine, bucket_server, dask_scheduler

SEEDS, LIMIT, PAIRS, EMPTY = 8, 6_000, 3, 200
STUDY = ("--seeds", str(SEEDS), "--networks", "dropout", "--limit", str(LIMIT), "--epochs", "3", "--source", str(RAW))
TRAININGS, MACHINES = 1_000, 50
EMPTY_TASKS = """
import json, sys, time
from prefect import flow, task
from flows.orchestration.task_runners import ENGINES
from tasks.settings.settings import Settings

@flow
def many():
    with ENGINES[sys.argv[1]](Settings(engine=sys.argv[1])) as engine:
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
    told: dict[str, list[float]] = {}

    def tell(name: str, value: float) -> None:
        told.setdefault(name, []).append(value)
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
    print(json.dumps(_on_paper({name: statistics.median(values) for name, values in told.items()}), indent=1))


def _study(server: Server, folder: Path, workers: int) -> dict[str, float]:
    """Run the study on so many workers, each on its own core; return what it took."""
    mine = Machine(folder / "mine")
    with contextlib.ExitStack() as stack:
        environment = server.environment | stack.enter_context(bucket_server("localbucket", folder / "served"))
        scheduler = stack.enter_context(dask_scheduler(environment, folder / "scheduler.log"))
        for core in range(workers):
            machine = Machine(folder / f"worker-{core}")
            machine.work_for(scheduler, environment, core)
            stack.callback(machine.stop)
        where = ("--engine", "dask", "--scheduler", scheduler, "--store", "s3://bucket/artifacts")
        before, database = _server_s_cost(server)
        began = time.perf_counter()
        run = mine.run("flows/study.py", "seeds", *STUDY, *where, environment=environment, output=mine.log)
        if run.wait():
            raise RuntimeError(mine.log.read_text()[-2000:])
        seconds = time.perf_counter() - began
        after, grown = _server_s_cost(server)
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
        "server, CPU milliseconds a node": 1000 * (after - before) / nodes,
        "server, kilobytes a node": (grown - database) / nodes / 1e3,
    }


def _size(manifest: dict[str, Any]) -> int:
    return sum(file["bytes"] for file in manifest["files"].values())


def _server_s_cost(server: Server) -> tuple[float, float]:
    """Return the seconds of CPU time that the server has used so far, and the bytes of its database."""
    port = server.url.rpartition(":")[2].partition("/")[0].encode()
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if port in (process / "cmdline").read_bytes().split(b"\0"):
                ticks += sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13]))
    home = Path(server.environment["PREFECT_HOME"])
    return ticks / os.sysconf("SC_CLK_TCK"), sum(path.stat().st_size for path in home.glob("prefect.db*"))


def _on_paper(middle: dict[str, float]) -> dict[str, float]:
    """Return what so many trainings on so many machines would cost, each seed with images of its own to prepare."""
    cost = {name.removeprefix("2 workers: "): value for name, value in middle.items() if name.startswith("2 w")}
    nodes = 3 * TRAININGS  # prepare, train, evaluate
    whole = FASHION_MNIST.counts["train"] + FASHION_MNIST.counts["test"]
    prepared = cost["megabytes a prepared seed puts there"] * whole / (2 * LIMIT)  # as many test images
    server = cost["server, CPU milliseconds a node"] / 1000
    put = TRAININGS * (prepared + cost["megabytes a training puts there"]) / 1000
    return {
        "gigabytes put there": put,
        "gigabytes taken from there, if no machine has what it needs": 2 * TRAININGS * prepared / 1000 + put,
        "requests": nodes * cost["requests a node"],
        "server, CPU minutes": nodes * server / 60,
        "server, seconds between two trainings' ends that it keeps up with": 3 * server,
        "server, gigabytes of database": nodes * cost["server, kilobytes a node"] / 1e6,
    }


if __name__ == "__main__":
    main()
