"""Scheduled runs that were killed: the server lists them as running for ever, and their deployment's next runs wait.

A worker's run carries its id in its processes' environment: if no process on this host has it, the run is dead. `make
worker` and `make stop` report it to the server.
"""

import socket
from typing import Any

from flows.operations.notify import notify_of_failure
from flows.operations.processes import environments
from flows.operations.server_client import OUR_FLOWS, find, request

FLOW_RUN_ID_ENV = "PREFECT__FLOW_RUN_ID"  # set by Prefect's worker, inherited by the run's children


def mark_crashed_runs(url: str, *, pending: bool = False, stopped: bool = False) -> list[str]:
    """Report this host's runs that were killed, and tasks of runs that ended, to the server; return a sentence a run.

    Pending runs count only where no worker may be about to start them. Runs that were stopped end as cancelled.

    Raises:
        RunError: the server does not answer; a later call reports them.
    """
    messages = [_end_run(url, run, stopped) for run in unfinished(url, pending)]
    # A run's tasks are reported neither by its worker nor above, nor by itself while its server was away.
    going_on = {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
    for name, states in {"Completed": ["COMPLETED"], "Crashed": ["CRASHED", "FAILED", "CANCELLED"]}.items():
        ended = {"state": {"type": {"any_": states}}}
        for task in find(url, "task_runs", flows=OUR_FLOWS, flow_runs=ended, task_runs=going_on):
            _set_state(url, f"task_runs/{task['id']}", name, "its run ended")
    return list(filter(None, messages))


def unfinished(url: str, pending: bool = False) -> list[dict[str, Any]]:
    """Return the runs that this host's worker has started, that have not ended for the server and have no process."""
    states = ["RUNNING", "CANCELLING", *(["PENDING"] if pending else [])]
    flow_runs = {"state": {"type": {"any_": states}}, "deployment_id": {"is_null_": False}}
    found = find(url, "flow_runs", flows=OUR_FLOWS, flow_runs=flow_runs)
    alive = {environment.get(FLOW_RUN_ID_ENV) for environment in environments().values()}
    host = socket.gethostname()
    return [run for run in found if run["labels"].get("prefect.worker.name") == host and run["id"] not in alive]


def _end_run(url: str, run: dict[str, Any], stopped: bool) -> str:
    """Set the final state of a run without a process; return a sentence on it, none if it has just ended by itself.

    A run that was stopped or being cancelled ends as cancelled, and nobody is notified.
    """
    message = f"its process on {socket.gethostname()} was {'stopped by `make stop`' if stopped else 'killed'}"
    name = "Cancelled" if stopped or run["state_type"] == "CANCELLING" else "Crashed"
    if _set_state(url, f"flow_runs/{run['id']}", name, message) != "ACCEPT":
        return ""
    if name == "Crashed":
        notify_of_failure(url, run["name"], run["id"], f"{name}: {message}")
    return f"run {run['name']} {name.lower()}: {message}"


def _set_state(url: str, path: str, name: str, message: str) -> str:
    """Have a run or a task end so; return the server's answer: ACCEPT, unless it has ended."""
    state = {"type": name.upper(), "name": name, "message": message}
    return request(url, f"{path}/set_state", {"state": state})["status"]
