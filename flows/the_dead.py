"""Runs that were killed: for a Prefect server they run for ever, and keep their deployment's slot from the next run.

A run that a worker has started carries its id in its process's environment: if none on this host does, it is dead. Of
one that a person has started, the kernel knows it, by the lock of its record. Whoever comes next tells the server.
"""

import contextlib
import socket
from pathlib import Path
from typing import Any

from flows.notify import notify_of_failure
from flows.processes import environments
from flows.server_api import OUR_FLOWS, ask
from tasks.artifacts.records import settle_the_dead

CARRIED = "PREFECT__FLOW_RUN_ID"  # Prefect's worker gives it to the run, and that to its children


def mark_the_dead(url: str, data_dir: Path | None = None, worker_starts: bool = False) -> list[str]:
    """Tell the server of runs on this host that were killed; return a sentence on each.

    A run that is pending may be about to be started by a worker, so that only one that has just started knows it dead.

    Raises:
        RunError: the server does not answer: whoever comes next tells it.
    """
    begun = unfinished(url, *(["PENDING"] if worker_starts else []))
    told = [_mark(url, run, run["infrastructure_pid"]) for run in begun if not is_alive(run)]
    for record in settle_the_dead(data_dir) if data_dir else []:
        if record.content.get("server") == url:
            with contextlib.suppress(FileNotFoundError):  # the server has forgotten it
                run = ask(url, f"flow_runs/{record.content['flow_run']}")
                told.append(_mark(url, run, record.content["pid"]))
            record.told()
    # A worker tells of the run alone, and a run whose server has no room cannot tell of its tasks.
    _end_tasks(url, {"state": {"type": {"any_": ["CRASHED", "FAILED", "CANCELLED"]}}}, "its run has ended")
    return told


def unfinished(url: str, *besides: str) -> list[dict[str, Any]]:
    """Return the runs that this host's worker has begun, and that have not ended for the server."""
    states = ["RUNNING", "CANCELLING", *besides]
    flow_runs = {"state": {"type": {"any_": states}}, "deployment_id": {"is_null_": False}}
    found = ask(url, "flow_runs/filter", {"flows": OUR_FLOWS, "flow_runs": flow_runs})
    return [run for run in found if run["labels"].get("prefect.worker.name") == socket.gethostname()]


def is_alive(run: dict[str, Any]) -> bool:
    """Tell whether a process on this host carries the run, or may do so but is another user's."""
    seen = environments()
    if any(environment.get(CARRIED) == run["id"] for environment in seen.values()):
        return True
    process = int(run["infrastructure_pid"] or 0)
    return process not in seen and Path(f"/proc/{process}").exists()


def _mark(url: str, run: dict[str, Any], process: object) -> str:
    message = f"its process, pid {process} on {socket.gethostname()}, was killed"
    _end_tasks(url, {"id": {"any_": [run["id"]]}}, message)
    if run["state_type"] in ("RUNNING", "PENDING", "CANCELLING"):
        ask(url, f"flow_runs/{run['id']}/set_state", _crashed(message))
        notify_of_failure(url, run["name"], run["id"], f"Crashed: {message}")
    return f"run {run['name']} crashed: {message}"


def _end_tasks(url: str, of_runs: dict[str, Any], message: str) -> None:
    going_on = {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
    for task in ask(url, "task_runs/filter", {"flows": OUR_FLOWS, "flow_runs": of_runs, "task_runs": going_on}):
        ask(url, f"task_runs/{task['id']}/set_state", _crashed(message))


def _crashed(message: str) -> dict[str, Any]:
    return {"state": {"type": "CRASHED", "name": "Crashed", "message": message}, "force": True}
