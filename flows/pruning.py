"""Looking after `data/`: is every artifact what it was, and which of them does no recent run need?"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tasks.pipeline.artifact import Artifact, Miss, verify
from tasks.pipeline.champions import champions
from tasks.pipeline.errors import RunError, UserError, describe
from tasks.pipeline.run_records import Record, last_asked, records, recover_crashed_runs
from tasks.pipeline.staging import Locked, discard, lock, no_wait
from tasks.pipeline.store import DAMAGED, RUNS, Store, is_node
from tasks.reporting import INDEX, PAGES
from tasks.reporting.publish import list_pages
from tasks.settings.settings import Settings

PUBLISHED = ("report", "report_study", "report_search", "validate")  # nodes whose artifacts have pages


@dataclass(frozen=True)
class Unneeded:
    """Something in `data/` or `reports/` that no recent run needs."""

    folder: Path
    bytes: int
    why: str


def damaged(data_dir: Path) -> tuple[list[str], str]:
    """Check every artifact; return a line for each that does not prove itself, and a summary.

    Raises:
        UserError: there is no such folder.
    """
    if not data_dir.is_dir():
        raise UserError(f"data_dir {data_dir} is not a folder")
    began = time.perf_counter()
    found = {folder: verify(folder, folder.parent.name) for folder in Store(data_dir).artifacts()}
    seconds = time.perf_counter() - began
    faults = [f"{folder.relative_to(data_dir)}: {it.reason}" for folder, it in found.items() if isinstance(it, Miss)]
    good = [artifact for artifact in found.values() if isinstance(artifact, Artifact)]
    size = sum(file["bytes"] for artifact in good for file in artifact.manifest["files"].values())
    summary = f"{len(good)} of {len(found)} artifacts verified, {size:,} bytes in {seconds:.1f} s"
    return faults, f"{summary}; a run that needs a damaged one makes it again" if faults else summary


@contextlib.contextmanager
def no_run_at_work(data_dir: Path) -> Iterator[None]:
    """Let no run begin in this folder while the context lasts.

    Raises:
        RunError: one is at work.
    """
    try:
        with lock(data_dir / RUNS, "room", no_wait) if data_dir.is_dir() else contextlib.nullcontext():
            yield
    except Locked as held:
        raise RunError(f"a run is at work in {data_dir}; prune when it has ended") from held


def unneeded(data_dir: Path, reports_dir: Path, runs: int, command: str | None = None) -> list[Unneeded]:
    """Return what none of the last `runs` runs needs: artifacts, their pages, records, checkpoints, what was set aside.

    Of runs, those are counted that completed, and if a command is given, only its own: what the others need is needed
    then. What was begun since the oldest of those that count is needed too, whatever it is.

    Raises:
        RunError: no run has completed.
    """
    store = Store(data_dir)
    recover_crashed_runs(data_dir)
    recent = _recent(data_dir, runs, command)
    if not recent:
        raise RunError(f"no run is known to have completed in {data_dir}, so nothing is known to be unneeded")
    needed = {key for record in recent for key in record.keys.values()}
    needed |= {champion.evaluate.rpartition("-")[2] for champion in champions(data_dir).champions}
    counted = [record for record in recent if command in (None, record.content["command"])]
    since = min(map(_began, counted))
    completed = sum(record.content["state"] == "completed" for record in counted)
    spare = f"needed by none of the last {completed} runs"
    candidates = [
        *((folder, spare) for folder in store.artifacts()),
        *((folder, "of a training that was not taken up again") for folder in store.checkpoint_folders()),
        *((folder, "set aside as damaged") for folder in data_dir.glob(f"*/{DAMAGED}*-*") if is_node(folder.parent)),
    ]
    found = [
        (folder, why)
        for folder, why in sorted(candidates)
        if folder.name.rpartition("-")[2] not in needed and folder.lstat().st_mtime < since
    ]
    # A page goes with the artifact that it was taken from: other data folders may publish there too.
    keys = {folder.name[:8] for folder, _ in found if folder.parent.name in PUBLISHED}
    pages = [page for page in reports_dir.glob(f"{PAGES.removesuffix('html')}*") if page.stem[-8:] in keys]
    old = {record.path for record in records(data_dir) if not record.is_unreported} - {r.path for r in recent}
    found += sorted([*((page, "goes with its report") for page in pages), *((path, "an older run's") for path in old)])
    return [Unneeded(path, size_of(path), why) for path, why in found]


def retain(settings: Settings) -> str:
    """Remove what only older runs of this recipe than the last `keep` need, unless another run is at work; say so."""
    try:
        with no_run_at_work(settings.data_dir):
            items = unneeded(settings.data_dir, settings.reports_dir, settings.keep_runs or 1, settings.command)
            remove(items, settings.reports_dir)
    except RunError as error:
        return f"nothing was removed: {error}"
    except OSError as error:
        return f"not all was removed: {describe(error)}"
    size = sum(item.bytes for item in items)
    return f"removed {len(items)} items of before the last {settings.keep_runs} runs, {size:,} bytes"


def _began(record: Record) -> float:
    """Return since when what was made may be a run's that is needed: of one that found all done, when it did so."""
    began = datetime.fromisoformat(record.content["began"]).timestamp()
    seconds = sum(node["seconds"] for node in record.content["nodes"].values())
    now = time.time()  # what is dated after it was so when the clock was ahead
    return max(min(began, now), min(last_asked(record.path), now) - seconds)


def _recent(data_dir: Path, runs: int, command: str | None) -> list[Record]:
    """Return the newest records, to the last of so many that count and completed, and all that do not count."""
    found, completed = [], 0
    for record in records(data_dir):
        counts = command in (None, record.content["command"])
        if counts and completed == runs:
            continue
        found.append(record)
        completed += counts and record.content["state"] == "completed"
    return found if completed else []


def remove(items: list[Unneeded], reports_dir: Path) -> None:
    """Remove them, each at once: what is killed half-way leaves no artifact with a file missing."""
    for item in items:
        with contextlib.suppress(FileNotFoundError):  # another has removed it
            if item.folder.is_file() or item.folder.is_symlink():
                item.folder.unlink()
            else:
                discard(item.folder)
    if (reports_dir / INDEX).exists():
        list_pages(reports_dir)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all in a folder, less what a run removes meanwhile or nobody can look at."""
    size, waiting = 0, [path]
    for each in waiting:  # grows
        with contextlib.suppress(OSError):
            if each.is_dir() and not each.is_symlink():
                waiting += each.iterdir()
            else:
                size += each.lstat().st_size
    return size
