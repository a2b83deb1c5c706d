"""Looking after `data/`: is every artifact what it was, and which of them does no recent run need?"""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tasks.artifacts.records import Record, dead, records
from tasks.artifacts.store import CHECKPOINTS, DAMAGED, RUNS, Artifact, Store, verify
from tasks.artifacts.workspace import PREFIX, workspace
from tasks.errors import RunError, UserError


@dataclass(frozen=True)
class Unneeded:
    """Something in `data/` that no recent run needs."""

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
    faults, size, count = [], 0, 0
    for folder in Store(data_dir).artifacts():
        found = verify(folder, folder.parent.name)
        count += 1
        if isinstance(found, Artifact):
            size += sum(file["bytes"] for file in found.manifest["files"].values())
        else:
            faults.append(f"{folder.relative_to(data_dir)}: {found.reason}")
    seconds = time.perf_counter() - began
    good = f"{count - len(faults)} of {count} artifacts verified, {size:,} bytes in {seconds:.1f} s"
    return faults, f"{good}; a run that needs a damaged one makes it again" if faults else good


def unneeded(data_dir: Path, runs: int) -> list[Unneeded]:
    """Return what none of the last `runs` runs needs: artifacts, abandoned checkpoints, and what was set aside.

    Of runs, those are counted that completed. What was begun since the oldest of them is needed too, whatever it is.

    Raises:
        RunError: a run is at work here, or none has completed.
    """
    store = Store(data_dir)
    dead(data_dir)
    if any((data_dir / RUNS).glob(f"{PREFIX}*")):
        raise RunError(f"a run is at work in {data_dir}; prune when it has ended")
    recent = _recent(data_dir, runs)
    if not recent:
        raise RunError(f"no run is known to have completed in {data_dir}, so nothing is known to be unneeded")
    needed = {key for record in recent for key in record.keys.values()}
    since = min(datetime.fromisoformat(record.content["began"]).timestamp() for record in recent)
    completed = sum(record.content["state"] == "completed" for record in recent)
    candidates = [
        *((folder, f"needed by none of the last {completed} runs") for folder in store.artifacts()),
        *((folder, "of a training that was not taken up again") for folder in (data_dir / CHECKPOINTS).glob("*-*")),
        *((folder, "set aside as damaged") for folder in (data_dir / DAMAGED).glob("*-*")),
    ]
    return [
        Unneeded(folder, _size(folder), why)
        for folder, why in sorted(candidates)
        if folder.name.rpartition("-")[2] not in needed and folder.lstat().st_mtime < since
    ]


def _recent(data_dir: Path, runs: int) -> list[Record]:
    """Return the records from the newest on to the last of so many that completed."""
    found, completed = [], 0
    for record in records(data_dir):
        found.append(record)
        completed += record.content["state"] == "completed"
        if completed == runs:
            break
    return found if completed else []


def remove(items: list[Unneeded]) -> None:
    """Remove them, each at once: what is killed half-way leaves no artifact with a file missing."""
    for item in items:
        with workspace(item.folder, f"room of {item.folder}") as desk:
            item.folder.rename(desk.folder / item.folder.name)


def _size(folder: Path) -> int:
    paths = folder.rglob("*") if folder.is_dir() and not folder.is_symlink() else [folder]
    return sum(path.lstat().st_size for path in paths)
