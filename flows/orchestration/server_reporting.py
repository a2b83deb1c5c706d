"""What a Prefect server shows of a run beside Prefect's own: progress, the comparison, how it ended.

Nothing here may hold a run up or fail it: if the server does not answer, the work goes on.
"""

import contextlib
import os
import re
import time

from prefect import artifacts, get_client, get_run_logger
from prefect.runtime import flow_run

from flows.environment import URL
from flows.operations.processes import find_service
from flows.operations.server_client import request
from flows.operations.services import PAGES_URL
from flows.result_table import numbers, use_in, verdict
from tasks.pipeline import PROJECT
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError
from tasks.pipeline.progress import Event
from tasks.reporting.publish import page_of
from tasks.settings.settings import Settings

INTERVAL = 5.0  # seconds between two reports of progress; Prefect's own client would try for a minute each time
SERVER_WAIT = 86400  # seconds: a server that is away for longer does not learn how a run has ended


class ProgressArtifacts(contextlib.AbstractContextManager["ProgressArtifacts"]):
    """A reporter that updates a progress artifact for each network in training."""

    def __init__(self) -> None:
        self.flow_run = str(flow_run.id)
        self.identifiers: dict[str, str] = {}  # of the artifacts, by label
        self.updated: dict[str, float] = {}  # when

    def __exit__(self, *_: object) -> None:
        """Leave the artifacts as they are."""

    def __call__(self, event: Event) -> None:
        """Show how far a training is; a server that does not answer gets the next news."""
        label, now = event.label, time.monotonic()
        if event.kind != "advanced" or not label.startswith("train[") or not event.total:
            return
        if event.done < event.total and now - self.updated.get(label, -INTERVAL) < INTERVAL:
            return
        self.updated[label] = now
        news = {"description": event.note, "data": 100 * event.done / event.total}
        with contextlib.suppress(RunError, FileNotFoundError):
            if label in self.identifiers:
                request(os.environ[URL], f"artifacts/{self.identifiers[label]}", news, "PATCH", timeout=INTERVAL)
            else:
                key = re.sub("[^a-z0-9]+", "-", f"progress-of-{label.lower()}").strip("-")
                made = {"key": key, "type": "progress", "flow_run_id": self.flow_run, **news}
                self.identifiers[label] = request(os.environ[URL], "artifacts/", made, timeout=INTERVAL)["id"]


def show_result(settings: Settings, artifact: Artifact) -> str:
    """Name the flow run by recipe and key, put verdict, comparison and report beside it; return the report's link."""
    page = page_of(artifact, settings.reports_dir)
    pages = next((environment[PAGES_URL] for environment in find_service("pages").values()), None)
    link = f"{pages}/{page.name}" if pages and page.parent == PROJECT / "reports" else page.as_uri()
    if not os.environ.get(URL):  # the server ends with the run
        return link
    legend = "Accuracy of each network; gap: train minus test accuracy, in points."
    sentences = "\n\n".join([*verdict(artifact), f"[Report]({link})", *_how_to_use(settings, artifact)])
    try:
        get_client(sync_client=True).update_flow_run(flow_run.id, name=f"{settings.run_name}-{artifact.key[:8]}")
        artifacts.create_table_artifact(numbers(artifact), "comparison", legend)
        artifacts.create_markdown_artifact(sentences, "verdict", "Which network to keep, and why.")
        artifacts.create_link_artifact(link, "Report", "report", "The report on this run.")
    except Exception as error:  # whatever Prefect raises: the report is published
        get_run_logger().warning("the Prefect server refused the run's result (%s)", error)
    return link


def _how_to_use(settings: Settings, artifact: Artifact) -> list[str]:
    """Return the parts of a page in Markdown: the winner's path, the snippet, the commands; of a study, none."""
    use = use_in(settings.data_dir, artifact)
    if not use:
        return []
    snippet = [f"```python\n{use.snippet}\n```"] if use.snippet else []
    return [f"Use this model: `{use.path}`", *snippet, f"```\n{use.predict}\n{use.export}\n```"]


def await_server() -> None:
    """Wait until the server can record how this run ends: Prefect itself gives up after a minute."""
    began, client = time.monotonic(), get_client(sync_client=True)
    while (error := client.api_healthcheck()) and time.monotonic() - began < SERVER_WAIT:
        get_run_logger().warning("the Prefect server does not answer (%s); waiting until it does", error)
        time.sleep(10)
