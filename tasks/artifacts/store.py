"""Keeping artifacts: found only when every byte is what it was, made whole or not at all."""

import contextlib
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.artifacts.artifact import MANIFEST, Artifact, Miss, put_manifest, verify
from tasks.artifacts.identity import Identity
from tasks.artifacts.workspace import LOCK, PREFIX, REPLACED, Held, abandoned, give_up, pause, workspace
from tasks.errors import RunError

NOT_MADE = "not made before"
CHECKPOINTS, DAMAGED, RAW, RUNS = "checkpoints", "damaged", "raw", "runs"
NOT_NODES = (CHECKPOINTS, DAMAGED, RAW, RUNS)
NAME = re.compile(r"(\w[\w.-]*-)?[0-9a-f]{16}")  # what an artifact's folder is called


class Store:
    """The artifacts below one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def folder(self, identity: Identity) -> Path:
        """Return where the artifact of that identity is kept."""
        return self.data_dir / identity.node / identity.name

    def checkpoints(self, identity: Identity) -> Path:
        """Return where a making of it may keep what a later try goes on from; removed when the artifact is made."""
        return self.data_dir / CHECKPOINTS / identity.name

    def find(self, identity: Identity) -> Artifact | Miss:
        """Return the artifact if it is there and every file's SHA-256 is what its manifest says."""
        folder = self.folder(identity)
        if not os.path.lexists(folder):
            return Miss(NOT_MADE)
        found = verify(folder, identity.node)
        if isinstance(found, Artifact) and found.manifest["identity"] != json.loads(json.dumps(asdict(identity))):
            return Miss(f"{MANIFEST} belongs to something else")
        return found

    def bring(self, artifact: Artifact) -> Artifact:
        """Have here what another machine has found or made.

        Raises:
            RunError: it is not here.
        """
        node, label = artifact.manifest["node"], artifact.manifest["label"]
        found = verify(self.data_dir / node / artifact.folder.name, node)
        if isinstance(found, Artifact) and found.digest == artifact.digest:
            return found
        raise RunError(
            f"{label} ({artifact.key}) is not in {self.data_dir} on {socket.gethostname()}: let all machines have the "
            "same data folder, or name a --store that they share"
        )

    def make(
        self,
        identity: Identity,
        produce: Callable[[Path, int], dict[str, Any]],
        *,
        why: str = NOT_MADE,
        run: str = "",
        fresh: bool = False,
        waiting: Callable[[str], None] = pause,
        queued: Sequence[float] = (),
    ) -> tuple[Artifact, bool]:
        """Let `produce` fill a temporary folder and return its facts; then rename it into place.

        `produce` also gets the lock's descriptor, for its child processes to hold. One process makes a key: another
        waits (see `workspace`), and takes what it finds then; the second value says whether it was made here. A damaged
        artifact in its place is moved to `data/damaged/`; a good one is replaced only if asked for afresh. If `produce`
        fails, nothing changes. How long it took is without the seconds that it was `queued`.
        """
        folder = self.folder(identity)
        with workspace(folder, identity.label, waiting) as desk:
            self._settle(desk.folder)
            with self._turn(identity, waiting):
                standing = self._standing(identity, desk.folder)
                if isinstance(standing, Artifact) and not fresh:
                    return standing, False
                new = desk.folder / folder.name
                new.mkdir()
                began = time.perf_counter()
                facts = produce(new, desk.lock)
                seconds = time.perf_counter() - began - sum(queued)
                manifest = put_manifest(identity, new, facts, seconds, why=why, run=run)
                made = self._into_place(self._published(identity, new, desk.folder, fresh), desk.folder)
            shutil.rmtree(self.checkpoints(identity), ignore_errors=True)
            return made, made.manifest == manifest

    def _into_place(self, new: Path, desk: Path) -> Artifact:
        """Put a whole artifact's folder, which is in the workspace, where it is kept."""
        folder = desk.with_name(new.name)
        for path in (*new.rglob("*"), new):
            to_disk(path)
        if isinstance(verify(folder, desk.parent.name), Artifact):
            shutil.rmtree(desk / REPLACED, ignore_errors=True)
            folder.rename(desk / REPLACED)
        elif os.path.lexists(folder):
            self.set_aside(folder)
        new.rename(folder)
        to_disk(folder.parent)
        return Artifact.at(folder)

    @contextlib.contextmanager
    def _turn(self, identity: Identity, waiting: Callable[[str], None]) -> Iterator[None]:  # noqa: ARG002
        """Keep other machines from making it while the context lasts, where they share this store."""
        yield

    def _standing(self, identity: Identity, desk: Path) -> Artifact | Miss:  # noqa: ARG002
        return self.find(identity)

    def _published(self, identity: Identity, new: Path, desk: Path, fresh: bool) -> Path:  # noqa: ARG002
        """Share what has just been made; return the folder of what stands now."""
        return new

    def set_aside(self, folder: Path) -> None:
        """Move a damaged artifact to `data/damaged/`."""
        aside = self.data_dir / DAMAGED / f"{folder.parent.name}-{folder.name}-{time.time_ns()}"
        aside.parent.mkdir(exist_ok=True)
        folder.rename(aside)

    def sweep(self) -> None:
        """Finish or remove what killed runs have left."""
        for parent in self.data_dir.glob("*/"):
            for folder in abandoned(parent) if parent.name != RUNS else ():  # a dead run's record is still to be told
                self._settle(folder)
        for checkpoints in self.data_dir.glob(f"{CHECKPOINTS}/*"):
            made = self.data_dir / "train" / checkpoints.name
            if made.exists():
                with contextlib.suppress(Held, OSError), workspace(made, "room", give_up):
                    if isinstance(verify(made, "train"), Artifact) and _newest(made) >= _newest(checkpoints):
                        shutil.rmtree(checkpoints)  # else they are of one that is to take its place, made afresh

    def artifacts(self) -> Iterator[Path]:
        """Give the folder of every artifact, damaged or not, by node and name; nothing that is not the store's."""
        for folder in sorted(self.data_dir.glob("*/*")):
            if folder.parent.name not in NOT_NODES and NAME.fullmatch(folder.name):
                yield folder

    def _settle(self, desk: Path) -> None:
        """Put in place what a killed run had finished but for that, and remove the rest of its workspace."""
        target = desk.with_name(desk.name.removeprefix(PREFIX))
        if not os.path.lexists(target) and isinstance(verify(desk / target.name, desk.parent.name), Artifact):
            (desk / target.name).rename(target)
            to_disk(target.parent)
        for left in desk.iterdir():
            if left.name != LOCK:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _newest(folder: Path) -> int:
    return max((path.stat().st_mtime_ns for path in folder.iterdir()), default=0)


def to_disk(path: Path) -> None:
    """Have the system write a file's content, or a folder's names, to the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
