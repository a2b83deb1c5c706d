"""Keeping artifacts: found only when every byte is what it was, made whole or not at all."""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.artifacts.identity import Identity, digest_of, label_of

MANIFEST = "manifest.json"
UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class Artifact:
    """A folder in the store, verified when it was found or made."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def digest(self) -> str:
        """The content digest: of every file's name and SHA-256, not of how it came to be."""
        return self.manifest["digest"]

    @property
    def key(self) -> str:
        """The digest of everything that decided the content."""
        return self.manifest["key"]

    @property
    def facts(self) -> dict[str, Any]:
        """The figures worth a glance, as the node gave them."""
        return self.manifest["facts"]

    def json(self, file: str) -> Any:
        """Read one of its JSON files."""
        return json.loads((self.folder / file).read_bytes())


@dataclass(frozen=True)
class Miss:
    """Why there is no artifact to take."""

    reason: str


class Store:
    """The artifacts below one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def folder(self, identity: Identity) -> Path:
        """Return where the artifact of that identity is kept."""
        prefix = f"{identity.network}-" if identity.network else ""
        return self.data_dir / identity.node / f"{prefix}{identity.key}"

    def find(self, identity: Identity) -> Artifact | Miss:
        """Return the artifact if it is there and every file's SHA-256 is what its manifest says."""
        folder = self.folder(identity)
        if not folder.is_dir():
            return Miss("not made before")
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            fault = _fault(folder, manifest, identity)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            fault = f"{MANIFEST} unreadable ({error})"
        return Miss(fault) if fault else Artifact(folder, manifest)

    def make(self, identity: Identity, produce: Callable[[Path], dict[str, Any]]) -> Artifact:
        """Let `produce` fill a temporary folder and return its facts; then rename it into place.

        If `produce` fails, the temporary folder goes and nothing else changes. If another run made the same key
        meanwhile, its artifact is taken. A damaged one in its place is moved to `data/damaged/`, never deleted.
        """
        folder = self.folder(identity)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(folder.parent) as scratch:
            new = scratch / folder.name
            new.mkdir()
            began = time.perf_counter()
            facts = produce(new)
            manifest = _manifest(identity, new, facts, time.perf_counter() - began)
            (new / MANIFEST).write_text(json.dumps(manifest, indent=1))
            for path in (*new.rglob("*"), new):
                _to_disk(path)
            if folder.exists() and isinstance(self.find(identity), Miss):
                self._set_aside(identity)
            try:
                new.rename(folder)
            except OSError:
                theirs = self.find(identity)
                if isinstance(theirs, Miss):
                    raise
                return theirs
            _to_disk(folder.parent)
            return Artifact(folder, manifest)

    def _set_aside(self, identity: Identity) -> None:
        folder = self.folder(identity)
        aside = self.data_dir / "damaged" / f"{identity.node}-{folder.name}-{time.time_ns()}"
        aside.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another run has seen the same damage
            folder.rename(aside)


@contextlib.contextmanager
def unfinished(parent: Path) -> Iterator[Path]:
    """Have a temporary folder beside what it is for, named after this process: what a kill leaves is swept later."""
    with tempfile.TemporaryDirectory(f".{os.getpid()}", UNFINISHED, parent, ignore_cleanup_errors=True) as scratch:
        yield Path(scratch)


def sweep(*folders: Path, stopping: bool = False) -> None:
    """Remove the temporary folders whose maker is no longer alive; when stopping, this process's own too."""
    for scratch in [
        found for folder in folders for level in ("", "*/") for found in folder.glob(f"{level}{UNFINISHED}*")
    ]:
        owner = scratch.suffix.removeprefix(".")
        if owner.isdigit() and ((stopping and int(owner) == os.getpid()) or not _alive(int(owner))):
            # First out of its maker's way, who might else rename it into place while it is being emptied.
            with contextlib.suppress(OSError):
                away = scratch.rename(scratch.with_name(f"{UNFINISHED}swept-{scratch.name}"))
                shutil.rmtree(away, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(identity: Identity, folder: Path, facts: dict[str, Any], seconds: float) -> dict[str, Any]:
    files = {name: _describe(folder / name) for name in _names(folder)}
    manifest = {
        "node": identity.node,
        "network": identity.network,
        "label": label_of(identity.node, identity.network),
        "key": identity.key,
        "identity": asdict(identity),
        "files": files,
        "digest": digest_of({name: described["sha256"] for name, described in files.items()}),
        "made": {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            **_machine(),
        },
        "facts": facts,
    }
    as_read = json.loads(json.dumps(manifest))  # lists, not tuples
    return as_read | {"seal": digest_of(as_read)}


def _fault(folder: Path, manifest: dict[str, Any], identity: Identity) -> str | None:
    if manifest["identity"] != json.loads(json.dumps(asdict(identity))):
        return f"{MANIFEST} belongs to something else"
    unsealed = {name: value for name, value in manifest.items() if name != "seal"}
    if manifest["seal"] != digest_of(unsealed):
        return f"{MANIFEST} altered since it was made"
    present, expected = set(_names(folder)), set(manifest["files"])
    if present != expected:
        odd = min(present ^ expected)
        return f"{odd} {'missing' if odd in expected else 'was not there when it was made'}"
    for name, described in manifest["files"].items():
        path = folder / name
        if path.is_symlink() or path.stat().st_size != described["bytes"] or sha256_of(path) != described["sha256"]:
            return f"{name} altered since it was made"
    return None


def _names(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(str(path.relative_to(folder)) for path in paths if path != folder / MANIFEST)


def _describe(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
