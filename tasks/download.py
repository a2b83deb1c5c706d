"""Download: bring the four IDX files, each proven by its SHA-256.

Takes a data set's specification. Makes an artifact of the four decompressed files. Tries, in this order, what is in
`data/raw/<data set>/` already; the folder that the user names, or else a system copy, the mirrors and Debian's package.
A file that is fetched stays in `data/raw/`, so that a run that ends early fetches only the rest; what is there already
stays as it is. Refuses any file whose decompressed bytes are not the expected ones.
"""

import errno
import http.client
import subprocess
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tasks.data.dataset import DataFile, DataSet
from tasks.data.files import UNREADABLE, file_in, read
from tasks.pipeline.errors import RunError, Unreachable, UserError, reason
from tasks.pipeline.node import node
from tasks.pipeline.progress import Progress
from tasks.pipeline.staging import staging
from tasks.pipeline.store import RAW

OURS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # faults of the data folder, which no other source mends
TIMEOUT = 20  # seconds without a byte before a mirror is abandoned
# Fetch a Debian package without root: with lists and downloads of its own, unpacked, not installed.
UNPACK = """
mkdir -p lists/partial cache/archives/partial
apt() { apt-get -qq -o "Dir::State::Lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" "$@"; }
apt update
apt download "$1"
dpkg-deb -x *.deb files
"""
Sources = dict[str, Callable[[DataFile], Any]]  # by name; each gives a binary stream of a file, gzip or plain


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
    missing = [file for file in data_set.files.values() if not _is_whole(raw, file)]
    if missing:
        raw.mkdir(parents=True, exist_ok=True)
        with staging(raw) as (scratch, _):
            folders = [source_folder] if source_folder else data_set.folders
            sources: Sources = {str(folder): partial(_in_folder, folder) for folder in (raw, *folders)}
            if not source_folder:
                sources |= {mirror: partial(_in_mirror, mirror) for mirror in data_set.mirrors}
                if package := data_set.debian_package:
                    sources[f"Debian's package {package}"] = partial(_in_package, package, scratch / "debian")
            for file in missing:
                origins[file.name] = _fetch_file(file, raw, scratch, sources, source_folder, progress)
    return origins


def _is_whole(folder: Path, file: DataFile) -> bool:
    try:
        with _in_folder(folder, file) as stream:
            read(stream, file, lambda *_: None)
    except UNREADABLE:
        return False
    return True


def _fetch_file(
    file: DataFile, raw: Path, scratch: Path, sources: Sources, source_folder: Path | None, progress: Progress
) -> str:
    faults, kind = [], RunError
    for source, opened in sources.items():
        try:
            with opened(file) as stream, (scratch / file.name).open("wb") as copy:
                read(stream, file, progress, copy)
        except (*UNREADABLE, http.client.HTTPException) as error:
            if getattr(error, "errno", None) in OURS:
                raise
            faults.append(f"{source}: {reason(error)}")
            kind = Unreachable if _may_heal(error) else kind
        else:
            (scratch / file.name).replace(raw / file.name)
            progress(file.bytes, file.bytes, f"{file.name} from {source}", True)
            return source
    if source_folder:
        raise UserError(f"{file.name} from {faults[-1]}; --source must be a folder with the four complete files")
    tried = "".join(f"\n  {fault}" for fault in faults)
    raise kind(
        f"no source has {file.name}. Tried:{tried}\nPut the four files (.gz or not) into {raw}, "
        f"or give their folder as --source, and run again"
    )


def _may_heal(error: Exception) -> bool:
    """Tell whether asking again later may help: not for what is not there, or is something else."""
    lasting = isinstance(error, FileNotFoundError | PermissionError | RunError)
    return not lasting and getattr(error, "code", None) not in (401, 403, 404, 410)  # of HTTP


def _in_folder(folder: Path, file: DataFile) -> Any:
    return file_in(folder, file).open("rb")


def _in_mirror(prefix: str, file: DataFile) -> Any:
    return urllib.request.urlopen(f"{prefix}{file.name}.gz", timeout=TIMEOUT)  # noqa: S310 (http(s) by the specification)


def _in_package(package: str, folder: Path, file: DataFile) -> Any:
    if not folder.exists():
        folder.mkdir()
        command = ["sh", "-ec", UNPACK, "sh", package]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise RunError(done.stderr.strip().rpartition("\n")[2] or f"status {done.returncode}")
    archive = f"{file.name}.gz"
    return next(folder.glob(f"files/**/{archive}"), folder / archive).open("rb")
