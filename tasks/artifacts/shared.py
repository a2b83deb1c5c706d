"""Shared artifacts: a store that machines without a common folder keep theirs in, an object store that fsspec opens.

Each machine works on copies in its own data folder. Of an artifact there is `<node>/<name>.json`, its manifest, and
each file once as `files/<its SHA-256>`. The files come first, the manifest last and only if there is none yet: so it
appears whole or not at all, and of two makers the first one's stands, whatever the other has made. A copy is verified
like what was made here.

That one maker works at a time is a lease's doing: `<node>/<name>.lease`, renewed while its holder lives. Where it is
lost to a machine that only seemed to be gone, work is done twice; the manifest still decides. Beside it are the
holder's checkpoints (`<node>/<name>.checkpoints/`), from which another machine goes on.
"""

import contextlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tasks.artifacts.artifact import MANIFEST, Artifact, Miss, verify
from tasks.artifacts.identity import Identity
from tasks.artifacts.store import Store
from tasks.artifacts.workspace import workspace
from tasks.errors import RunError, Unreachable

RENEWED = 3.0  # seconds after which a lease is renewed
LOOK_EVERY = 10  # pauses of whoever waits, a tenth of a second each
EXPIRED = 15.0  # seconds without a renewal, on the clock of whoever waits, after which its holder is taken to be gone


