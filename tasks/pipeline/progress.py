"""Telling people what runs: live bars at a terminal, plain log lines elsewhere."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

History = list[dict[str, Any]]  # of a training: an entry an epoch, as in `history.json`


class Progress(Protocol):
    """What a node calls to tell how far it is."""

    def __call__(
        self, done: float, total: float, note: str, milestone: bool, history: History | None = None, /
    ) -> None:
        """Tell what is done, what there is in all (0: unknown), a note, whether it is worth a log line, the epochs."""


def silent(done: float, total: float, note: str, milestone: bool, history: History | None = None) -> None:
    """Tell nobody."""


class Reporter(Protocol):
    """Hears how each node is doing."""

    def started(self, label: str, why: str) -> None:
        """Hear that a node begins, and why it has to."""

    def advanced(
        self, label: str, done: float, total: float, note: str, milestone: bool, history: History | None = None
    ) -> None:
        """Hear how far it is; a milestone's note is worth keeping; a training tells its epochs."""

    def ended(self, label: str, how: str) -> None:
        """Hear how it ended well."""

    def failed(self, label: str, why: str, detail: str) -> None:
        """Hear why it failed, in a sentence, and what helps to find the fault, if there is anything."""


class LogReporter:
    """A line for each start, milestone and end, and one every half minute between them."""

    def __init__(self, logger: logging.Logger | logging.LoggerAdapter) -> None:
        self.logger = logger
        self.last = time.monotonic()

    def started(self, label: str, why: str) -> None:
        """Log the start."""
        self.logger.info("%s starts: %s", label, why)

    def advanced(
        self,
        label: str,
        done: float,
        total: float,
        note: str,
        milestone: bool,
        history: History | None = None,  # noqa: ARG002 (the note says the last epoch)
    ) -> None:
        """Log a milestone, or what is now if half a minute has passed."""
        if milestone or time.monotonic() - self.last > 30:
            self.last = time.monotonic()
            share = f" {100 * done / total:.0f} %:" if total else ""
            self.logger.info("%s%s %s", label, share, note)

    def ended(self, label: str, how: str) -> None:
        """Log the end."""
        self.logger.info("%s %s", label, how)

    def failed(self, label: str, why: str, detail: str) -> None:  # noqa: ARG002 (the reason names the node)
        """Log the failure."""
        self.logger.error(f"{why}\n{detail}".rstrip())


class TerminalReporter:
    """One line a node as it starts and ends, a live bar for what takes long."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

        self.bars = Progress(
            TextColumn("  {task.fields[label]:<19}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}", markup=False),
            TimeRemainingColumn(),
            console=Console(stderr=True, highlight=False),
            transient=True,
            speed_estimate_period=120,
        )
        self.bar_of: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def started(self, label: str, why: str) -> None:
        """Print the start, and show a bar that only moves until it is known how far the node is."""
        self._print("▸", label, f"starts: {why}")
        self.bar_of[label] = self.bars.add_task(label, total=None, label=label, note="")

    def advanced(
        self,
        label: str,
        done: float,
        total: float,
        note: str,
        milestone: bool,  # noqa: ARG002 (a bar shows every note)
        history: History | None = None,  # noqa: ARG002
    ) -> None:
        """Move the node's bar."""
        self.bars.update(self.bar_of[label], completed=done, total=total or None, note=note)

    def ended(self, label: str, how: str) -> None:
        """Take the node's bar away and print the end."""
        self._remove_bar(label)
        self._print("✓", label, how)

    def failed(self, label: str, why: str, detail: str) -> None:
        """Take the node's bar away and print that it failed; the whole reason follows at the end of the run."""
        self._remove_bar(label)
        self._print("✗", label, why.splitlines()[0].removeprefix(f"{label}: "))
        if detail:
            self.bars.console.print(detail, markup=False)

    def _remove_bar(self, label: str) -> None:
        if label in self.bar_of:
            self.bars.remove_task(self.bar_of.pop(label))

    def _print(self, mark: str, label: str, text: str) -> None:
        self.bars.console.print(f"{mark} {label:<19} {text}", markup=False)


watchers: list[Reporter] = []  # who hears of every node besides its log: the terminal, the live page


class Several:
    """Tells each of several reporters."""

    def __init__(self, *reporters: Reporter) -> None:
        self.reporters = reporters

    def started(self, label: str, why: str) -> None:
        """Pass the start on."""
        for reporter in self.reporters:
            reporter.started(label, why)

    def advanced(
        self, label: str, done: float, total: float, note: str, milestone: bool, history: History | None = None
    ) -> None:
        """Pass the advance on."""
        for reporter in self.reporters:
            reporter.advanced(label, done, total, note, milestone, history)

    def ended(self, label: str, how: str) -> None:
        """Pass the end on."""
        for reporter in self.reporters:
            reporter.ended(label, how)

    def failed(self, label: str, why: str, detail: str) -> None:
        """Pass the failure on."""
        for reporter in self.reporters:
            reporter.failed(label, why, detail)


class Background:
    """Does work in a thread of its own whenever there is news, so that nobody who brings some has to wait."""

    def __init__(self, name: str, work: Callable[[], None], every: float, without_news: bool = False) -> None:
        """Have `work` done at most once in so many seconds; `without_news` too, then at least once in twice as many."""
        self.work = work
        self.every = every
        self.patience = every if without_news else None
        self.news, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._keep_working, name=name, daemon=True)

    def start(self) -> None:
        """Begin with the news that there are so far."""
        self.news.set()
        self.thread.start()

    def tell(self) -> None:
        """Bring news."""
        self.news.set()

    def end(self, within: float | None = None) -> None:
        """Begin no more work, and wait for what is being done, so many seconds at most."""
        self.over.set()
        self.news.set()
        self.thread.join(within)

    def _keep_working(self) -> None:
        while not self.over.is_set():
            self.news.wait(self.patience)
            self.news.clear()
            if not self.over.is_set():
                self.work()
                self.over.wait(self.every)


def at_a_terminal() -> bool:
    """Tell whether a person watches standard error."""
    return sys.stderr.isatty()


@contextlib.contextmanager
def watching(*reporters: Any) -> Iterator[None]:
    """Have these hear of every node while the context lasts."""
    with contextlib.ExitStack() as stack:
        for reporter in reporters:
            watchers.append(stack.enter_context(reporter))
            stack.callback(watchers.remove, reporter)
        yield
