"""Pruning and verifying `data/`: which artifacts are damaged, and which does no recent run need?"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tasks.pipeline.artifact import Artifact, Miss, verify
from tasks.pipeline.champions import champions
from tasks.pipeline.errors import RunError, UserError, describe
from tasks.pipeline.run_records import last_asked, records, recover_crashed_runs
from tasks.pipeline.staging import discard, lock
from tasks.pipeline.store import DAMAGED, RUNS, Store, is_node
from tasks.reporting import INDEX, PAGES
from tasks.reporting.publish import list_pages
from tasks.settings.settings import Settings

PUBLISHED = ("report", "report_study", "validate")  # nodes whose artifacts have pages


class Unneeded(NamedTuple):
    """Something in `data/` or `reports/` that no recent run needs."""

    path: Path
    bytes: int
    why: str


def megabytes(size: int) -> str:
    """Return a size as people read it."""
    return f"{size / 1e6:,.2f} MB"


def damaged(data_dir: Path) -> tuple[list[str], str]:
    """Verify every artifact; return a line for each that is damaged, and a summary.

    Raises:
        UserError: there is no such folder.
    """
    if not data_dir.is_dir():
        raise UserError(f"--data-dir {data_dir} is not a folder")
    began = time.perf_counter()
    found = {folder: verify(folder, folder.parent.name) for folder in Store(data_dir).artifacts()}
    errors = [f"{folder.relative_to(data_dir)}: {of.reason}" for folder, of in found.items() if isinstance(of, Miss)]
    good = [of.manifest["files"].values() for of in found.values() if isinstance(of, Artifact)]
    size, seconds = sum(file["bytes"] for files in good for file in files), time.perf_counter() - began
    summary = f"{len(good)} of {len(found)} artifacts verified, {megabytes(size)} in {seconds:.1f} s"
    return errors, f"{summary}; a run rebuilds the damaged ones that it needs" if errors else summary


def prune(data_dir: Path, reports_dir: Path, runs: int, command: str | None = None, *, delete: bool) -> list[Unneeded]:
    """Return what none of the last `runs` runs needs (if a command is given, of its own), perhaps deleted.

    Raises:
        RunError: a run is active, or none has completed.
        UserError: there is no such folder.
    """
    if not data_dir.is_dir():
        raise UserError(f"--data-dir {data_dir} is not a folder")
    try:
        with lock(data_dir / RUNS, None):  # so that no run begins meanwhile
            items = _unneeded(data_dir, reports_dir, runs, command)
            for item in items if delete else ():  # each at once: none is left with a file missing
                if item.path.is_dir():
                    discard(item.path)
                else:
                    item.path.unlink(missing_ok=True)
    except BlockingIOError as held:
        raise RunError(f"a run is active in {data_dir}; prune after it has ended") from held
    if delete and (reports_dir / INDEX).exists():
        list_pages(reports_dir)
    return items


def _unneeded(data_dir: Path, reports_dir: Path, runs: int, command: str | None) -> list[Unneeded]:
    """Return artifacts, their pages, records, checkpoints and quarantined ones that are not needed.

    Only completed runs count, and if a command is given, only its own: what the runs of others need is then needed too.
    So is whatever has changed since the oldest run that counts began.
    """
    store = Store(data_dir)
    recover_crashed_runs(data_dir)
    known = list(records(data_dir))  # the newest first
    own = [record for record in known if command in (None, record.content["command"])]
    counted = [record for record in own if record.content["state"] == "completed"][:runs]
    if not counted:
        raise RunError(f"no run has completed in {data_dir} yet, so nothing can be called unused")
    old = own[own.index(counted[-1]) + 1 :] if len(counted) == runs else []
    needed = {key for record in known if record not in old for key in record.keys.values()}
    needed |= {folder.name.rpartition("-")[2] for folder in _of_champions(store)}
    took = ((record, sum(node["seconds"] for node in record.content["nodes"].values())) for record in counted)
    since = min(last_asked(record.path) - seconds for record, seconds in took)
    candidates = [
        *((folder, f"not used by the last {len(counted)} runs") for folder in store.artifacts()),
        *((folder, "checkpoint of a training that never resumed") for folder in store.checkpoint_folders()),
        *((folder, "damaged; replaced since") for folder in data_dir.glob(f"*/{DAMAGED}*-*") if is_node(folder.parent)),
    ]
    found = [
        (folder, why)
        for folder, why in sorted(candidates)
        if folder.name.rpartition("-")[2] not in needed and folder.lstat().st_mtime < since
    ]
    # Only the pages of these artifacts: other data folders may publish there too.
    keys = {folder.name[:8] for folder, _ in found if folder.parent.name in PUBLISHED}
    pages = [page for page in reports_dir.glob(f"{PAGES.removesuffix('html')}*") if page.stem[-8:] in keys]
    found += [(page, "page of a report above") for page in sorted(pages)]
    found += [(record.path, "record of an older run") for record in reversed(old)]
    return [Unneeded(path, size_of(path), why) for path, why in found]


def _of_champions(store: Store) -> Iterator[Path]:
    """Give what predicting and exporting read of the champion, and of those before it, which a rollback restores."""
    evaluations = [store.data_dir / "evaluate" / champion.evaluate for champion in champions(store.data_dir).champions]
    yield from evaluations
    for folder, manifest in store.manifests("evaluate"):
        if folder in evaluations:
            yield from store.upstream(folder, manifest)
            for compared, of in store.made_of(manifest, "compare"):
                yield from (compared, *store.upstream(compared, of))


def retain(settings: Settings) -> str:
    """Delete what the last `keep_runs` runs of this recipe did not use, unless another run is active; say so."""
    try:
        items = prune(settings.data_dir, settings.reports_dir, settings.keep_runs or 1, settings.command, delete=True)
    except RunError as error:
        return f"nothing was deleted: {error}"
    except OSError as error:
        return f"not everything was deleted: {describe(error)}"
    size = sum(item.bytes for item in items)
    return f"deleted {len(items)} items that the last {settings.keep_runs} runs did not use, {megabytes(size)}"


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all in a folder that is not removed meanwhile."""
    files = [path] if path.is_file() else [Path(folder, file) for folder, _, files in os.walk(path) for file in files]
    size = 0
    for each in files:
        with contextlib.suppress(OSError):
            size += each.lstat().st_size
    return size
