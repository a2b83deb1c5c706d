"""Looking after `data/`: is every artifact what it was, and which of them does no recent run need?"""

import time
from dataclasses import dataclass
from pathlib import Path

from tasks.artifacts.records import dead, records
from tasks.artifacts.store import CHECKPOINTS, DAMAGED, RUNS, Artifact, Store, verify
from tasks.artifacts.workspace import PREFIX, workspace
from tasks.errors import RunError


@dataclass(frozen=True)
class Unneeded:
    """Something in `data/` that no recent run needs."""

    folder: Path
    bytes: int
    why: str


def damaged(data_dir: Path) -> tuple[list[str], str]:
    """Check every artifact; return a line for each that does not prove itself, and a summary."""
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

    Raises:
        RunError: a run is at work here.
    """
    store = Store(data_dir)
    dead(data_dir)
    if any((data_dir / RUNS).glob(f"{PREFIX}*")):
        raise RunError(f"a run is at work in {data_dir}; prune when it has ended")
    recent = records(data_dir)[:runs]
    needed = {node["key"] for record in recent for node in record.content["nodes"].values()}
    since = min((record.path.stat().st_mtime for record in recent), default=time.time())
    found = [
        Unneeded(folder, _size(folder), f"needed by none of the last {len(recent)} runs")
        for folder in store.artifacts()
        if folder.name.rpartition("-")[2] not in needed
    ]
    found += [
        Unneeded(folder, _size(folder), "of a training that was not taken up again")
        for folder in sorted((data_dir / CHECKPOINTS).glob("*"))
        if folder.stat().st_mtime < since
    ]
    found += [
        Unneeded(folder, _size(folder), "set aside as damaged") for folder in sorted((data_dir / DAMAGED).glob("*"))
    ]
    return found


def remove(items: list[Unneeded]) -> None:
    """Remove them, each at once: what is killed half-way leaves no artifact with a file missing."""
    for item in items:
        with workspace(item.folder, f"room of {item.folder}") as desk:
            item.folder.rename(desk.folder / item.folder.name)


def _size(folder: Path) -> int:
    paths = folder.rglob("*") if folder.is_dir() and not folder.is_symlink() else [folder]
    return sum(path.lstat().st_size for path in paths)
