"""Progress: what happens to each node, for all watchers. Live bars at a terminal, plain log lines elsewhere."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

NARROW = 110  # columns: below that, a live line has no room for a bar

History = list[dict[str, Any]]  # of a training: an entry an epoch, as in `history.json`


# What a node calls to say how far it is: what is done, what there is in all (0: unknown), a note, whether that is
# logged, and of a training its epochs.
Progress = Callable[..., None]


@dataclass(frozen=True)
class Event:
    """What has happened to a node."""

    kind: Literal["started", "advanced", "ended", "failed"]
    label: str
    note: str  # why it runs, how far it is, how it ended, or why it failed
    done: float = 0.0
    total: float = 0.0  # 0: unknown
    milestone: bool = False  # whether the note is worth a log line
    history: History | None = None
    detail: str = ""  # what helps to find a bug


Reporter = Callable[[Event], None]

watchers: list[Reporter] = []  # who gets every node's events besides its log: the terminal, the live page


def log_reporter(logger: logging.Logger | logging.LoggerAdapter) -> Reporter:
    """Return a reporter that logs starts, milestones, ends and a line every half minute, and passes on each event."""
    last = time.monotonic()

    def report(event: Event) -> None:
        nonlocal last
        share = f"{100 * event.done / event.total:.0f}%, " if event.total else ""
        if event.kind == "failed":
            logger.error(f"{event.note}\n{event.detail}".rstrip())
        elif event.kind == "started":
            logger.info("%s: started (%s)", event.label, event.note)
        elif event.kind == "ended" or event.milestone or time.monotonic() - last > 30:
            last = time.monotonic()
            logger.info("%s: %s%s", event.label, share, event.note)
        for watcher in watchers:
            watcher(event)

    return report


def took(seconds: float, how: str = "done") -> str:
    """Return how a step ended, and after how long: "done in 2.7 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{how} in {minutes} min {rest} s" if minutes else f"{how} in {seconds:.1f} s"


class TerminalReporter:
    """A live line for each node that runs, with a bar and the seconds so far; one that stays when it has ended."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
        from rich.text import Text

        class TimeLeft(TimeRemainingColumn):
            def render(self, task: Task) -> Text:
                shown = super().render(task)
                return shown.append(" left") if task.time_remaining else shown

        console = Console(stderr=True, highlight=False)
        self.is_narrow = console.width < NARROW
        self.bars = Progress(
            TextColumn("  {task.description:<19}", markup=False),
            *([] if self.is_narrow else [BarColumn(bar_width=16)]),
            TextColumn("{task.elapsed:>4.0f} s", markup=False),
            TextColumn("{task.fields[note]}", markup=False),
            TimeLeft(compact=True),
            console=console,
            transient=True,
            speed_estimate_period=120,
        )

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def __call__(self, event: Event) -> None:
        """Move the node's bar; print how it ended and why it ran, of a failure the first line: the rest comes last."""
        label, note = event.label, event.note
        bar = next((task for task in self.bars.tasks if task.description == label), None)
        if event.kind == "advanced":
            note = note.replace("validation accuracy", "val. acc.") if self.is_narrow else note
            if bar:
                self.bars.update(bar.id, completed=event.done, total=event.total or None, note=note)
            return
        if bar:
            self.bars.remove_task(bar.id)
        if event.kind == "started":
            self.bars.add_task(label, total=None, note=note, why=note)
            return
        line = note.splitlines()[0].removeprefix(f"{label}: ")
        line += f" ({bar.fields['why']})" if bar and line.startswith("done") else ""
        cut = event.kind == "ended"  # --plan and the log have reasons in full
        mark = "✓" if cut else "✗"
        self.bars.console.print(f"{mark} {label:<19} {line}", markup=False, no_wrap=cut, overflow="ellipsis")
        if event.detail:
            self.bars.console.print(event.detail, markup=False)


@contextlib.contextmanager
def watching(*reporters: Any) -> Iterator[None]:
    """Pass every node's events to these while the context lasts."""
    with contextlib.ExitStack() as stack:
        for reporter in reporters:
            watchers.append(stack.enter_context(reporter))
            stack.callback(watchers.remove, reporter)
        yield
