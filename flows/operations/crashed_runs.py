"""Runs that were killed: the server lists them as running forever, and they block their deployment's next runs.

A worker's run carries its id in its processes' environment: if no process on this host has it, the run is dead. A run
from the command line is dead if nobody holds its record's lock. Whoever notices first reports it to the server.
"""

import socket
from pathlib import Path
from typing import Any

from flows.operations.notify import notify_of_failure
from flows.operations.processes import command_of, environments
from flows.operations.server_client import OUR_FLOWS, list_all, normalize_url, request
from tasks.pipeline.run_records import Record, recover_crashed_runs

FLOW_RUN_ID_ENV = "PREFECT__FLOW_RUN_ID"  # set by Prefect's worker, inherited by the run's children


def mark_crashed_runs(
    url: str, data_dir: Path | None = None, *, pending: bool = False, stopped: bool = False
) -> list[str]:
    """Report this host's runs that were killed to the server; return a sentence on each.

    Pending runs count only where no worker may be about to start them. Runs that were stopped end as cancelled.

    Raises:
        RunError: the server does not answer; a later call reports them.
    """
    dead = [(run["id"], run["infrastructure_pid"]) for run in unfinished(url, pending) if not is_alive(run)]
    records = unreported(data_dir, url) if data_dir else []
    dead += [(record.content["flow_run"], record.content["pid"]) for record in records]
    host = socket.gethostname()
    what = "stopped by `make stop`" if stopped else "killed"
    messages = [_end_run(url, run, f"its process, pid {pid} on {host}, was {what}", stopped) for run, pid in dead]
    for record in records:
        record.update(reported=True)
    # A run's tasks are reported neither by its worker nor above.
    ended = {"state": {"type": {"any_": ["CRASHED", "FAILED", "CANCELLED"]}}}
    going_on = {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
    for task in list_all(url, "task_runs", flows=OUR_FLOWS, flow_runs=ended, task_runs=going_on):
        _set_state(url, f"task_runs/{task['id']}", "Crashed", "its run ended")
    return list(filter(None, messages))


def unreported(data_dir: Path, url: str | None) -> list[Record]:
    """Return the records of killed runs from the command line that this server, theirs, does not know of yet."""
    server = normalize_url(url)
    return [it for it in recover_crashed_runs(data_dir) if normalize_url(it.content.get("server")) == server != ""]


def unfinished(url: str, pending: bool = False) -> list[dict[str, Any]]:
    """Return the runs that this host's worker has started and that have not ended for the server."""
    states = ["RUNNING", "CANCELLING", *(["PENDING"] if pending else [])]
    flow_runs = {"state": {"type": {"any_": states}}, "deployment_id": {"is_null_": False}}
    found = list_all(url, "flow_runs", flows=OUR_FLOWS, flow_runs=flow_runs)
    return [run for run in found if run["labels"].get("prefect.worker.name") == socket.gethostname()]


def is_alive(run: dict[str, Any]) -> bool:
    """Return whether a process on this host carries the run, or may do so but is another user's."""
    seen = environments()
    process = int(run["infrastructure_pid"] or 0)
    maybe = process not in seen and "prefect" in command_of(process)  # else the number is another process's by now
    return maybe or any(environment.get(FLOW_RUN_ID_ENV) == run["id"] for environment in seen.values())


def _end_run(url: str, identifier: str, message: str, stopped: bool) -> str:
    """Set the final state of a run without a process, unless it has one; return a sentence on it.

    A run that was stopped or being cancelled ends as cancelled, and nobody is notified.
    """
    going_on = {"id": {"any_": [identifier]}, "state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
    run = next(iter(list_all(url, "flow_runs", flow_runs=going_on)), None)
    if not run:  # it has ended by itself meanwhile, or the server has forgotten it
        return ""
    name = "Cancelled" if stopped or run["state_type"] == "CANCELLING" else "Crashed"
    _set_state(url, f"flow_runs/{identifier}", name, message)
    if name == "Crashed":
        notify_of_failure(url, run["name"], identifier, f"{name}: {message}")
    return f"run {run['name']} {name.lower()}: {message}"


def _set_state(url: str, path: str, name: str, message: str) -> None:
    state = {"type": name.upper(), "name": name, "message": message}
    request(url, f"{path}/set_state", {"state": state, "force": True})
