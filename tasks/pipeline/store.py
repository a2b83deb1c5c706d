"""Keeping artifacts: found only when every byte is what it was, made whole or not at all."""

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tasks.pipeline import PROJECT
from tasks.pipeline.artifact import FORMAT, MANIFEST, Artifact, Miss, put_manifest, verify
from tasks.pipeline.cache_key import CacheKey
from tasks.pipeline.checkpoints import Checkpoints
from tasks.pipeline.errors import RunError
from tasks.pipeline.reading import read_json
from tasks.pipeline.staging import clean_up, fsync, pause, staging

Produce = Callable[[Path, int], dict[str, Any]]  # fills a folder, while the lock is held; returns the summary

NOT_MADE = "new"
CHECKPOINTS, RAW, RUNS = "checkpoints", "raw", "runs"
NEW = "new"  # in a staging folder: what is to be put in place
DAMAGED = "damaged-"  # how the name of what was set aside begins
NAME = re.compile(r"(\w[\w.-]*-)?[0-9a-f]{16}")  # what an artifact's folder is called


class Store:
    """The artifacts below one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.missing = (
            f"not in {data_dir} on {socket.gethostname()}: let all machines mount the same --data-dir, or give them "
            "a shared --store"
        )

    def folder(self, cache_key: CacheKey) -> Path:
        """Return where the artifact of that key is kept."""
        return self.data_dir / cache_key.node / cache_key.name

    def checkpoints(self, cache_key: CacheKey) -> Checkpoints:
        """Return where a making of it may keep what a later try goes on from; emptied when the artifact is made."""
        return Checkpoints(self.data_dir / CHECKPOINTS / cache_key.name)

    def find(self, cache_key: CacheKey) -> Artifact | Miss:
        """Return the artifact if it is there and every file's SHA-256 is what its manifest says."""
        folder = self.folder(cache_key)
        if not folder.exists():
            return Miss(NOT_MADE)
        return verify(folder, cache_key.node)

    def fetch(self, artifact: Artifact) -> Artifact:
        """Have here what another machine has found or made.

        Raises:
            RunError: it is neither here nor where machines share artifacts.
        """
        found = self.find(CacheKey(**artifact.manifest["cache_key"]))
        if isinstance(found, Artifact) and found.digest == artifact.digest:
            return found
        raise RunError(f"{artifact.manifest['label']} ({artifact.key}) is {self.missing}")

    def make(
        self,
        cache_key: CacheKey,
        produce: Produce,
        *,
        why: str = NOT_MADE,
        run: str = "",
        force: bool = False,
        waiting: Callable[[], None] = pause,
    ) -> tuple[Artifact, bool]:
        """Let `produce` fill a staging folder and return its summary; then rename it into place.

        `produce` also gets the lock's descriptor, for its worker to hold. One process makes a key: another waits, and
        takes what it finds then; the second value says whether it was made here. A damaged artifact in its place is
        set aside; a good one is replaced only if a rerun is forced. If `produce` fails, nothing changes.
        """
        folder = self.folder(cache_key)
        with staging(folder, waiting) as (staged, descriptor):
            found = Store.find(self, cache_key)
            if isinstance(found, Artifact) and not force:
                return found, False
            new = staged / NEW
            new.mkdir()
            began = time.perf_counter()
            summary = produce(new, descriptor)
            put_manifest(cache_key, new, summary, time.perf_counter() - began, why=why, run=run)
            return self._put_in_place(new, folder), True

    def _put_in_place(self, new: Path, folder: Path) -> Artifact:
        """Put a whole artifact where it is kept. Until it is there its checkpoints stay: a kill loses seconds."""
        for path in (*new.rglob("*"), new):
            fsync(path)
        if isinstance(verify(folder, folder.parent.name), Artifact):
            folder.rename(new.with_name("old"))  # removed with the staging folder
        elif folder.exists():  # set aside beside its place: a node's folder may be on a disk of its own
            folder.rename(folder.with_name(f"{DAMAGED}{folder.name}-{time.time_ns()}"))
        new.rename(folder)
        fsync(folder.parent)
        Checkpoints(self.data_dir / CHECKPOINTS / folder.name).clear()
        return Artifact.at(folder)

    def clean_up(self) -> None:
        """Remove what killed runs have left, checkpoints of what was made since among it."""
        for parent in self.data_dir.glob("*/"):
            clean_up(parent)
        for folder in self.checkpoint_folders():
            made = [path.stat().st_mtime for path in self.data_dir.glob(f"*/{folder.name}/{MANIFEST}")]
            if made and made[0] > folder.stat().st_mtime:
                Checkpoints(folder).clear()

    def artifacts(self) -> Iterator[Path]:
        """Give the folder of every artifact, damaged or not, by node and name; nothing that is not the store's."""
        for folder in sorted(self.data_dir.glob("*/*")):
            if is_node(folder.parent) and NAME.fullmatch(folder.name):
                yield folder

    def manifests(self, node: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Give each artifact of a node with its manifest, unverified; none of older code or unreadable."""
        for folder in self.artifacts():
            if folder.parent.name == node:
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                    manifest = read_json(folder / MANIFEST)
                    if manifest["format"] == FORMAT:
                        yield folder, manifest

    def folder_of(self, node: str, digest: str) -> Path | None:
        """Return the folder of an artifact of that content, if there is one."""
        return next((folder for folder, manifest in self.manifests(node) if manifest["digest"] == digest), None)

    def upstream(self, folder: Path, manifest: dict[str, Any]) -> Iterator[Path]:
        """Give the folder of an artifact, and that of everything that led to it, as far as it is here."""
        yield folder
        for label, digest in manifest["cache_key"]["inputs"].items():
            if found := self.folder_of(label.partition("[")[0], digest):
                yield from self.upstream(found, read_json(found / MANIFEST))

    def made_of(self, manifest: dict[str, Any], node: str) -> list[tuple[Path, dict[str, Any]]]:
        """Return the artifacts of a node that have this one among their inputs, with their manifests."""
        label, digest = manifest["label"], manifest["digest"]
        return [of for of in self.manifests(node) if of[1]["cache_key"]["inputs"].get(label) == digest]

    def checkpoint_folders(self) -> Iterator[Path]:
        """Give the folder of each training's checkpoints; nothing that is not the store's."""
        return (folder for folder in self.data_dir.glob(f"{CHECKPOINTS}/*") if NAME.fullmatch(folder.name))


def is_node(folder: Path) -> bool:
    """Tell whether a folder holds a node's artifacts, be it one of earlier code; a link only if it is a node's now."""
    named = folder.name.isidentifier() and folder.name not in (CHECKPOINTS, RAW, RUNS)
    return named and (not folder.is_symlink() or (PROJECT / "tasks" / f"{folder.name}.py").is_file())
