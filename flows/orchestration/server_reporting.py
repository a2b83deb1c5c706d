"""What a Prefect server is told of a run besides what Prefect itself tells: progress, the comparison, how it ended.

Nothing here may hold a run up or fail it: where the server does not answer, the work goes on.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
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

from flows.operations.processes import running
from flows.operations.services import PAGES_URL
from flows.orchestration.ephemeral_server import is_ephemeral
from flows.result_table import figures, verdict
from tasks.pipeline import PROJECT
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.progress import Background, Event

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

EVERY = 5.0  # seconds between two tellings of how far the trainings are
WORKERS_TURN = 3  # tellings for which it is left to the worker to cancel the run
AWAY_FOR = 86400  # seconds: a server that is away for longer is not told how a run has ended
PASSES = 10  # looks, half a second apart, at what the server knows of the tasks before it is told


@contextlib.contextmanager
def told_if_it_answers(warning: str = "the server was not told: %s") -> Iterator["SyncPrefectClient"]:
    """Have a client that asks once and waits for moments; go on where the server does not answer or refuses."""
    once = {PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_API_REQUEST_TIMEOUT: EVERY}
    try:
        with temporary_settings(once), get_client(sync_client=True) as client:
            yield client
    except (httpx.HTTPError, PrefectException) as error:
        if warning:
            get_run_logger().warning(warning, type(error).__name__)


class ProgressArtifacts:
    """A reporter that keeps a progress artifact for each network in training while the context lasts.

    It also hears that the run is to be cancelled: a worker whose server was away for half a minute does not any more.
    """

    def __init__(self, cancel: Callable[[], None]) -> None:
        """Have `cancel` called when the run is to be cancelled and is not."""
        self.cancel = cancel
        self.heard = 0  # how many times in a row
        self.newest: dict[str, tuple[float, str]] = {}  # of each node: percent, note
        self.tasks: dict[str, str] = {}  # task runs
        self.artifacts: dict[str, UUID] = {}
        self.shown: dict[str, tuple[float, str]] = {}
        self.writer = Background("progress artifacts", self._show, EVERY)
        self.flow_run = _this_run()

    def __enter__(self) -> "ProgressArtifacts":
        self.writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.end(within=2 * EVERY)
        self._show()

    def __call__(self, event: Event) -> None:
        """Show how far a training is, and how it ended."""
        label = event.label
        if event.kind == "started":
            self.tasks[label] = str(task_run.id)  # this is called within it; a cluster's own start is in none
        elif event.kind == "advanced" and label.startswith("train[") and event.total:
            self.newest[label] = (100 * event.done / event.total, event.note)
        elif label in self.newest:
            share, note = self.newest[label]
            self.newest[label] = (share, event.note) if event.kind == "failed" else (100, f"{note} · {event.note}")

    def _show(self) -> None:
        """Tell the server what is new; what it does not hear now, it hears with the next news."""
        with told_if_it_answers(warning="") as client:
            for label, (share, note) in dict(self.newest).items():
                if self.shown.get(label) == (share, note):
                    continue
                news: dict[str, Any] = {"data": share, "description": note}
                if label in self.artifacts:
                    client.update_artifact(self.artifacts[label], ArtifactUpdate(**news))
                else:
                    key = re.sub("[^a-z0-9]+", "-", f"progress-of-{label.lower()}").strip("-")
                    of = {"flow_run_id": self.flow_run, "task_run_id": UUID(self.tasks[label])}
                    created = ArtifactCreate(key=key, type="progress", **of, **news)
                    self.artifacts[label] = client.create_artifact(created).id
                self.shown[label] = (share, note)
            state = client.read_flow_run(self.flow_run).state
            self.heard = self.heard + 1 if state and state.is_cancelling() else 0
            if self.heard > WORKERS_TURN:
                self.cancel()


def show_result(recipe: str, artifact: Artifact, page: Path) -> str:
    """Name the flow run by recipe and key, put verdict, comparison and report beside it; return the report's link."""
    link = _address(page)
    if is_ephemeral():
        return link
    told = [*verdict(artifact), f"[The report]({link})"]
    with told_if_it_answers() as client:
        client.set_flow_run_name(_this_run(), f"{recipe}-{artifact.key[:8]}")
        create_table_artifact(figures(artifact), key="comparison", description="Accuracies; the gap is after training.")
        create_markdown_artifact("\n\n".join(told), key="verdict", description="Which network to keep, and why.")
        create_link_artifact(link, link_text="The report", key="report", description="The page of this result.")
    return link


def settle(ended: dict[UUID, tuple[str, State[Any]]]) -> None:
    """Wait for a server that takes nothing, and tell it how each task (its name, its state) has ended, unless it knows.

    Prefect tells of tasks in passing, and drops what it cannot deliver for a while. A server whose disk was full may
    take none of it until it is started again; until then it answers, but writes nothing down.
    """
    run, deadline, looks = _this_run(), time.monotonic() + AWAY_FOR, 0
    known: dict[UUID, bool] = {}  # whether it has ended
    warning = "the server takes nothing (%s): how the run has ended is told when it does"
    while looks < PASSES and time.monotonic() < deadline:
        with told_if_it_answers(warning) as client:
            try:
                client.set_flow_run_name(run, client.read_flow_run(run).name)
            except ObjectNotFound:  # it has forgotten the run
                return
            tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run])))
            known = {task.id: bool(task.state and task.state.is_final()) for task in tasks}
            if all(known.get(identifier) for identifier in ended):
                return
            looks += 1
            time.sleep(0.5)
            continue
        warning = ""  # once is enough
        time.sleep(EVERY)
    for identifier, (name, state) in ended.items():
        with told_if_it_answers() as client:
            if identifier not in known:
                client.create_task_run(Task(settle, name=name), run, name, id=identifier, name=name)
            if not known.get(identifier):
                client.set_task_run_state(identifier, state, force=True)


def _this_run() -> UUID:
    return UUID(str(flow_run.id))


def _address(page: Path) -> str:
    """Return where a browser finds a page: at the server of the pages, if this one is among them."""
    pages = next((environment[PAGES_URL] for environment in running("pages").values()), None)
    return f"{pages}/{page.name}" if pages and page.parent == PROJECT / "reports" else page.as_uri()
