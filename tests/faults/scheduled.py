"""Scheduled runs, each disturbed by a fault in mid-training; then the schedule alone has to bring the result."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from flows.server_api import ask
from tests.conftest import command_of, leftovers, wait_until
from tests.deployed import Deployed, deployed

RECIPE: dict[str, Any] = {"preset": "smoke", "networks": ["dropout"], "epochs": 60}
EVERY = 10  # seconds between two scheduled runs
WORTH_A_LOOK = ("goes on after", "was killed", "slot away", "does not answer")  # in the log
NODES = ("download", "validate", "prepare", "train", "evaluate", "compare", "report")


class Row(NamedTuple):
    """What was seen of a fault."""

    fault: str
    server: str
    log: str
    data: str


def disturb(folder: Path, names: list[str]) -> list[Row]:
    """Do each fault to a run of its own; return what was seen. An AssertionError tells what must never be."""
    with deployed(folder, "server", "deploy", "worker") as copy:
        raw = Path(__file__).parents[2] / "data" / "raw"
        if raw.is_dir():
            shutil.copytree(raw, copy.data / "raw")
        undisturbed = copy.ended(copy.start("fast", RECIPE))
        assert undisturbed["state_type"] == "COMPLETED", undisturbed["state"]
        expected = digests(copy)
        rows = []
        for name in names or FAULTS:
            row = one(copy, name, expected)
            print(" | ".join(row), flush=True)
            rows.append(row)
        return rows


def one(copy: Deployed, name: str, expected: dict[str, str]) -> Row:
    """Disturb one run and see to it that the schedule alone brings the same result."""
    node, fault = FAULTS[name]
    for done in NODES[NODES.index(node) :]:
        shutil.rmtree(copy.data / done, ignore_errors=True)
    shutil.rmtree(copy.data / "checkpoints", ignore_errors=True)
    before = {run["id"] for run in copy.runs("watch")}
    log = copy.data / "prefect" / "worker.log"
    seen = log.stat().st_size
    copy.schedule("watch", EVERY, RECIPE)
    wait_until(lambda: at_work(copy, node), 120, lambda: str(copy.runs("watch")[-1:]))
    (disturbed,) = (run for run in copy.runs("watch", "RUNNING") if run["id"] not in before)
    told = fault(copy) or ""

    def brought() -> bool:
        with contextlib.suppress(Exception):
            done = [run for run in copy.runs("watch", "COMPLETED") if run["id"] not in before]
            return bool(done) and not at_work(copy, node)
        return False

    wait_until(brought, 900, lambda: str([(r["name"], r["state"]) for r in copy.runs("watch")[-5:]]))
    copy.unschedule("watch")
    new = [run for run in copy.runs("watch") if run["id"] not in before]
    assert digests(copy) == expected, "another result"
    assert leftovers(copy.data) == [], leftovers(copy.data)
    assert not list(copy.data.glob("checkpoints/*")), "a checkpoint was left"
    orphans = [line for line in copy.processes("worker").values() if "-m tasks." in line or "flow_engine" in line]
    assert orphans == [], orphans
    first = copy.run(disturbed["id"])
    unfinished = {n: s for n, s in copy.tasks(disturbed["id"]).items() if s in ("Running", "Pending", "Scheduled")}
    assert not unfinished, (first["state"], unfinished)
    states = [f"{run['name']} {run['state_name']}" for run in new]
    with log.open() as lines:
        lines.seek(seen)
        logged = [
            line.strip() for line in lines if "goes on after" in line or "was killed" in line or "slot away" in line
        ]
    tasks = dict.fromkeys(copy.tasks(disturbed["id"]).values())
    server = (
        f"{first['state_name']} ({first['state']['message']}); tasks {', '.join(tasks)}; then {', '.join(states[1:4])}"
    )
    return Row(
        name,
        server,
        "; ".join([told, *dict.fromkeys(logged)]),
        f"same digests, {len(expected)} artifacts, nothing left",
    )


def at_work(copy: Deployed, node: str) -> bool:
    """Tell whether a node is being made; a training only once it has a checkpoint to go on from."""
    if node == "train":
        return bool(list(copy.data.glob("checkpoints/*/*"))) and bool(list((copy.data / node).glob(".unfinished-*")))
    return bool(list((copy.data / node).glob(".unfinished-*")))


def digests(copy: Deployed) -> dict[str, str]:
    """Return the content digest of each artifact; that of the report says when everything was made."""
    found = {}
    for manifest in sorted(copy.data.glob("*/*/manifest.json")):
        node = manifest.parent.parent.name
        assert node not in found, f"{node} was made twice"
        found[node] = manifest.read_text().split('"digest": "')[1][:64] if node != "report" else ""
    return found


def the(copy: Deployed, what: str) -> int:
    """Return the one process of the worker's that does this."""
    return next(process for process, line in copy.processes("worker").items() if what in line)


