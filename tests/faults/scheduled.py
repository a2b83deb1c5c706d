"""Scheduled runs, each disturbed by a fault in mid-training; then the schedule alone has to bring the result."""

import contextlib
import json
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tasks.data.dataset import FASHION_MNIST
from tests.deployed import Deployed, deployed
from tests.faults.inflicted import EVERY, FAULTS, NODES, RECIPE, answered, clock_of, paused, the
from tests.faults.kills import ORPHANS_END_WITHIN
from tests.programs import FORK_SERVER, PROJECT, leftovers, wait_until

WORTH_A_LOOK = ("goes on after", "was killed", "slot away", "does not answer", "Retry")  # in the log


class Row(NamedTuple):
    """What was seen of a fault."""

    fault: str
    server: str
    log: str
    data: str


def disturb(folder: Path, names: list[str]) -> list[Row]:
    """Do each fault to a run of its own; return what was seen. An AssertionError tells what must never be."""
    with small_disk(folder), deployed(folder) as copy:
        specify(copy)
        copy.environment |= clock_of(folder)
        copy.command("make server deploy worker")
        copy.unschedule("watch")  # at the next quarter of an hour it would begin
        undisturbed = copy.ended(copy.start("fast", RECIPE))
        assert undisturbed["state_type"] == "COMPLETED", undisturbed["state"]
        expected = digests(copy)
        rows = []
        for name in names or FAULTS:
            try:
                rows.append(one(copy, name, expected))
            except AssertionError as error:
                rows.append(Row(name, "", "", f"FAULT: {error}"))
            print(" | ".join(rows[-1]), flush=True)
        return rows


def one(copy: Deployed, name: str, expected: dict[str, str]) -> Row:
    """Disturb one run and see to it that the schedule alone brings the same result."""
    node, fault = FAULTS[name]
    for done in (*NODES[NODES.index(node) :], "checkpoints"):
        shutil.rmtree(copy.data / done, ignore_errors=True)
    before = {run["id"] for run in copy.runs("watch")}
    log = copy.data / "prefect" / "worker.log"
    seen = log.stat().st_size
    copy.schedule("watch", EVERY, RECIPE)
    deadline = time.monotonic() + 120
    while not at_work(copy, node):
        assert time.monotonic() < deadline, copy.runs("watch")[-1:]
        time.sleep(0.001)
    flow = the(copy, "prefect.engine")
    with paused(flow):  # whatever is done in a moment is not done before the fault
        (disturbed,) = [run for run in copy.runs("watch", "RUNNING") if run["id"] not in before]
    told = fault(copy, flow)
    going_on = {"Running", "Pending", "Scheduled"}  # of its tasks, a later run tells where it could not

    def brought() -> bool:
        done = [run for run in copy.runs("watch", "COMPLETED") if run["id"] not in before]
        return bool(done) and not at_work(copy, node) and not going_on & set(copy.tasks(disturbed["id"]).values())

    wait_until(answered(brought), 900, lambda: str([(run["name"], run["state"]) for run in copy.runs("watch")[-5:]]))
    copy.unschedule("watch")
    wait_until(lambda: "prefect.engine" not in str(copy.processes("worker")), 60, lambda: "a run's process is left")
    insist_on_the_same(copy, expected)
    server = ""
    with contextlib.suppress(FileNotFoundError):  # the server's database is another one
        first = copy.run(disturbed["id"])
        tasks = copy.tasks(disturbed["id"])
        assert not going_on & set(tasks.values()), (first["state"], tasks)
        server = f"{first['state_name']} ({first['state']['message']}); tasks {', '.join(sorted(set(tasks.values())))}"
    later = Counter(run["state_name"] for run in copy.runs("watch") if run["id"] not in {*before, disturbed["id"]})
    with log.open() as lines:
        lines.seek(seen)
        logged = [line.strip()[15:] for line in lines if any(what in line for what in WORTH_A_LOOK)]
    said = "; ".join([told, *dict.fromkeys(logged)])
    return Row(name, f"{server}; then {dict(later)}", said, f"the same {len(expected)} digests, nothing left")


def specify(copy: Deployed) -> None:
    """Give the copy the real data under another name; it comes from a mirror on this machine, and is there already."""
    mirror = f"http://127.0.0.1:{copy.port + 2}/"
    specification = FASHION_MNIST.model_dump(mode="json") | {"name": "mirrored", "mirrors": [mirror]}
    (copy.project / "dataset.json").write_text(json.dumps(specification))
    shutil.copytree(PROJECT / "data" / "raw" / FASHION_MNIST.name, copy.data / "raw" / "mirrored")


def insist_on_the_same(copy: Deployed, expected: dict[str, str]) -> None:
    """See to it that the artifacts are those of the undisturbed run, each once, and that nothing else is left."""
    assert digests(copy) == expected, "another result"
    assert leftovers(copy.data) == [], leftovers(copy.data)
    assert not list(copy.data.glob("checkpoints/*")), "a checkpoint was left"
    wait_until(
        lambda: not any(FORK_SERVER in name for name in copy.processes("worker").values()),
        ORPHANS_END_WITHIN,
        lambda: "a child was left",
    )


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Have a disk of its own for the folder, that can be filled: a tmpfs (for root alone)."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "fashion-mnist-faults", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def at_work(copy: Deployed, node: str) -> bool:
    """Tell whether a node is being made; a training only once it has a checkpoint to go on from."""
    if node == "train":
        return bool(list(copy.data.glob("checkpoints/*/*"))) and bool(list((copy.data / node).glob(".staging-*")))
    return bool(list((copy.data / node).glob(".staging-*")))


def digests(copy: Deployed) -> dict[str, str]:
    """Return the content digest of each artifact; that of the report says when everything was made."""
    found = {}
    for manifest in sorted(copy.data.glob("*/*/manifest.json")):
        node = manifest.parent.parent.name
        assert node not in found, f"{node} was made twice"
        found[node] = manifest.read_text().split('"digest": "')[1][:64] if node != "report" else ""
    return found
