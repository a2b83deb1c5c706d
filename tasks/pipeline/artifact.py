"""An artifact: a folder whose manifest says of every file what it is, and that is taken only if each still is that."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from tasks.pipeline.cache_key import CacheKey, digest_of
from tasks.pipeline.provenance import commit, machine
from tasks.pipeline.reading import read_json, sha256_of

MANIFEST = "manifest.json"
FORMAT = 2  # of the manifest
CONTENT = ("node", "network", "label", "files", "digest", "summary")  # of a manifest, what the content is


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
            raise TypeError("`measured` is no part of an input's content: declare @node(key_on_provenance=True)")
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


def verify(folder: Path, node: str, name: str = "", *, files: bool = True) -> Artifact | Miss:
    """Return the artifact of that node in that folder if it proves itself: each file, and the name it is kept under.

    `name` is given where it is not in its place yet. Without `files`, its manifest alone is checked.

    Raises:
        OSError: something there cannot be read, which says nothing of what it is.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
        manifest = json.loads(content)
        fault = _fault(folder, node, name or folder.name, content, manifest, files)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        fault = f"{MANIFEST} missing"
    except (ValueError, KeyError, TypeError, AttributeError):
        fault = f"{MANIFEST} damaged"
    return Miss(fault) if fault else Artifact(folder, manifest)


def put_manifest(cache_key: CacheKey, folder: Path, summary: dict[str, Any], seconds: float, **reasons: str) -> None:
    """Describe what has been made in that folder, in its manifest.

    What the summary holds as `measured` differs from one making to the next: it goes to how the artifact was made.
    """
    summary = {"measured": {}, **summary}
    measured = summary.pop("measured")
    files = _files_in(folder)
    content = {
        "format": FORMAT,
        "node": cache_key.node,
        "network": cache_key.network,
        "label": cache_key.label,
        "key": cache_key.key,
        "digest": digest_of([{name: described["sha256"] for name, described in files.items()}, summary]),
        "cache_key": asdict(cache_key),
        "files": files,
        "made": {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            **reasons,
            "measured": measured,
            "commit": commit(),
            **machine(),
        },
        "summary": summary,
    }
    manifest = json.loads(json.dumps(content))  # lists, not tuples
    (folder / MANIFEST).write_bytes(_as_json(manifest | {"seal": digest_of(manifest)}))


def _fault(
    folder: Path, node: str, name: str, content: bytes, manifest: dict[str, Any], check_files: bool
) -> str | None:
    if manifest["format"] != FORMAT:
        return f"{MANIFEST} is of another version of this project"
    unsealed = {field: value for field, value in manifest.items() if field != "seal"}
    if manifest["seal"] != digest_of(unsealed) or _as_json(manifest) != content:
        return f"{MANIFEST} altered since it was made"
    cache_key = CacheKey(**manifest["cache_key"])
    if (cache_key.node, cache_key.name) != (node, name):
        return f"{MANIFEST} belongs to something else"
    if not check_files:
        return None
    files, found = manifest["files"], _files_in(folder)
    for file in sorted({MANIFEST} | found.keys() | files.keys()):
        if file not in found:
            return f"{file} missing"
        if file != MANIFEST and found[file] != files.get(file):
            return f"{file} {'altered' if file in files else 'added'} since it was made"
    return None


def _files_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the files in a folder and in its folders, each with its size and SHA-256; a link is none."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for name, path in sorted(files.items())
        if not path.is_symlink()
    }


def _as_json(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, indent=1).encode()
