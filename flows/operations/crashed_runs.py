"""Runs that were killed: for a Prefect server they run for ever, and keep their deployment's slot from the next run.

A run that a worker has started carries its id in its process's environment: if none on this host does, it is dead. Of
one that a person has started, the kernel knows it, by the lock of its record. Whoever comes next tells the server.
"""

import socket
from pathlib import Path
from typing import Any

from flows.operations.notify import notify_of_failure
from flows.operations.processes import command_of, environments
from flows.operations.server_client import OUR_FLOWS, ask, same_server
from tasks.pipeline.run_records import Record, recover_crashed_runs

CARRIED = "PREFECT__FLOW_RUN_ID"  # Prefect's worker gives it to the run, and that to its children


def mark_the_dead(url: str, data_dir: Path | None = None, worker_starts: bool = False) -> list[str]:
    """Tell the server of runs on this host that were killed; return a sentence on each.

    A run that is pending may be about to be started by a worker, so that only one that has just started knows it dead.

    Raises:
        RunError: the server does not answer: whoever comes next tells it.
    """
    begun = unfinished(url, *(["PENDING"] if worker_starts else []))
    dead = [(run["id"], run["infrastructure_pid"]) for run in begun if not is_alive(run)]
    by_hand = unreported(data_dir, url) if data_dir else []
    dead += [(record.content["flow_run"], record.content["pid"]) for record in by_hand]
    host = socket.gethostname()
    told = [end_run(url, run, "Crashed", f"its process, pid {pid} on {host}, was killed") for run, pid in dead]
    for record in by_hand:
        record.reported()
    _end_tasks(url)
    return list(filter(None, told))


def unreported(data_dir: Path, url: str | None) -> list[Record]:
    """Return the records of runs by hand that were killed, and of which their server, this one, has not heard."""
    return [record for record in recover_crashed_runs(data_dir) if same_server(record.content.get("server"), url)]


def unfinished(url: str, *besides: str) -> list[dict[str, Any]]:
    """Return the runs that this host's worker has begun, and that have not ended for the server."""
    states = ["RUNNING", "CANCELLING", *besides]
    flow_runs = {"state": {"type": {"any_": states}}, "deployment_id": {"is_null_": False}}
    found = ask(url, "flow_runs/filter", {"flows": OUR_FLOWS, "flow_runs": flow_runs})
    return [run for run in found if run["labels"].get("prefect.worker.name") == socket.gethostname()]


def is_alive(run: dict[str, Any]) -> bool:
    """Tell whether a process on this host carries the run, or may do so but is another user's."""
    seen = environments()
    process = int(run["infrastructure_pid"] or 0)
    maybe = process not in seen and "prefect" in command_of(process)  # else its number is another's by now
    return maybe or any(environment.get(CARRIED) == run["id"] for environment in seen.values())


def end_run(url: str, identifier: str, how: str, message: str) -> str:
    """Tell the server how a run has ended that no process carries, unless it knows; return a sentence on it.

    One that was to be cancelled is, however it came to its end. Nobody is notified of that.
    """
    going_on = {"id": {"any_": [identifier]}, "state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
    run = next(iter(ask(url, "flow_runs/filter", {"flow_runs": going_on})), None)
    if not run:  # it has come to its own end meanwhile, or the server has forgotten it
        return ""
    name = "Cancelled" if run["state_type"] == "CANCELLING" else how
    ask(url, f"flow_runs/{identifier}/set_state", _ended(name, message))
    if name == "Crashed":
        notify_of_failure(url, run["name"], identifier, f"{name}: {message}")
    return f"run {run['name']} {name.lower()}: {message}"


def _end_tasks(url: str) -> None:
    """End the tasks of runs that have: a worker tells of the run alone, as does who has found it dead."""
    over = {"state": {"type": {"any_": ["CRASHED", "FAILED", "CANCELLED"]}}}
    going_on = {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
    for task in ask(url, "task_runs/filter", {"flows": OUR_FLOWS, "flow_runs": over, "task_runs": going_on}):
        ask(url, f"task_runs/{task['id']}/set_state", _ended("Crashed", "its run has ended"))


def _ended(name: str, message: str) -> dict[str, Any]:
    return {"state": {"type": name.upper(), "name": name, "message": message}, "force": True}
