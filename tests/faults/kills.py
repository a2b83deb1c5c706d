"""Runs killed at random instants, each followed by a restart to the end: always the same result, nothing left."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tasks.pipeline.artifact import Artifact
from tests.programs import (
    FORK_SERVER,
    ON_THE_FIXTURE,
    PROJECT,
    Server,
    command_of,
    leftovers,
    run_main,
    start_main,
    wait_until,
    workers_of,
)

OPTIONS = (*ON_THE_FIXTURE, "--networks", "dropout", "--epochs", "2", "--batch-size", "16")
ORDER = ("download", "validate", "prepare", "train", "evaluate", "compare", "report")
KINDS = ("parent", "child", "both", "file layer")
ORPHANS_END_WITHIN = 5  # seconds
FUNCTIONS = ("rename", "replace", "fsync", "mkdir", "rmdir", "unlink", "open")  # of the operating system's file layer
KILLED = """
import sys
from flows.cli import main
from flows.main import dag
from tasks.settings.settings import Settings
from tests.faults.kills import kill_at

kill_at(sys.argv[1], int(sys.argv[2]), sys.argv[3])
main(dag, Settings, sys.argv[4:])
"""


def kill_again_and_again(folder: Path, server: Server, count: int, seed: int) -> Counter[str]:
    """Kill `count` runs, restart each to the end, and count the kills by kind and by what ran.

    Raises:
        AssertionError: a restart failed or ended with another result; a process, a lock or a temporary folder stayed.
    """
    choose, counted = random.Random(seed), Counter[str]()
    began = time.monotonic()
    expected = finish(folder, server)
    seconds = time.monotonic() - began
    while counted["killed"] < count:
        forget(folder / "data", choose.choice(ORDER))
        kind = choose.choice(KINDS)
        struck = strike(folder, server, kind, seconds, choose)
        result = finish(folder, server)
        assert result == expected, f"after kill {counted['killed']} ({kind}, {struck})"
        if struck:
            counted.update(["killed", kind, f"during {struck}"])
            print(f"{counted['killed']:4} {kind}, during {struck}", flush=True)
    return counted


def finish(folder: Path, server: Server) -> dict[str, str]:
    """Run to the end; return the content digests."""
    done = run_main(folder, server, *OPTIONS)
    assert done.returncode == 0, f"a restart ended with status {done.returncode}: {done.stdout}{done.stderr}"
    assert [*leftovers(folder), *folder.glob("data/checkpoints/*")] == [], "left behind"
    return digests(folder / "data")


def digests(data: Path) -> dict[str, str]:
    """Return the content digest of each artifact, one a node; that of the report says when everything was made."""
    found = {}
    for manifest in sorted(data.glob("*/*/manifest.json")):
        node = manifest.parent.parent.name
        assert node not in found, f"{node} was made twice"
        found[node] = Artifact.at(manifest.parent).digest if node != "report" else ""
    return found


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
        folders = ("--data-dir", folder / "data", "--reports-dir", folder / "reports")
        command = (sys.executable, "-c", KILLED, *hook, *folders, *OPTIONS)
        silent: Any = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
        done = subprocess.run(command, cwd=PROJECT, env=server.environment, timeout=300, check=False, **silent)
        assert done.returncode in (0, -signal.SIGKILL), f"{hook}: the run ended with status {done.returncode}"
        return running_in(folder) if done.returncode else ""
    with start_main(folder, server, *OPTIONS, stderr=subprocess.DEVNULL) as process:
        instant = time.monotonic() + choose.uniform(0, seconds)
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


def running_in(folder: Path) -> str:
    """Return the nodes that are being made, as the store's staging folders tell."""
    nodes = sorted({path.parent.name for path in folder.glob("data/*/.staging-*") if path.parent.name in ORDER})
    return "+".join(nodes) or "what is between nodes"


def kill_at(name: str, number: int, when: str) -> None:
    """Have this process killed before or after that call of `os.<name>`."""
    real, calls = getattr(os, name), [0]

    def counted(*arguments: Any, **keywords: Any) -> Any:
        calls[0] += 1
        if calls[0] == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **keywords)
        if calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, name, counted)
