"""Download: bring the four IDX files, each proven by its SHA-256.

Takes a data set's specification. Makes an artifact of the four decompressed files. Tries, in this order, what is in
`data/raw/<data set>/` already; the folder that the user names, or else a system copy, the mirrors and Debian's package.
A file that is fetched stays in `data/raw/`, so that a run that ends early fetches only the rest. Refuses any file whose
decompressed bytes are not the expected ones.
"""

import errno
import gzip
import http.client
import random
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.fashion_mnist import DataFile, DataSet
from tasks.idx import read_header
from tasks.pipeline.errors import RunError, Unreachable, UserError
from tasks.pipeline.hashing import sha256_of
from tasks.pipeline.node import node
from tasks.pipeline.progress import Progress
from tasks.pipeline.staging import staging
from tasks.pipeline.store import RAW

PIECE = 1 << 20
OURS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # faults of the data folder, which no other source mends
ATTEMPTS = 3
PATIENCE = 20  # seconds without a byte before a mirror is given up


class Incomplete(RunError):
    """The stream ended before the file did: worth another try where it comes over a network."""


@dataclass(frozen=True)
class Source:
    """Somewhere that may have the files."""

    name: str
    open: Callable[[DataFile], Any]  # gives a binary stream of the file, gzip or plain; it can `peek`
    attempts: int = 1


@node(unkeyed=("source_folder", "data_dir"), retries=5)
def download(
    output: Path, *, data_set: DataSet, source_folder: Path | None, data_dir: Path, progress: Progress
) -> dict[str, Any]:
    """Fill the artifact with the data set's four IDX files."""
    raw = data_dir / RAW / data_set.name
    origins = fetch(data_set, raw, source_folder, progress)
    for file in data_set.files.values():
        shutil.copyfile(raw / file.name, output / file.name)
        _prove(output / file.name, file)
    return {"measured": {"origins": origins}}


def fetch(data_set: DataSet, raw: Path, source_folder: Path | None, progress: Progress) -> dict[str, str]:
    """Have all files in `raw`, verified, and return where each came from.

    Raises:
        UserError: the folder that the user named does not hold them whole.
        Unreachable: no source holds one of them, and one that may does not answer.
        RunError: no source holds one of them.
    """
    raw.mkdir(parents=True, exist_ok=True)
    with staging(raw, f"{raw}") as (scratch, _):
        sources = _sources(data_set, raw, source_folder, scratch / "debian", progress)
        return {
            file.name: _fetch_file(file, raw, scratch, sources, source_folder, progress)
            for file in data_set.files.values()
        }


def _sources(
    data_set: DataSet, raw: Path, source_folder: Path | None, unpacked: Path, progress: Progress
) -> list[Source]:
    """Return the sources in the order in which they are tried."""
    if source_folder:
        return [_folder(raw), _folder(source_folder)]
    sources = [_folder(raw), *map(_folder, data_set.folders), *map(_mirror, data_set.mirrors)]
    return sources + ([_debian(data_set.debian_package, unpacked, progress)] if data_set.debian_package else [])


def _fetch_file(
    file: DataFile, raw: Path, scratch: Path, sources: list[Source], source_folder: Path | None, progress: Progress
) -> str:
    target = raw / file.name
    if _is_whole(target, file):
        return str(raw)
    faults, kind = [], RunError
    for source in sources:
        try:
            _try(source, file, scratch / file.name, progress)
            _prove(scratch / file.name, file)
            (scratch / file.name).replace(target)
        except (OSError, zlib.error, http.client.HTTPException, RunError) as error:
            if getattr(error, "errno", None) in OURS:
                raise
            faults.append(f"{source.name}: {_reason(error)}")
            if _may_heal(error) or isinstance(getattr(error, "reason", None), OSError):
                kind = Unreachable
        else:
            progress(file.bytes, file.bytes, f"{file.name} from {source.name}", True)
            return source.name
    if source_folder:
        raise UserError(f"{file.name} from {faults[-1]}; give --source a folder with the four files, whole")
    tried = "".join(f"\n  {fault}" for fault in faults)
    raise kind(
        f"no source has {file.name}. Tried:{tried}\nPut the four files (.gz or not) into {raw}, "
        f"or name their folder with --source, and run again"
    )


def _try(source: Source, file: DataFile, part: Path, progress: Progress) -> None:
    """Copy a file from a source, again with growing pauses where that may help."""
    for attempt in range(1, source.attempts + 1):
        try:
            _copy(source, file, part, progress)
        except (OSError, http.client.HTTPException, Incomplete) as error:
            if attempt == source.attempts or not _may_heal(error):
                raise
            progress(0, file.bytes, f"{source.name}: {_reason(error)}; trying again", True)
            time.sleep(2**attempt * random.uniform(0.5, 1))  # noqa: S311 (spreads callers, keeps no secret)
        else:
            return


