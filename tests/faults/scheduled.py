"""Scheduled runs, each disturbed in the midst of a training; then the schedule alone has to bring the same result."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from flows.operations.server_client import request
from tasks.data.dataset import FASHION_MNIST
from tasks.download import fetch
from tasks.pipeline.errors import RunError
from tasks.settings.settings import Settings
from tests import silent
from tests.deployed import Deployed, deployed
from tests.faults.kills import ORPHANS_END_WITHIN, digests
from tests.programs import FORK_SERVER, command_of, leftovers, trains, wait_until

RECIPE: dict[str, Any] = {"preset": "smoke", "networks": ["dropout"], "epochs": 40}
EVERY = 10  # seconds between two scheduled runs
MADE = ("train", "evaluate", "compare", "report", "checkpoints")  # what each disturbed run makes anew


def disturb(folder: Path, names: list[str]) -> bool:
    """Do each fault to a run of its own, and print what was seen; return whether something was that must never be."""
    good = True
    with deployed(folder) as copy:
        fetch(FASHION_MNIST, copy.data / "raw" / FASHION_MNIST.name, Settings().source_folder, silent)
        copy.command("make server deploy worker")
        copy.unschedule("watch")  # at the next quarter of an hour it would begin
        undisturbed = copy.ended(copy.start("fast", RECIPE), 600)
        assert undisturbed["state_type"] == "COMPLETED", undisturbed["state"]
        expected = digests(copy.data)
        for name in names or FAULTS:
            try:
                print(f"{name}: {one(copy, FAULTS[name], expected)}", flush=True)
            except AssertionError as error:
                good = False
                print(f"{name}: FAULT: {error}", flush=True)
    return good


def one(copy: Deployed, fault: Callable[[Deployed, int], None], expected: dict[str, str]) -> str:
    """Disturb one run and see to it that the schedule alone brings the same result; return how the run ended."""
    for done in MADE:
        shutil.rmtree(copy.data / done, ignore_errors=True)
    before = {run["id"] for run in copy.runs("watch")}
    copy.schedule("watch", EVERY, RECIPE)
    wait_until(lambda: list(copy.data.glob("checkpoints/*/*")) and training(copy), 120)
    flow = next(process for process, line in copy.processes("worker").items() if "prefect.engine" in line)
    os.kill(flow, signal.SIGSTOP)  # whatever is done in a moment is not done before the fault
    (disturbed,) = [run for run in copy.runs("watch", "RUNNING") if run["id"] not in before]
    os.kill(flow, signal.SIGCONT)
    fault(copy, flow)

    def brought() -> bool:
        with contextlib.suppress(RunError):  # the server may be away, or drowned in overdue runs
            done = [run for run in copy.runs("watch", "COMPLETED") if run["id"] not in before]
            return bool(done) and not training(copy)
        return False

    wait_until(brought, 900, lambda: str([(run["name"], run["state"]) for run in copy.runs("watch")[-5:]]))
    copy.unschedule("watch")
    wait_until(lambda: "prefect.engine" not in str(copy.processes("worker")), 60, lambda: "a run's process is left")
    assert digests(copy.data) == expected, "another result"
    assert leftovers(copy.data) == list(copy.data.glob("checkpoints/*")) == [], "something was left"
    wait_until(lambda: FORK_SERVER not in str(copy.processes("worker")), ORPHANS_END_WITHIN, lambda: "a child is left")
    copy.command("make worker")  # as cron does
    ended, tasks = copy.run(disturbed["id"]), set(copy.tasks(disturbed["id"]).values())
    assert not {"Running", "Pending", "Scheduled"} & {ended["state_name"], *tasks}, (ended["state"], tasks)
    return f"{ended['state_name']} ({ended['state']['message']}); then the same {len(expected)} digests, nothing left"


def training(copy: Deployed) -> list[int]:
    """Return the process that trains, if there is one."""
    return [each for each, line in copy.processes("worker").items() if FORK_SERVER in line and trains(each)]


def end(copy: Deployed, service: str) -> None:
    """Kill all processes of a service."""
    for process in copy.processes(service):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    wait_until(lambda: not copy.processes(service), 30)


def kill_worker(copy: Deployed, flow: int) -> None:
    """End the worker without a word, and start another."""
    worker = next(process for process, line in copy.processes("worker").items() if "prefect worker start" in line)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not command_of(worker), 30)
    copy.command("make worker")


def kill_all(copy: Deployed, flow: int) -> None:
    """Have the power fail, but for the server."""
    end(copy, "worker")
    copy.command("make worker")


def outage(seconds: float, copy: Deployed, flow: int) -> None:
    """Have the server away for so long."""
    end(copy, "server")
    time.sleep(seconds)
    copy.command("make server")


def cancel(copy: Deployed, flow: int) -> None:
    """Cancel the run, as the button of Prefect's UI does."""
    (run,) = copy.runs("watch", "RUNNING")
    request(copy.url, f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    assert copy.ended(run["id"])["state_name"] == "Cancelled"


FAULTS: dict[str, Callable[[Deployed, int], None]] = {
    "child killed": lambda copy, flow: os.kill(training(copy)[0], signal.SIGKILL),
    "run killed": lambda copy, flow: os.kill(flow, signal.SIGKILL),
    "worker killed": kill_worker,
    "all killed": kill_all,
    "server away for 30 s": partial(outage, 30),
    "server away for 10 minutes": partial(outage, 600),
    "cancelled": cancel,
}
