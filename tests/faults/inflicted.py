"""What is done to a scheduled run, and to what it depends on."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flows.operations.processes import command_of
from flows.operations.server_client import request, seconds_of
from tasks.pipeline.errors import RunError
from tests.deployed import Deployed
from tests.programs import FORK_SERVER, background, trains, wait_until

RECIPE: dict[str, Any] = {"preset": "smoke", "networks": ["dropout"], "epochs": 40, "dataset": "dataset.json"}
CLOCK = Path(__file__).with_name("clock.c")
EVERY = 10  # seconds between two scheduled runs
NODES = ("download", "validate", "prepare", "train", "evaluate", "compare", "report")


@contextlib.contextmanager
def paused(process: int) -> Iterator[None]:
    """Have a process stand still while the context lasts."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


def the(copy: Deployed, what: str) -> int:
    """Return the one process of the worker's that does this."""
    return next(process for process, line in copy.processes("worker").items() if what in line)


def the_training(copy: Deployed) -> int:
    """Return the process that trains."""
    return next(
        process for process in copy.processes("worker") if FORK_SERVER in command_of(process) and trains(process)
    )


def answered(condition: Callable[[], bool]) -> Callable[[], bool]:
    """Have a condition not hold as long as the server does not answer: it may be away, or drowned in overdue runs."""

    def holds() -> bool:
        with contextlib.suppress(RunError):
            return condition()
        return False

    return holds


def end(copy: Deployed, service: str, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to all processes of a service."""
    for process in copy.processes(service):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def kill_child(copy: Deployed, flow: int) -> str:
    """End the training without a word."""
    os.kill(the_training(copy), signal.SIGKILL)
    return "the child was killed"


def kill_flow(copy: Deployed, flow: int) -> str:
    """End the run's own process."""
    os.kill(flow, signal.SIGKILL)
    return "the run's process was killed"


def kill_worker(copy: Deployed, flow: int) -> str:
    """End the worker without a word, and start another."""
    return _end_worker(copy, signal.SIGKILL)


def terminate_worker(copy: Deployed, flow: int) -> str:
    """Ask the worker to end, as a service manager does, and start another."""
    return _end_worker(copy, signal.SIGTERM)


def _end_worker(copy: Deployed, number: signal.Signals) -> str:
    worker = the(copy, "prefect worker start")
    os.kill(worker, number)
    deadline = time.monotonic() + 20
    while command_of(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    if command_of(worker):  # Prefect's worker sometimes works on after a SIGTERM; a service manager is not that patient
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not command_of(worker), 30)
    wait_until(lambda: not any(FORK_SERVER in line for line in copy.processes("worker").values()), 30)
    copy.command("make worker")
    return f"the worker got {number.name}: the run ended with it; another worker was started"


def all_killed(copy: Deployed, flow: int) -> str:
    """Have the power fail, but for the server."""
    end(copy, "worker")
    copy.command("make worker")
    return "worker, run and child were killed; another worker was started"


def outage(seconds: float) -> Callable[[Deployed, int], str]:
    """Make a fault: the server is away for so long."""

    def away(copy: Deployed, flow: int) -> str:
        end(copy, "server", signal.SIGTERM)
        wait_until(lambda: not copy.processes("server"), 30)
        time.sleep(seconds)
        copy.command("make server")
        return f"no server for {seconds:.0f} s"

    return away


def lose_database(copy: Deployed, flow: int) -> str:
    """Delete the server's database under it, and do what `--status` then says."""
    end(copy, "server")
    wait_until(lambda: not copy.processes("server"), 30)
    for file in (copy.data / "prefect").glob("prefect.db*"):
        file.unlink()
    copy.command("make server")
    said = copy.command(".venv/bin/python flows/main.py --status || [ $? = 1 ]")
    assert "the server does not know fast, nightly, watch; put them there with `make deploy`" in said, said
    copy.command("make deploy worker")
    copy.schedule("watch", EVERY, RECIPE)
    return "the database was deleted, --status said `make deploy`"


def fill_disk(copy: Deployed, flow: int) -> str:
    """Leave no room for anything, until the run has failed of it."""
    ballast = copy.data / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb") as file:
        while True:
            file.write(bytes(1 << 20))
            file.flush()
    wait_until(lambda: not any(map(trains, copy.processes("worker"))), 120)
    time.sleep(EVERY)
    ballast.unlink()
    return "no room for some seconds"


def step_clock(seconds: int) -> Callable[[Deployed, int], str]:
    """Make a fault: the clock of server, worker and run jumps by so many seconds, and stays so."""

    def step(copy: Deployed, flow: int) -> str:
        known = {run["id"] for run in [*copy.runs("watch"), *copy.runs("watch", "SCHEDULED")]}
        error = set_clock(copy.project.parent, seconds)
        due = min(seconds_of(run["expected_start_time"]) for run in copy.runs("watch", "SCHEDULED"))
        told = f"the clock went {seconds} s; the first planned run was due in {due - time.time() - error:.0f} s then"
        if seconds < 0:  # the server's own services wait until the clock has caught up
            wait_until(answered(lambda: not copy.runs("watch", "RUNNING")), 180)
            copy.command("make stop server deploy worker")
            copy.schedule("watch", EVERY, RECIPE)
            told += "; `make stop server deploy worker` planned anew"
        wait_until(answered(lambda: bool({run["id"] for run in copy.runs("watch", "COMPLETED")} - known)), 300)
        return told

    return step


def set_clock(folder: Path, seconds: int) -> int:
    """Put the clock of what has `clock_of` forward by so many seconds; return by how many it is wrong now."""
    with (folder / "clock").open("r+b") as file:  # processes have mapped it: it is never another file
        error = int.from_bytes(file.read(8), sys.byteorder, signed=True) + seconds
        file.seek(0)
        file.write(error.to_bytes(8, sys.byteorder, signed=True))
    return error


def clock_of(folder: Path) -> dict[str, str]:
    """Return the environment that has processes take their time from a clock that can be stepped (needs a compiler)."""
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", folder / "clock.so", CLOCK], check=True)
    (folder / "clock").write_bytes(bytes(8))
    return {"LD_PRELOAD": str(folder / "clock.so"), "CLOCK_ERROR": str(folder / "clock")}


def no_source(copy: Deployed, flow: int) -> str:
    """Have the only source of the data not answer for a while."""
    raw, mirror = copy.data / "raw" / "mirrored", copy.project / "mirror"
    mirror.mkdir()
    for file in raw.iterdir():
        file.rename(mirror / f"{file.name}.gz")  # its content says that it is none
    os.kill(flow, signal.SIGKILL)  # it may have seen the files; the next run does not
    time.sleep(3 * EVERY)
    port = str(copy.port + 2)
    command = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(mirror), port)
    with background(*command):
        wait_until(lambda: len(list(raw.glob("*-ubyte"))) == 4, 120)
    shutil.rmtree(mirror)
    return f"the source did not answer for {3 * EVERY} s"


