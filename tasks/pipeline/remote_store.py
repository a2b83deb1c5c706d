"""A remote store: artifacts that machines without a common folder share, in an object store that fsspec opens.

Each machine works on copies in its own data folder. Of an artifact there is `<node>/<name>.json`, its manifest, and
each file once as `files/<its SHA-256>`. The files come first, the manifest last and only if there is none yet: so it
appears whole or not at all, and of two makers the first one's stands. A copy is verified like what was made here.
A training's checkpoints are there too, for another machine to go on from: `checkpoints/<name>/`.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.pipeline.artifact import MANIFEST, Artifact, Miss, verify
from tasks.pipeline.cache_key import CacheKey
from tasks.pipeline.checkpoints import Checkpoints
from tasks.pipeline.errors import Unreachable
from tasks.pipeline.staging import staging
from tasks.pipeline.store import CHECKPOINTS, NEW, Produce, Store


class Remote:
    """An address in an object store; every fault of it is reported in one sentence."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        with self.named():
            self.files, self.root = fsspec.core.url_to_fs(url)

    def read(self, path: str) -> bytes | None:
        """Return what is in a file, `None` if there is none."""
        try:
            with self.named():
                self.files.invalidate_cache(path)
                return self.files.cat_file(path)
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Say in one sentence what is wrong with the store.

        Raises:
            Unreachable: it does not answer, or refuses.
        """
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except Exception as error:  # each kind of address has faults of its own
            said = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise Unreachable(f"store {self.url}: {said}") from error


class RemoteStore(Store):
    """The artifacts at an address, and this machine's copies of them below its data folder."""

    def __init__(self, data_dir: Path, url: str) -> None:
        super().__init__(data_dir)
        self.remote = Remote(url)
        self.missing = f"no longer in {url}; run again"

    def checkpoints(self, cache_key: CacheKey) -> Checkpoints:
        """Return where a making of it may keep what a later try, of any machine, goes on from."""
        return RemoteCheckpoints(Path(self.remote.root, CHECKPOINTS, cache_key.name), self.remote)

    def find(self, cache_key: CacheKey) -> Artifact | Miss:
        """Return the artifact if it is up to date here or there; then it is in both places, the same.

        What is there decides, if it is whole.

        Raises:
            Unreachable: the store does not answer.
        """
        found, theirs = super().find(cache_key), self.remote.read(self._manifest_path(cache_key))
        if not theirs:
            self._share(cache_key, found)
        if not theirs or _is_copy(found, theirs):
            return found
        with staging(self.folder(cache_key)) as (staged, _):
            found = super().find(cache_key)
            if _is_copy(found, theirs):  # meanwhile
                return found
            copied = self._copy(cache_key, theirs, staged / NEW)
            if isinstance(copied, Artifact):
                return self._put_in_place(copied.folder, self.folder(cache_key))
        self._share(cache_key, found, replace=True)
        return found if isinstance(found, Artifact) else copied

    def _copy(self, cache_key: CacheKey, manifest: bytes, folder: Path) -> Artifact | Miss:
        """Fill a new folder with the files of that manifest; return it if they prove themselves."""
        folder.mkdir()
        (folder / MANIFEST).write_bytes(manifest)
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # of which `verify` tells
            for name, described in json.loads(manifest)["files"].items():
                if not (folder / name).resolve().is_relative_to(folder.resolve()):
                    break  # whoever wrote that wants a file elsewhere
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileNotFoundError), self.remote.named():
                    self.remote.files.get_file(self._file(described["sha256"]), str(folder / name))
        found = verify(folder, cache_key.node, cache_key.name)
        return Miss(f"{found.reason} in {self.remote.url}") if isinstance(found, Miss) else found

    def make(self, cache_key: CacheKey, produce: Produce, *, force: bool = False, **how: Any) -> tuple[Artifact, bool]:
        """Upload what was made here, unless another machine was first: then return a copy of that, if it is whole."""
        made, here = super().make(cache_key, produce, force=force, **how)
        if here:
            self._share(cache_key, made, replace=force)
            self.checkpoints(cache_key).clear()
        found = self.find(cache_key)
        return (found, here and found == made) if isinstance(found, Artifact) else (made, here)

    def _share(self, cache_key: CacheKey, found: Artifact | Miss, replace: bool = False) -> None:
        """Put an artifact's files there, then its manifest: in place of another one, or only where there is none."""
        if isinstance(found, Miss):
            return
        for name, described in found.manifest["files"].items():
            with self.remote.named():
                self.remote.files.put_file(str(found.folder / name), self._file(described["sha256"]))
        path = self._manifest_path(cache_key)
        try:
            with self.remote.named(), self.remote.files.open(path, "wb" if replace else "xb") as file:
                file.write((found.folder / MANIFEST).read_bytes())
        except (FileExistsError, Unreachable):  # S3 has no word of its own for what exists
            if replace or self.remote.read(path) is None:
                raise

    def _manifest_path(self, cache_key: CacheKey) -> str:
        return f"{self.remote.root}/{cache_key.node}/{cache_key.name}.json"

    def _file(self, sha256: str) -> str:
        return f"{self.remote.root}/files/{sha256}"


@dataclass(frozen=True)
class RemoteCheckpoints(Checkpoints):
    """Checkpoints at an address. One that cannot be written there is left out: the training goes on."""

    remote: Remote

    def names(self) -> list[str]:
        """Return the files there, the last by name first."""
        with self.remote.named():
            self.remote.files.invalidate_cache()
            found = self.remote.files.find(str(self.folder))
        return sorted((Path(path).name for path in found), reverse=True)

    def read(self, name: str) -> bytes:
        """Return what is in a file."""
        return self.remote.read(f"{self.folder}/{name}") or b""

    def write(self, name: str, content: bytes) -> None:
        """Put a file there in one request, whole or not at all."""
        with contextlib.suppress(Unreachable), self.remote.named():
            self.remote.files.pipe_file(f"{self.folder}/{name}", content)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with contextlib.suppress(Unreachable, FileNotFoundError), self.remote.named():
            self.remote.files.rm_file(f"{self.folder}/{name}")

    def clear(self) -> None:
        """Remove all of it: the artifact is made."""
        for name in self.names():
            self.remove(name)


def _is_copy(found: Artifact | Miss, theirs: bytes) -> bool:
    return isinstance(found, Artifact) and (found.folder / MANIFEST).read_bytes() == theirs