class SharedStore(Store):
    """The artifacts at an address, and this machine's copies of them below its data folder."""

    def __init__(self, data_dir: Path, url: str) -> None:
        super().__init__(data_dir)
        import fsspec

        self.url = url
        with self._told():
            self.files, self.root = fsspec.core.url_to_fs(url)

    def find(self, identity: Identity) -> Artifact | Miss:
        """Return the artifact if it stands here or there; then it is in both places, the same.

        Raises:
            Unreachable: the shared store does not answer.
        """
        found, theirs = super().find(identity), self._manifest_at(identity)
        if theirs == _manifest_in(self.folder(identity)) and (isinstance(found, Artifact) or not theirs):
            return found
        with workspace(self.folder(identity), f"a copy of {identity.label}") as desk:
            self._settle(desk.folder)
            return self._standing(identity, desk.folder)

    def bring(self, artifact: Artifact) -> Artifact:
        """Have here what another machine has found or made.

        Raises:
            RunError: it is not in the shared store either.
        """
        found = self.find(Identity(**artifact.manifest["identity"]))
        if isinstance(found, Artifact) and found.digest == artifact.digest:
            return found
        raise RunError(f"{artifact.manifest['label']} ({artifact.key}) is no longer in {self.url}; run again")

    def _standing(self, identity: Identity, desk: Path) -> Artifact | Miss:
        """Copy what is only there to here, what is only here to there; what is there decides, if it is whole."""
        found, theirs = super().find(identity), self._manifest_at(identity)
        if theirs and (isinstance(found, Miss) or theirs != _manifest_in(self.folder(identity))):
            copy = self._copied(identity, theirs, desk)
            if isinstance(copy, Artifact):
                return self._into_place(copy.folder, desk)
            found = found if isinstance(found, Artifact) else copy
        if isinstance(found, Artifact):
            self._put(identity, found.folder, replace=theirs is not None)
        return found

    def _copied(self, identity: Identity, manifest: bytes, desk: Path) -> Artifact | Miss:
        folder = desk / self.folder(identity).name
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_bytes(manifest)
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # of which `verify` tells
            for name, described in json.loads(manifest)["files"].items():
                if not (folder / name).resolve().is_relative_to(folder.resolve()):
                    break  # whoever wrote that wants a file elsewhere
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileNotFoundError), self._told():
                    self.files.get_file(self._file(described["sha256"]), str(folder / name))
        found = verify(folder, identity.node)
        if isinstance(found, Miss):
            shutil.rmtree(folder)
            return Miss(f"{found.reason} in {self.url}")
        return found

    @contextlib.contextmanager
    def _turn(self, identity: Identity, waiting: Callable[[str], None]) -> Iterator[None]:
        """Hold the lease while the context lasts, if the store refuses to overwrite; else most likely."""
        path = f"{self._at(identity)}.lease"
        mine = {"pid": os.getpid(), "host": socket.gethostname(), "token": os.urandom(8).hex(), "renewed": 0}
        self._await(path, identity.label, waiting)
        while not self._created(path, json.dumps(mine).encode()):
            self._await(path, identity.label, waiting)
        over = threading.Event()
        beside = [
            threading.Thread(target=self._renew, args=(path, mine, over), daemon=True),
            threading.Thread(target=self._share_checkpoints, args=(identity, over), daemon=True),
        ]
        try:
            self._bring_checkpoint(identity)
            for thread in beside:
                thread.start()
            yield
        finally:
            over.set()
            for thread in filter(threading.Thread.is_alive, beside):
                thread.join()
            if self._is_mine(path, mine):
                self._end(path)

    def _await(self, path: str, label: str, waiting: Callable[[str], None]) -> None:
        """Wait while a lease is held, and end it if its holder is gone."""
        seen, since = b"", time.monotonic()
        while (now := self._read(path)) is not None:
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > EXPIRED:
                self._end(path)
                return
            with contextlib.suppress(ValueError, KeyError):
                holder = json.loads(seen)
                for _ in range(LOOK_EVERY):
                    waiting(f"pid {holder['pid']} on {holder['host']}, which makes {label}")

    def _end(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError), self._told():
            self.files.rm_file(path)

    def _renew(self, path: str, mine: dict[str, Any], over: threading.Event) -> None:
        while not over.wait(RENEWED):
            with contextlib.suppress(Unreachable):
                if not self._is_mine(path, mine):
                    return
                mine["renewed"] += 1
                with self._told():
                    self.files.pipe_file(path, json.dumps(mine).encode())

    def _bring_checkpoint(self, identity: Identity) -> None:
        """Have here what another machine has left, to go on from; its name says how far it is, and its SHA-256."""
        folder, names = self.checkpoints(identity), self._checkpoints_at(identity)
        if names and names[-1] > _newest_in(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError), self._told():
                self.files.get_file(f"{self._at(identity)}.checkpoints/{names[-1]}", str(folder / "unfinished"))
                (folder / "unfinished").rename(folder / names[-1])

    def _share_checkpoints(self, identity: Identity, over: threading.Event) -> None:
        """Put each new one there while the artifact is made, for whoever goes on if this machine is lost."""
        folder, there = self.checkpoints(identity), f"{self._at(identity)}.checkpoints"
        shared = _newest_in(folder)
        while not over.wait(RENEWED):
            if (newest := _newest_in(folder)) > shared:
                with contextlib.suppress(Unreachable, FileNotFoundError), self._told():
                    self.files.put_file(str(folder / newest), f"{there}/{newest}")
                    for old in self._checkpoints_at(identity)[:-1]:
                        self.files.rm_file(f"{there}/{old}")
                    shared = newest

    def _checkpoints_at(self, identity: Identity) -> list[str]:
        try:
            with self._told():
                self.files.invalidate_cache()
                return sorted(
                    path.rpartition("/")[2] for path in self.files.ls(f"{self._at(identity)}.checkpoints", False)
                )
        except FileNotFoundError:
            return []

    def _is_mine(self, path: str, mine: dict[str, Any]) -> bool:
        return json.loads(self._read(path) or b"{}").get("token") == mine["token"]

    def _published(self, identity: Identity, new: Path, desk: Path, fresh: bool) -> Path:
        """Put there what has just been made; return where what stands now is: that, or a copy of the first one."""
        theirs = None if fresh else self._manifest_at(identity)
        if theirs:
            first = self._copied(identity, theirs, desk / "first")
            if isinstance(first, Artifact):
                return first.folder
        if self._put(identity, new, replace=fresh or theirs is not None):
            for name in self._checkpoints_at(identity):
                self._end(f"{self._at(identity)}.checkpoints/{name}")
            return new
        return self._published(identity, new, desk, fresh)

    def _put(self, identity: Identity, folder: Path, replace: bool) -> bool:
        """Put a folder's files there, then its manifest; tell whether that is the one which stands."""
        manifest = (folder / MANIFEST).read_bytes()
        for name, described in json.loads(manifest)["files"].items():
            path = self._file(described["sha256"])
            with self._told():
                if replace or not self.files.exists(path) or self.files.size(path) != described["bytes"]:
                    self.files.put_file(str(folder / name), path)
        if replace:
            with self._told():
                self.files.pipe_file(f"{self._at(identity)}.json", manifest)
            return True
        return self._created(f"{self._at(identity)}.json", manifest)

    def _created(self, path: str, content: bytes) -> bool:
        """Write a file that is not there yet, and tell whether it is this one that is there now."""
        try:
            with self._told(), self.files.open(path, "xb") as file:
                file.write(content)
        except (FileExistsError, Unreachable):  # S3 has no word of its own for what exists
            if self._read(path) is None:
                raise
        return self._read(path) == content

    def _manifest_at(self, identity: Identity) -> bytes | None:
        return self._read(f"{self._at(identity)}.json")

    def _read(self, path: str) -> bytes | None:
        try:
            with self._told():
                self.files.invalidate_cache(path)
                return self.files.cat_file(path)
        except FileNotFoundError:
            return None

    def _at(self, identity: Identity) -> str:
        return f"{self.root}/{identity.node}/{identity.name}"

    def _file(self, sha256: str) -> str:
        return f"{self.root}/files/{sha256}"

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Say in one sentence what is wrong with the shared store."""
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except Exception as error:  # each kind of address has faults of its own
            said = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise Unreachable(f"store {self.url}: {said}") from error


def _manifest_in(folder: Path) -> bytes | None:
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError:
        return None


def _newest_in(folder: Path) -> str:
    return max((path.name for path in folder.glob("*-*.npz")), default="")
