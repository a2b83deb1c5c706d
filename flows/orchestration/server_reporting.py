"""What a Prefect server shows of a run beside Prefect's own: progress, the comparison, how it ended.

Nothing here may hold a run up or fail it: if the server does not answer, the work goes on.
"""

import contextlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.runtime import flow_run

from flows.environment import URL
from flows.operations.processes import find_service
from flows.operations.server_client import request
from flows.operations.services import PAGES_URL
from flows.result_table import numbers, verdict
from tasks.pipeline import PROJECT
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError
from tasks.pipeline.progress import Event

INTERVAL = 5.0  # seconds between two reports of progress
SERVER_WAIT = 86400  # seconds: a server that is away for longer does not learn how a run has ended


class ProgressArtifacts(contextlib.AbstractContextManager["ProgressArtifacts"]):
    """A reporter that updates a progress artifact for each network in training."""

    def __init__(self) -> None:
        self.flow_run = str(flow_run.id)
        self.notes: dict[str, str] = {}  # by label: the newest
        self.sent: dict[str, tuple[str, float]] = {}  # the artifact's id, and when it was last updated

    def __exit__(self, *_: object) -> None:
        """Leave the artifacts as they are."""

    def __call__(self, event: Event) -> None:
        """Show how far a training is, and how it ended; a server that does not answer gets the next news."""
        label, over = event.label, event.kind in ("ended", "failed")
        identifier, last = self.sent.get(label, ("", -INTERVAL))
        if event.kind == "advanced" and label.startswith("train[") and event.total:
            self.notes[label] = event.note
        elif not over or label not in self.notes:
            return
        if not over and time.monotonic() - last < INTERVAL:
            return
        news: dict[str, Any] = {"description": f"{self.notes[label]} · {event.note}" if over else event.note}
        if event.kind != "failed":
            news["data"] = 100.0 if over else 100 * event.done / event.total
        self.sent[label] = identifier, time.monotonic()
        with contextlib.suppress(RunError, FileNotFoundError):
            if identifier:
                request(os.environ[URL], f"artifacts/{identifier}", news, "PATCH", timeout=INTERVAL)
            else:
                key = re.sub("[^a-z0-9]+", "-", f"progress-of-{label.lower()}").strip("-")
                made = {"key": key, "type": "progress", "flow_run_id": self.flow_run, **news}
                identifier = request(os.environ[URL], "artifacts/", made, timeout=INTERVAL)["id"]
                self.sent[label] = identifier, time.monotonic()


def show_result(recipe: str, artifact: Artifact, page: Path) -> str:
    """Name the flow run by recipe and key, put verdict, comparison and report beside it; return the report's link."""
    pages = next((environment[PAGES_URL] for environment in find_service("pages").values()), None)
    link = f"{pages}/{page.name}" if pages and page.parent == PROJECT / "reports" else page.as_uri()
    url, run, linked = os.environ.get(URL), str(flow_run.id), f"[Report]({link})"
    if not url:  # the server ends with the run
        return link
    text = "\n\n".join([*verdict(artifact), linked])
    legend = "Accuracy of each network; gap: train minus test accuracy, in points."
    shown = (
        ("comparison", "table", json.dumps(numbers(artifact)), legend),
        ("verdict", "markdown", text, "Which network to keep, and why."),
        ("report", "markdown", linked, "The report on this run."),
    )
    try:
        request(url, f"flow_runs/{run}", {"name": f"{recipe}-{artifact.key[:8]}"}, "PATCH")
        for key, kind, data, description in shown:
            of = {"flow_run_id": run, "key": key, "type": kind}
            request(url, "artifacts/", {**of, "data": data, "description": description})
    except (RunError, FileNotFoundError) as error:
        get_run_logger().warning("the Prefect server refused the run's result (%s)", error)
    return link


def await_server() -> None:
    """Wait until the server can record how this run ends: Prefect itself gives up after a minute."""
    began, run = time.monotonic(), str(flow_run.id)
    while time.monotonic() - began < SERVER_WAIT:
        try:
            request(os.environ[URL], f"flow_runs/{run}")
        except FileNotFoundError:  # it has forgotten the run
            return
        except RunError as error:
            get_run_logger().warning("%s; waiting until it answers", error)
            time.sleep(60)
        else:
            return
