"""Runs that were killed: for a Prefect server they run for ever, and keep their deployment's slot from the next run.

The kernel knows which are dead, by their records' locks. Who comes next, a run or a worker, tells the server.
"""

from pathlib import Path

from flows.notify import notify
from flows.server_api import ask
from tasks.artifacts.records import Record, dead


def mark_the_dead(url: str, data_dir: Path, this_run: str = "") -> list[str]:
    """Tell the server of runs in this data folder that were killed; return a sentence on each.

    Raises:
        RunError: the server does not answer: whoever comes next tells it.
    """
    told = []
    for record in dead(data_dir):
        run = record.content["flow_run"]
        if run != this_run:  # else a worker has started it again
            told += _mark(url, run, record)
        record.told()
    return told


def _mark(url: str, run: str, record: Record) -> list[str]:
    message = f"its process, pid {record.content['pid']} on {record.content['host']}, was killed"
    crashed = {"state": {"type": "CRASHED", "name": "Crashed", "message": message}, "force": True}
    unfinished = {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
    try:
        known = ask(url, f"flow_runs/{run}")
    except FileNotFoundError:  # it was another server's
        return []
    tasks = ask(url, "task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}, "task_runs": unfinished})
    for task in tasks:
        ask(url, f"task_runs/{task['id']}/set_state", crashed)
    if known["state_type"] in ("RUNNING", "PENDING", "CANCELLING"):
        ask(url, f"flow_runs/{run}/set_state", crashed)
        notify("failed", f"{known['name']}: Crashed: {message}", run=run)
    return [f"run {known['name']} crashed: {message}"]
