"""Runs killed at random instants, each followed by a restart to the end: always the same result, nothing left."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tasks.pipeline.run_records import records
from tests.faults.killed import FUNCTIONS
from tests.programs import (
    FORK_SERVER,
    ON_THE_FIXTURE,
    PROJECT,
    Server,
    command_of,
    leftovers,
    start_main,
    wait_until,
    workers_of,
)

OPTIONS = (*ON_THE_FIXTURE, "--networks", "dropout", "--epochs", "2", "--batch-size", "16")
ORDER = ("download", "validate", "prepare", "train", "evaluate", "compare", "report")
KINDS = ("parent", "child", "both", "file layer")
ORPHANS_END_WITHIN = 5  # seconds


class Fault(Exception):
    """Something that must never be."""


def kill_again_and_again(folder: Path, server: Server, count: int, seed: int) -> Counter[str]:
    """Kill `count` runs, restart each to the end, and count the kills by kind and by what ran.

    Raises:
        Fault: a restart failed or ended with another result; a process, a lock or a temporary folder stayed.
    """
    choose, counted = random.Random(seed), Counter[str]()
    expected, seconds = finish(folder, server)
    while counted["killed"] < count:
        begin = choose.choice(ORDER)
        forget(folder / "data", begin)
        kind = choose.choice(KINDS)
        struck = strike(folder, server, kind, seconds[begin], choose)
        result, _ = finish(folder, server)
        if result != expected:
            raise Fault(f"after kill {counted['killed']} ({kind}, {struck}): {result} instead of {expected}")
        if struck:
            counted.update(["killed", kind, f"during {struck}"])
            print(f"{counted['killed']:4} {kind}, during {struck}", flush=True)
    return counted


def finish(folder: Path, server: Server) -> tuple[dict[str, str], dict[str, float]]:
    """Run to the end; return the content digests, and the seconds that a run takes from each node on."""
    began = time.monotonic()
    with start_main(folder, server, *OPTIONS) as process:
        output, errors = process.communicate(timeout=300)
    seconds = time.monotonic() - began
    if process.returncode:
        raise Fault(f"a restart ended with status {process.returncode}: {output}{errors}")
    data = folder / "data"
    left = [*leftovers(folder), *data.glob("checkpoints/*")]
    if left:
        raise Fault(f"left behind: {left}")
    made = next(records(data)).content["nodes"]
    found = {
        label: Path(data, label.partition("[")[0]).glob(f"*{node['key']}/manifest.json") for label, node in made.items()
    }
    digests = {label: next(paths).read_text().split('"digest": "')[1][:64] for label, paths in found.items()}
    digests.pop("report")  # it says when everything was made
    overhead = seconds - sum(node["seconds"] for node in made.values())
    return digests, {
        begin: overhead + sum(node["seconds"] for label, node in made.items() if ORDER.index(begin) <= place(label))
        for begin in ORDER
    }


def place(label: str) -> int:
    """Return a node's place in the order of the DAG."""
    return ORDER.index(label.partition("[")[0])


def forget(data: Path, begin: str) -> None:
    """Remove the artifacts from a node on, and all checkpoints, so that there is something to do."""
    for node in ORDER[ORDER.index(begin) :]:
        shutil.rmtree(data / node, ignore_errors=True)
    shutil.rmtree(data / "checkpoints", ignore_errors=True)


def strike(folder: Path, server: Server, kind: str, seconds: float, choose: random.Random) -> str:
    """Start a run and kill it; return what ran then, or nothing if it had ended before."""
    if kind == "file layer":
        number = choose.randint(1, choose.choice((6, 60)))  # a run renames three times, and opens 200 files
        hook = (choose.choice(FUNCTIONS), str(number), choose.choice(("before", "after")))
        before = (sys.executable, "-m", "tests.faults.killed", *hook)
        with started(folder, server, before) as process:
            if process.wait(300) not in (0, -signal.SIGKILL):
                raise Fault(f"{hook}: the run ended with status {process.returncode}")
            return running_in(folder) if process.returncode else ""
    with started(folder, server, (sys.executable, str(PROJECT / "flows" / "main.py"))) as process:
        when = choose.uniform(0, seconds)
        if kind != "parent":  # which has workers only after its own start, and now and then none
            wait_until(lambda: process.poll() is not None or workers_of(process.pid), 300)
            when = choose.uniform(0, seconds / 2)
        instant = time.monotonic() + when
        while process.poll() is None and (
            time.monotonic() < instant or (kind != "parent" and not workers_of(process.pid))
        ):
            time.sleep(0.005)
        running = process.poll() is None
        children = workers_of(process.pid) if running else []
        struck = running_in(folder) if running and (kind == "parent" or children) else ""
        if struck and kind != "parent":
            os.kill(children[0], signal.SIGKILL)
        if struck and kind != "child":
            process.kill()
        process.wait(300)
        wait_until(lambda: not any(FORK_SERVER in command_of(child) for child in children), ORPHANS_END_WITHIN)
    return struck


@contextlib.contextmanager
def started(folder: Path, server: Server, command: tuple[str, ...]):
    """Have a run on the way, its output thrown away: a killed one's children may hold it open."""
    folders = ("--data-dir", str(folder / "data"), "--reports-dir", str(folder / "reports"))
    with subprocess.Popen(
        [*command, *folders, *OPTIONS],
        cwd=PROJECT,
        env=server.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        yield process


def running_in(folder: Path) -> str:
    """Return the nodes that are being made, as the store's staging folders tell."""
    nodes = sorted({path.parent.name for path in folder.glob("data/*/.staging-*") if path.parent.name in ORDER})
    return "+".join(nodes) or "what is between nodes"