def kill_child(copy: Deployed) -> str:
    """End the training as the kernel does where memory is short."""
    os.kill(the(copy, "-m tasks.train"), signal.SIGKILL)
    return "the child was killed"


def kill_flow(copy: Deployed) -> str:
    """End the run's own process."""
    child = the(copy, "-m tasks.train")
    parent = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
    return "the run's process was killed"


def kill_worker(copy: Deployed) -> str:
    """End the worker without a word, and start another."""
    return _end_worker(copy, signal.SIGKILL)


def terminate_worker(copy: Deployed) -> str:
    """Ask the worker to end, as a service manager does, and start another."""
    return _end_worker(copy, signal.SIGTERM)


def _end_worker(copy: Deployed, number: signal.Signals) -> str:
    worker = the(copy, "prefect worker start")
    os.kill(worker, number)
    wait_until(lambda: not command_of(worker), 30)
    time.sleep(2)
    still = (
        "the run went on" if any("-m tasks." in line for line in copy.processes("worker").values()) else "the run ended"
    )
    # What went on is no worker: `make worker` has to see the difference.
    copy.command("make worker")
    return f"worker {number.name}: {still}; another started"


def all_killed(copy: Deployed) -> str:
    """Have the power fail, but for the server."""
    for process in copy.processes("worker"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    copy.command("make worker")
    return "worker, run and child were killed"


def outage(seconds: float) -> Callable[[Deployed], str]:
    """Make a fault: the server is away for so long."""

    def away(copy: Deployed) -> str:
        for process in copy.processes("server"):
            os.kill(process, signal.SIGTERM)
        wait_until(lambda: not copy.processes("server"), 30)
        time.sleep(seconds)
        copy.command("make server")
        return f"no server for {seconds:.0f} s"

    return away


def lose_database(copy: Deployed) -> str:
    """Delete the server's database under it, and do what `--status` then says."""
    for process in copy.processes("server"):
        os.kill(process, signal.SIGKILL)
    for file in (copy.data / "prefect").glob("prefect.db*"):
        file.unlink()
    copy.command("make server deploy")
    copy.schedule("watch", EVERY, RECIPE)
    return "the database was deleted; `make server deploy`"


def redeploy(copy: Deployed) -> str:
    """Change the deployment while its run is at work."""
    path = copy.project / "prefect.yaml"
    content = path.read_text()
    path.write_text(content.replace("The fast recipe again", "The fast recipe once more"))
    copy.command("make deploy")
    copy.schedule("watch", EVERY, RECIPE)
    path.write_text(content)
    return "the deployment was changed"


def second_worker(copy: Deployed) -> str:
    """Have two workers at the same pool."""
    environment = copy.environment | {"PREFECT_API_URL": copy.url, "PYTHONPATH": str(copy.project)}
    command = [
        str(copy.project / ".venv/bin/prefect"),
        "worker",
        "start",
        "--pool",
        "fashion-mnist",
        "--name",
        "second",
    ]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(3 * EVERY)
    finally:
        process.terminate()
        process.wait(30)
    return "two workers for 30 s"


def cancel(copy: Deployed) -> str:
    """Cancel the run, as the button of Prefect's UI does."""
    (run,) = copy.runs("watch", "RUNNING")
    ask(copy.url, f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    began = time.monotonic()
    ended = copy.ended(run["id"])
    return f"cancelled in {time.monotonic() - began:.0f} s ({ended['state_name']})"


FAULTS: dict[str, tuple[str, Callable[[Deployed], str]]] = {
    "child killed": ("train", kill_child),
    "run killed": ("train", kill_flow),
    "worker killed": ("train", kill_worker),
    "worker terminated": ("train", terminate_worker),
    "all killed": ("train", all_killed),
    "server away for 30 s": ("train", outage(30)),
    "server away for 5 minutes": ("train", outage(300)),
    "database deleted": ("train", lose_database),
    "deployment changed": ("train", redeploy),
    "two workers": ("train", second_worker),
    **{f"cancelled in {node}": (node, cancel) for node in NODES},
}