def _copy(source: Source, file: DataFile, part: Path, progress: Progress) -> None:
    """Stream a file, decompressed, to a temporary name, and no further than it may be long."""
    with source.open(file) as stream, part.open("wb") as copy:
        head = stream.peek(2)[:2]
        if not head:
            raise Incomplete("it is empty")
        with gzip.GzipFile(fileobj=stream) if head == b"\x1f\x8b" else nullcontext(stream) as plain:
            try:
                while copy.tell() <= file.bytes and (piece := plain.read(PIECE)):
                    copy.write(piece)
                    progress(copy.tell(), file.bytes, file.name, False)
            except EOFError as error:
                raise Incomplete("its gzip stream ends early (truncated)") from error


def _is_whole(path: Path, file: DataFile) -> bool:
    return path.is_file() and sha256_of(path) == file.sha256


def _prove(part: Path, file: DataFile) -> None:
    """Raise RunError unless the bytes are the expected ones; the message says what they look like."""
    found = sha256_of(part)
    if found == file.sha256:
        return
    with part.open("rb") as copy:
        head = copy.read(64).lstrip()
    if head.startswith((b"<", b"{")):
        raise RunError(f"it is a web page, not IDX: it begins with {head[:20].decode(errors='replace')!r}")
    if part.stat().st_size > file.bytes:
        raise RunError(f"it is longer than the expected {file.bytes:,} bytes")
    try:
        read_header(part)
    except RunError as error:
        raise RunError(str(error).replace(str(part), "it")) from error
    raise RunError(f"its SHA-256 is {found[:12]}…, expected {file.sha256[:12]}…: other data, or altered")


def _folder(folder: Path) -> Source:
    def opener(file: DataFile) -> Any:
        plain, compressed = folder / file.name, folder / f"{file.name}.gz"
        return (compressed if compressed.exists() and not _is_whole(plain, file) else plain).open("rb")

    return Source(str(folder), opener)


def _mirror(prefix: str) -> Source:
    def opener(file: DataFile) -> Any:
        return urllib.request.urlopen(f"{prefix}{file.name}.gz", timeout=PATIENCE)  # noqa: S310 (http(s) by the specification)

    return Source(prefix, opener, ATTEMPTS)


def _may_heal(error: Exception) -> bool:
    """Tell whether asking again may help: not for a missing file, an unknown host, or no network at all."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code == 429
    reason = getattr(error, "reason", error)
    return isinstance(reason, TimeoutError | ConnectionResetError | Incomplete | http.client.IncompleteRead)


def _debian(package: str, unpacked: Path, progress: Progress) -> Source:
    """Fetch a Debian package without root: its own lists and download folder, unpacked, not installed."""

    def opener(file: DataFile) -> Any:
        if not shutil.which("apt-get"):
            raise RunError("there is no apt-get here")
        if not unpacked.exists():
            (unpacked / "lists/partial").mkdir(parents=True)
            (unpacked / "cache/archives/partial").mkdir(parents=True)
            folders = ["-o", f"Dir::State::Lists={unpacked}/lists", "-o", f"Dir::Cache={unpacked}/cache"]
            apt = ["apt-get", "-qq", "-o", "APT::Status-Fd=1", *folders]
            _call([*apt, "update"], unpacked, progress)
            _call([*apt, "download", package], unpacked, progress)
            archive = next(unpacked.glob("*.deb"))
            _call(["dpkg-deb", "-x", str(archive), "files"], unpacked, progress)
        found = next(unpacked.glob(f"files/**/{file.name}.gz"), None)
        if found is None:
            raise RunError("the package does not hold it")
        return found.open("rb")

    return Source(f"Debian's package {package}", opener)


def _call(command: list[str], folder: Path, progress: Progress) -> None:
    """Run a command, passing on apt's status lines (`dlstatus:1:37.5:Retrieving file 1 of 1`)."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=complaints, text=True) as child,
    ):
        for line in child.stdout or ():
            if line.startswith("dlstatus:"):
                progress(float(line.split(":")[2]), 100, " ".join((command[0], command[-1])), False)
        if child.wait():
            complaints.seek(0)
            lines = complaints.read().splitlines()
            told = [line for line in lines if line.startswith("E:")] or lines or [f"status {child.returncode}"]
            raise RunError(f"{command[0]} failed: {told[-1]}")


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    if isinstance(error, FileNotFoundError):
        return "not there"
    return getattr(error, "strerror", None) or str(error)
