"""What a Prefect server shows of a run beside Prefect's own: progress, the comparison, how it ended.

Nothing here may hold a run up or fail it: if the server does not answer, the work goes on.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
from prefect import Task, get_run_logger
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.runtime import flow_run, task_run
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.environment import URL
from flows.operations.processes import find_service
from flows.operations.server_client import read_pages
from flows.operations.services import PAGES_URL
from flows.result_table import numbers, verdict
from tasks.pipeline import PROJECT
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.progress import Background, Event

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

INTERVAL = 5.0  # seconds between two reports of progress
CANCEL_GRACE = 3  # reports during which the worker may cancel the run itself
SERVER_WAIT = 86400  # seconds: a server that is away for longer does not learn how a run has ended
ATTEMPTS = 10  # half a second apart, until the server knows the states of the tasks by itself


@contextlib.contextmanager
def client(
    timeout: float = INTERVAL, warning: str = "the server did not take a report (%s)"
) -> Iterator["SyncPrefectClient"]:
    """Have Prefect's client, without retries; where the server does not answer or refuses, log it and go on."""
    once = {PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_API_REQUEST_TIMEOUT: timeout}
    try:
        with temporary_settings(once), get_client(sync_client=True) as prefect:
            yield prefect
    except (httpx.HTTPError, PrefectException) as error:
        if warning:
            get_run_logger().warning(warning, type(error).__name__)


class ProgressArtifacts:
    """A reporter that keeps a progress artifact for each network in training while the context lasts.

    It also notices that the run is being cancelled: a worker whose server was away for half a minute no longer does.
    """

    def __init__(self, cancel: Callable[[], None]) -> None:
        """Have `cancel` called if the worker does not cancel the run in time."""
        self.cancel = cancel
        self.cancelling_polls = 0  # in a row
        self.newest: dict[str, tuple[float, str]] = {}  # by label: percent, note
        self.shown: dict[str, tuple[float, str]] = {}
        self.tasks: dict[str, str] = {}  # task runs
        self.artifacts: dict[str, UUID] = {}
        self.writer = Background("progress artifacts", self._show, INTERVAL)
        self.flow_run = _flow_run_id()

    def __enter__(self) -> "ProgressArtifacts":
        self.writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.end(within=2 * INTERVAL)
        self._show()

    def __call__(self, event: Event) -> None:
        """Take in how far a training is, and how it ended."""
        label = event.label
        if event.kind == "started":
            self.tasks[label] = str(task_run.id)  # this is called within it; a cluster's own start is in none
        elif event.kind == "advanced" and label.startswith("train[") and event.total:
            self.newest[label] = (100 * event.done / event.total, event.note)
        elif label in self.newest:
            share, note = self.newest[label]
            self.newest[label] = (share, event.note) if event.kind == "failed" else (100, f"{note} · {event.note}")

    def _show(self) -> None:
        """Send the server what is new; if it does not answer, it gets that with the next report."""
        with client(warning="") as prefect:
            for label, (share, note) in dict(self.newest).items():
                if self.shown.get(label) == (share, note):
                    continue
                news: dict[str, Any] = {"data": share, "description": note}
                if label in self.artifacts:
                    prefect.update_artifact(self.artifacts[label], ArtifactUpdate(**news))
                else:
                    key = re.sub("[^a-z0-9]+", "-", f"progress-of-{label.lower()}").strip("-")
                    of = {"flow_run_id": self.flow_run, "task_run_id": UUID(self.tasks[label])}
                    created = ArtifactCreate(key=key, type="progress", **of, **news)
                    self.artifacts[label] = prefect.create_artifact(created).id
                self.shown[label] = (share, note)
            state = prefect.read_flow_run(self.flow_run).state
            self.cancelling_polls = self.cancelling_polls + 1 if state and state.is_cancelling() else 0
            if self.cancelling_polls > CANCEL_GRACE:
                self.cancel()


def show_result(recipe: str, artifact: Artifact, page: Path) -> str:
    """Name the flow run by recipe and key, put verdict, comparison and report beside it; return the report's link."""
    pages = next((environment[PAGES_URL] for environment in find_service("pages").values()), None)
    link = f"{pages}/{page.name}" if pages and page.parent == PROJECT / "reports" else page.as_uri()
    if os.environ.get(URL):  # the server outlives the run
        text = "\n\n".join([*verdict(artifact), f"[The report]({link})"])
        with client() as prefect:
            prefect.set_flow_run_name(_flow_run_id(), f"{recipe}-{artifact.key[:8]}")
            create_table_artifact(numbers(artifact), "comparison", "Accuracies; the gap is after training.")
            create_markdown_artifact(text, "verdict", "Which network to keep, and why.")
            create_link_artifact(link, "The report", "report", "The page of this result.")
    return link


def sync_task_states(ended: dict[UUID, tuple[str, State[Any]]]) -> None:
    """Set each task's final state (given by id, with its name) on the server, if that has another or none.

    Prefect sends tasks' states in passing, and drops what it cannot deliver for a while. A server whose disk was full
    may answer and yet store nothing until it is started again; so this waits until it stores something.
    """
    run, deadline, attempts = _flow_run_id(), time.monotonic() + SERVER_WAIT, 0
    known: dict[UUID, bool] = {}  # whether it has ended
    warning = "the server stores nothing (%s): it gets the run's final states when it does"
    while attempts < ATTEMPTS and time.monotonic() < deadline:
        pause = INTERVAL
        with client(warning=warning) as prefect:
            try:
                prefect.set_flow_run_name(run, prefect.read_flow_run(run).name)
            except ObjectNotFound:  # it has forgotten the run
                return
            of_run = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
            tasks = read_pages(partial(prefect.read_task_runs, flow_run_filter=of_run))
            known = {task.id: bool(task.state and task.state.is_final()) for task in tasks}
            if all(known.get(identifier) for identifier in ended):
                return
            attempts, pause = attempts + 1, 0.5
        warning = warning if pause < INTERVAL else ""  # once is enough
        time.sleep(pause)
    for identifier, (name, state) in ended.items():
        with client() as prefect:
            if identifier not in known:
                prefect.create_task_run(Task(sync_task_states, name=name), run, name, id=identifier, name=name)
            if not known.get(identifier):
                prefect.set_task_run_state(identifier, state, force=True)


def _flow_run_id() -> UUID:
    return UUID(str(flow_run.id))
