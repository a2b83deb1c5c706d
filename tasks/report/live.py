"""The live page: what runs and how the networks learn, while it runs; `publish` puts the report in its place."""

import logging
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tasks.progress import History
from tasks.report.html import Templates
from tasks.report.publish import LIVE, put
from tasks.report.sections import learning

EVERY = 2.0  # seconds between two versions of the page, at least
REFRESH = 5  # seconds after which a browser asks again
WAITS: dict[str, Any] = {"state": "waits", "note": "", "share": None}


class LivePage:
    """A reporter that keeps `live.html` up to date while the context lasts."""

    def __init__(self, reports_dir: Path, labels: list[str]) -> None:
        self.path = reports_dir / LIVE
        self.nodes = {label: dict(WAITS) for label in labels}
        self.histories: dict[str, History] = {}
        self.figures: dict[str, Any] = {}
        self.began = datetime.now(UTC)
        self.written = 0.0
        self.refused = False  # could it not be written?
        self.changing = threading.Lock()

    def __enter__(self) -> Self:
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error:
            self.end("stopped")

    def started(self, label: str, why: str) -> None:
        """Show that a node runs, and why it has to."""
        self._change(label, state="runs", note=why)

    def advanced(
        self, label: str, done: float, total: float, note: str, milestone: bool, history: History | None = None
    ) -> None:
        """Show how far a node is; of a training, its curves."""
        if history:
            with self.changing:
                self.histories[label.partition("[")[2].rstrip("]")] = list(history)
                self.figures = learning.figures(learning.of_histories(dict(sorted(self.histories.items()))))
        self._change(label, note=note, share=done / total if total else None, now=milestone)

    def ended(self, label: str, how: str) -> None:
        """Show how a node ended."""
        self._change(label, state="done", note=how, share=None)

    def failed(self, label: str, why: str, detail: str) -> None:  # noqa: ARG002 (the log has it)
        """Show why a node failed."""
        self._change(label, state="failed", note=why, share=None)

    def end(self, how: str) -> None:
        """Say how the run ended without a report; the page refreshes itself no more."""
        self._write(how)

    def _change(self, label: str, now: bool = True, **changed: Any) -> None:
        self.nodes.setdefault(label, dict(WAITS)).update(changed)
        if now or time.monotonic() - self.written > EVERY:
            self._write()

    def _write(self, ended: str = "") -> None:
        """Write the page; a run does not fail because nobody can watch it."""
        with self.changing:
            self.written = time.monotonic()
            names = sorted(self.histories)
            page = Templates(head={"networks": names}).page(
                "live.html.j2",
                "" if ended else "live.js",
                nodes=self.nodes,
                figures=self.figures,
                networks=names,
                began=self.began,
                now=datetime.now(UTC),
                refresh=REFRESH,
                ended=ended,
            )
            try:
                put(self.path, page.encode())
            except OSError as error:
                level = logging.DEBUG if self.refused else logging.WARNING  # it is said once
                logging.getLogger(__name__).log(level, "%s cannot be written: %s", self.path, error)
                self.refused = True