def cancel(copy: Deployed, flow: int) -> str:
    """Cancel the run, as the button of Prefect's UI does."""
    with paused(flow):
        (run,) = copy.runs("watch", "RUNNING")
        request(copy.url, f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    began = time.monotonic()
    ended = copy.ended(run["id"])
    assert ended["state_name"] == "Cancelled", ended["state"]
    return f"cancelled within {time.monotonic() - began:.0f} s"


def cancel_after_outage(copy: Deployed, flow: int) -> str:
    """Cancel a long run whose server was away: its worker has given up asking whether it is to be cancelled."""
    os.kill(flow, signal.SIGKILL)
    copy.unschedule("watch")
    shutil.rmtree(copy.data / "checkpoints", ignore_errors=True)
    run = copy.start("fast", RECIPE | {"epochs": 1000})
    wait_until(lambda: list(copy.data.glob("checkpoints/*/*")), 120)
    outage(60)(copy, flow)
    request(copy.url, f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    began = time.monotonic()
    ended = copy.ended(run)
    assert ended["state_name"] == "Cancelled", ended["state"]
    shutil.rmtree(copy.data / "checkpoints", ignore_errors=True)
    copy.schedule("watch", EVERY, RECIPE)
    return f"after 60 s without a server, cancelled within {time.monotonic() - began:.0f} s"


def kill_while_away(copy: Deployed, flow: int) -> str:
    """Kill worker and run after the run's end, while it waits for a server that is away."""
    end(copy, "server", signal.SIGTERM)
    wait_until(lambda: "the server stores nothing (" in worker_log(copy), 180)
    end(copy, "worker")
    shutil.rmtree(copy.data / "report")  # for the next run to have something to do
    copy.command("make server worker")
    return "no server from training to end, then worker and run were killed"


def worker_log(copy: Deployed) -> str:
    """Return what the worker has logged of late."""
    return (copy.data / "prefect" / "worker.log").read_text(errors="replace")[-20_000:]


FAULTS: dict[str, tuple[str, Callable[[Deployed, int], str]]] = {
    "child killed": ("train", kill_child),
    "run killed": ("train", kill_flow),
    "worker killed": ("train", kill_worker),
    "worker terminated": ("train", terminate_worker),
    "all killed": ("train", all_killed),
    "server away for 30 s": ("train", outage(30)),
    "server away for 5 minutes": ("train", outage(300)),
    "killed while the server is away": ("train", kill_while_away),
    "cancelled after the server was away": ("train", cancel_after_outage),
    "database deleted": ("train", lose_database),
    "disk full": ("train", fill_disk),
    "clock an hour ahead": ("train", step_clock(3600)),
    "clock an hour back": ("train", step_clock(-3600)),
    "source away": ("download", no_source),
    **{f"cancelled in {node}": (node, cancel) for node in NODES},
}
