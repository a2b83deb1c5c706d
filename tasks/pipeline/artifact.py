"""An artifact: a folder whose manifest says of every file what it is, and that is taken only if each still is that."""

import errno
import json
import os
import stat
from collections.abc import Container
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from tasks.pipeline.cache_key import CacheKey, digest_of
from tasks.pipeline.provenance import commit, machine
from tasks.pipeline.reading import printable, read, read_json, sha256_of

MANIFEST = "manifest.json"
FORMAT = 2  # of the manifest
MADE = {"at": str, "seconds": int | float, "why": str, "run": str, "measured": dict}  # what it says of the making
CONTENT = ("node", "network", "label", "files", "digest", "summary")  # of a manifest, what the content is
OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR)  # faults of this process, which say nothing of a file


@dataclass(frozen=True)
class Artifact:
    """A folder in the store, verified when it was found or made."""

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Return the one in this folder, which another process has verified."""
        return cls(folder, read_json(folder / MANIFEST))

    @property
    def digest(self) -> str:
        """The content digest: of every file's name and SHA-256 and of the summary, not of how it came to be."""
        return self.manifest["digest"]

    @property
    def key(self) -> str:
        """The digest of everything that decided the content."""
        return self.manifest["key"]

    @property
    def summary(self) -> dict[str, Any]:
        """The figures worth a glance, as the node gave them; part of the content."""
        return self.manifest["summary"]

    @property
    def measured(self) -> dict[str, Any]:
        """What the node measured of its own work, such as seconds: no part of the content.

        Raises:
            TypeError: it was given to a node that is keyed by its inputs' content alone.
        """
        if "made" not in self.manifest:
            raise TypeError(
                "`measured` is no part of an input's content: to read it, declare @node(key_on_provenance=True)"
            )
        return self.manifest["made"]["measured"]

    def content_alone(self) -> Self:
        """Return it without what its digest leaves out, for a node that is keyed by that digest."""
        return type(self)(self.folder, {name: self.manifest[name] for name in CONTENT})

    def is_up_to_date(self) -> bool:
        """Tell whether it is still what it was when it was found."""
        now = verify(self.folder, self.manifest["node"])
        return isinstance(now, Artifact) and now.digest == self.digest

    def json(self, file: str) -> Any:
        """Read one of its JSON files."""
        return read_json(self.folder / file)


@dataclass(frozen=True)
class Miss:
    """Why there is no artifact to take."""

    reason: str

    def __post_init__(self) -> None:
        """Let no name that is in the reason break its line."""
        object.__setattr__(self, "reason", printable(self.reason))


def verify(folder: Path, node: str, name: str = "") -> Artifact | Miss:
    """Return the artifact of that node in that folder if it proves itself: each file, and the name it is kept under.

    `name` is given where it is not in its place yet.
    """
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            return Miss("not a folder")
        content = read(folder / MANIFEST)
        manifest = json.loads(content)
        fault = _fault_of_manifest(node, name or folder.name, content, manifest)
        fault = fault or _fault_of_files(folder, manifest["files"])
    except FileNotFoundError as error:
        fault = f"{Path(error.filename).name} missing"
    except OSError as error:
        if error.errno in OURS:
            raise
        fault = f"{Path(error.filename or folder).name} unreadable ({(error.strerror or str(error)).lower()})"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        fault = f"{MANIFEST} damaged"
    return Miss(fault) if fault else Artifact(folder, manifest)


def put_manifest(cache_key: CacheKey, folder: Path, summary: dict[str, Any], seconds: float, **reasons: str) -> None:
    """Describe what has been made in that folder, in its manifest.

    What the summary holds as `measured` differs from one making to the next: it goes to how the artifact was made.
    """
    measured = {"measured": summary.get("measured", {})}
    summary = {name: value for name, value in summary.items() if name != "measured"}
    files = {name: _describe(folder / name) for name, kind in sorted(_entries(folder).items()) if kind == "file"}
    manifest = {
        "format": FORMAT,
        **_derived(cache_key, files, summary),
        "cache_key": asdict(cache_key),
        "files": files,
        "made": {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            **reasons,
            **measured,
            "commit": commit(),
            **machine(),
        },
        "summary": summary,
    }
    as_read = json.loads(json.dumps(manifest))  # lists, not tuples
    (folder / MANIFEST).write_bytes(_as_json(as_read | {"seal": digest_of(as_read)}))


def _derived(cache_key: CacheKey, files: dict[str, dict[str, Any]], summary: dict[str, Any]) -> dict[str, Any]:
    """Return what a manifest says that follows from the rest of it."""
    content = {name: described["sha256"] for name, described in files.items()}
    return {
        "node": cache_key.node,
        "network": cache_key.network,
        "label": cache_key.label,
        "key": cache_key.key,
        "digest": digest_of([content, summary]),
    }


def _fault_of_manifest(node: str, name: str, content: bytes, manifest: dict[str, Any]) -> str | None:
    if manifest["format"] != FORMAT:
        return f"{MANIFEST} is of another version of this project"
    unsealed = {field: value for field, value in manifest.items() if field != "seal"}
    if manifest["seal"] != digest_of(unsealed) or _as_json(manifest) != content:
        return f"{MANIFEST} altered since it was made"
    cache_key = CacheKey(**manifest["cache_key"])
    if (cache_key.node, cache_key.name) != (node, name):
        return f"{MANIFEST} belongs to something else"
    if not all(isinstance(manifest["made"][name], kind) for name, kind in MADE.items()):
        return f"{MANIFEST} altered since it was made"
    if not _derived(cache_key, manifest["files"], manifest["summary"]).items() <= manifest.items():
        return f"{MANIFEST} altered since it was made"
    return None


def _fault_of_files(folder: Path, files: dict[str, dict[str, Any]]) -> str | None:
    """Return what is wrong with them, the cheap to see first; only what is to be there is opened."""
    folders = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    expected = dict.fromkeys(folders, "folder") | dict.fromkeys([MANIFEST, *files], "file")
    entries = _entries(folder, folders)
    for name in sorted(entries.keys() | expected.keys()):
        if name not in entries:
            return f"{name} missing"
        if name not in expected:
            return f"{name} added since it was made"
        if entries[name] != expected[name]:
            return f"{name} is a {entries[name]}, not a {expected[name]}"
    for name, described in files.items():
        size = (folder / name).stat().st_size
        if size < described["bytes"]:
            return f"{name} truncated to {size:,} of {described['bytes']:,} bytes"
        if size > described["bytes"] or sha256_of(folder / name) != described["sha256"]:
            return f"{name} altered since it was made"
    return None


def _entries(folder: Path, opened: Container[str] | None = None) -> dict[str, str]:
    """Return what is in a folder, and in all of its folders or those that may be opened; links are not followed."""
    found, waiting = {}, [""]
    for below in waiting:  # grows
        with os.scandir(folder / below) as entries:
            for entry in entries:
                name = f"{below}{entry.name}"
                found[name] = _kind(entry)
                if found[name] == "folder" and (opened is None or name in opened):
                    waiting.append(f"{name}/")
    return found


def _kind(entry: "os.DirEntry[str]") -> str:
    if entry.is_symlink():
        return "link"
    return "folder" if entry.is_dir() else "file" if entry.is_file() else "device"


def _as_json(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, indent=1).encode()


def _describe(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
