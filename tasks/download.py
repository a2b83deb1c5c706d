"""Download: bring the four IDX files, each proven by its SHA-256.

Takes a data set's specification. Makes an artifact of the four decompressed files. Tries, in this order, what is in
`data/raw/<data set>/` already; the folder that the user names, or else a system copy, the mirrors and Debian's package.
A file that is fetched stays in `data/raw/`, so that a run that ends early fetches only the rest; what is there already
stays as it is. Refuses any file whose decompressed bytes are not the expected ones.
"""

import errno
import http.client
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tasks.data.dataset import DataFile, DataSet
from tasks.data.files import Incomplete, file_in, is_whole, read
from tasks.pipeline.errors import RunError, Unreachable, UserError
from tasks.pipeline.node import node
from tasks.pipeline.progress import Progress
from tasks.pipeline.staging import staging
from tasks.pipeline.store import RAW

OURS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # faults of the data folder, which no other source mends
TIMEOUT = 20  # seconds without a byte before a mirror is abandoned


class Source(NamedTuple):
    """Somewhere that may have the files."""

    name: str
    open: Callable[[DataFile], Any]  # gives a binary stream of the file, gzip or plain


@node(not_in_key=("source_folder", "data_dir"), retries=5)
def download(
    output: Path, *, data_set: DataSet, source_folder: Path | None, data_dir: Path, progress: Progress
) -> dict[str, Any]:
    """Fill the artifact with the data set's four IDX files."""
    raw = data_dir / RAW / data_set.name
    origins = fetch(data_set, raw, source_folder, progress)
    for file in data_set.files.values():
        with file_in(raw, file).open("rb") as stream, (output / file.name).open("wb") as copy:
            read(stream, file, progress, copy)
    return {"measured": {"origins": origins}}


def fetch(data_set: DataSet, raw: Path, source_folder: Path | None, progress: Progress) -> dict[str, str]:
    """Have all files in `raw`, verified, and return where each came from; write nothing there if none is missing.

    Raises:
        UserError: the folder that the user named does not hold them whole.
        Unreachable: no source holds one of them, and one that may does not answer.
        RunError: no source holds one of them.
    """
    origins = {file.name: str(raw) for file in data_set.files.values()}
    missing = [file for file in data_set.files.values() if not is_whole(file_in(raw, file), file)]
    if missing:
        raw.mkdir(parents=True, exist_ok=True)
        if not os.access(raw, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(raw))
        with staging(raw) as (scratch, _):
            sources = [*map(_folder, (raw, *([source_folder] if source_folder else data_set.folders)))]
            if not source_folder:
                sources += map(_mirror, data_set.mirrors)
            if data_set.debian_package and not source_folder:
                sources.append(_debian(data_set.debian_package, scratch / "debian"))
            for file in missing:
                origins[file.name] = _fetch_file(file, raw, scratch, sources, source_folder, progress)
    return origins


def _fetch_file(
    file: DataFile, raw: Path, scratch: Path, sources: list[Source], source_folder: Path | None, progress: Progress
) -> str:
    faults, kind = [], RunError
    for source in sources:
        try:
            with source.open(file) as stream, (scratch / file.name).open("wb") as copy:
                read(stream, file, progress, copy)
        except (OSError, http.client.HTTPException, RunError) as error:
            if getattr(error, "errno", None) in OURS:
                raise
            faults.append(f"{source.name}: {_reason(error)}")
            kind = Unreachable if _may_heal(error) else kind
        else:
            (scratch / file.name).replace(raw / file.name)
            progress(file.bytes, file.bytes, f"{file.name} from {source.name}", True)
            return source.name
    if source_folder:
        raise UserError(f"{file.name} from {faults[-1]}; --source must be a folder with the four complete files")
    tried = "".join(f"\n  {fault}" for fault in faults)
    raise kind(
        f"no source has {file.name}. Tried:{tried}\nPut the four files (.gz or not) into {raw}, "
        f"or give their folder as --source, and run again"
    )


def _folder(folder: Path) -> Source:
    return Source(str(folder), lambda file: file_in(folder, file).open("rb"))


def _mirror(prefix: str) -> Source:
    def opener(file: DataFile) -> Any:
        return urllib.request.urlopen(f"{prefix}{file.name}.gz", timeout=TIMEOUT)  # noqa: S310 (http(s) by the specification)

    return Source(prefix, opener)


def _may_heal(error: Exception) -> bool:
    """Tell whether asking again later may help: not for what is not there, or is something else."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code == 429
    networks = urllib.error.URLError | ConnectionError | TimeoutError | http.client.HTTPException
    return isinstance(error, networks | Incomplete)


def _debian(package: str, unpacked: Path) -> Source:
    """Fetch a Debian package without root: its own lists and download folder, unpacked, not installed."""

    def opener(file: DataFile) -> Any:
        if not shutil.which("apt-get"):
            raise RunError("apt-get is not installed")
        if not unpacked.exists():
            (unpacked / "lists/partial").mkdir(parents=True)
            (unpacked / "cache/archives/partial").mkdir(parents=True)
            folders = ["-o", f"Dir::State::Lists={unpacked}/lists", "-o", f"Dir::Cache={unpacked}/cache"]
            apt = ["apt-get", "-qq", *folders]
            _call([*apt, "update"], unpacked)
            _call([*apt, "download", package], unpacked)
            archive = next(unpacked.glob("*.deb"))
            _call(["dpkg-deb", "-x", str(archive), "files"], unpacked)
        found = next(unpacked.glob(f"files/**/{file.name}.gz"), None)
        if found is None:
            raise RunError("the package does not contain it")
        return found.open("rb")

    return Source(f"Debian's package {package}", opener)


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        lines = done.stderr.splitlines()
        reasons = [line for line in lines if line.startswith("E:")] or lines or [f"status {done.returncode}"]
        raise RunError(f"{command[0]} failed: {reasons[-1]}")


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    if isinstance(error, FileNotFoundError):
        return "not there"
    return getattr(error, "strerror", None) or str(error)
