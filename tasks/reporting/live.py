"""The live page: which steps run and how the networks learn; `publish` replaces it with the report.

A thread of its own draws and writes it, so that no caller waits for it.
"""

import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from tasks.pipeline.progress import Event, History
from tasks.pipeline.staging import write_whole
from tasks.reporting import LIVE
from tasks.reporting.html import page
from tasks.reporting.sections import learning

EVERY = 5.0  # seconds between two versions of the page, at least
REFRESH = 5  # seconds after which a browser reloads it
WAITS: dict[str, Any] = {"state": "waiting", "note": "", "share": None}


class LivePage:
    """A reporter that keeps `live.html` up to date while the context lasts."""

    def __init__(self, reports_dir: Path, labels: list[str]) -> None:
        self.path = reports_dir / LIVE
        self.nodes = {label: dict(WAITS) for label in labels}
        self.histories: dict[str, History] = {}
        self.drawn: tuple[dict[str, History], dict[str, Any]] = ({}, {})  # the plots, and of what
        self.began = datetime.now(UTC)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._keep_writing, name="live page", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, _: object, error: object, __: object) -> None:
        how = "failed" if isinstance(error, Exception) else "stopped"
        self.end(how if error else "")

    def __call__(self, event: Event) -> None:
        """Show a node’s progress, and a training’s curves."""
        if event.history:
            self.histories[event.label.partition("[")[2].rstrip("]")] = list(event.history)
        before = self.nodes.get(event.label, WAITS)
        state = {"started": "running", "ended": "done", "failed": "failed"}.get(event.kind, before["state"])
        share = event.done / event.total if event.total else None
        self.nodes[event.label] = {"state": state, "note": event.note, "share": share}

    def end(self, how: str = "") -> None:
        """Stop writing; say how the run ended, if it ended without a report."""
        self.over.set()
        self.thread.join()
        if how:
            self._write(how)

    def _keep_writing(self) -> None:
        while not self.over.is_set():
            self._write()
            self.over.wait(EVERY)

    def _write(self, ended: str = "") -> None:
        """Write the page; a run does not fail because its page cannot be written."""
        try:
            histories = dict(sorted(dict(self.histories).items()))
            if histories != self.drawn[0] and not ended:
                self.drawn = histories, learning.plots(learning.of_histories(histories))
            html = page(
                "live.html.j2",
                "" if ended else "live.js",
                nodes=dict(self.nodes),
                plots=self.drawn[1],
                began=self.began,
                now=datetime.now(UTC),
                refresh=REFRESH,
                ended=ended,
            )
            write_whole(self.path, html.encode())
        except Exception as error:
            logging.getLogger(__name__).warning("%s cannot be written: %s", self.path, error)
            self.over.set()
