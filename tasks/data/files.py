"""A data set's files as others keep them: under several names, gzip or plain, and perhaps not those that are meant."""

import gzip
import hashlib
import io
import zlib
from functools import partial
from pathlib import Path
from typing import BinaryIO

from tasks.data.dataset import UNKNOWN, DataFile, DataSet
from tasks.pipeline.errors import RunError, UserError, reason
from tasks.pipeline.progress import Progress

BYTES_CHUNK = 1 << 20
GZIP, IDX = b"\x1f\x8b", b"\0\0\x08"  # how a file begins
UNREADABLE = (OSError, EOFError, zlib.error, RunError)  # what `read` raises


def file_in(folder: Path, file: DataFile) -> Path:
    """Return where a file is in a folder, under one of its names."""
    names = (file.name, file.name.replace("-idx", ".idx"), file.name.replace(".idx", "-idx"))  # as 7-Zip and Kaggle do
    paths = [folder / f"{name}{suffix}" for name in names for suffix in ("", ".gz")]
    return next(filter(Path.is_file, paths), paths[0])


def read(stream: BinaryIO, file: DataFile, progress: Progress, copy: BinaryIO | None = None) -> str:
    """Return the SHA-256 of a file's decompressed bytes, which go into `copy`, and no further than it may be long.

    Raises:
        RunError: they are not the expected ones.
        OSError, EOFError, zlib.error: they cannot be read, or not decompressed.
    """
    buffered = io.BufferedReader(stream, BYTES_CHUNK)  # type: ignore[type-var]
    content = gzip.GzipFile(fileobj=buffered) if buffered.peek().startswith(GZIP) else buffered
    digest, head, length = hashlib.sha256(), b"", 0
    for piece in iter(partial(content.read, BYTES_CHUNK), b""):
        head = head or piece[:20]
        length += len(piece)
        digest.update(piece)
        if copy:
            copy.write(piece)
        progress(length, file.bytes, file.name, False)
        if length > file.bytes:
            break
    if not head.startswith(IDX):
        raise RunError(f"it is not IDX of bytes: it begins with {head!r}")
    if length != file.bytes:
        raise RunError(f"it has {'more' if length > file.bytes else 'fewer'} than the expected {file.bytes:,} bytes")
    found = digest.hexdigest()
    if file.sha256 not in (UNKNOWN, found):
        raise RunError(f"its SHA-256 is {found[:12]}…, expected {file.sha256[:12]}…: different or altered data")
    return found


def with_digests_of(data_set: DataSet, folder: Path) -> DataSet:
    """Return the data set with the digests of the files in this folder where it names none.

    So what is there counts by its content, as if the specification had named it.

    Raises:
        UserError: a file is not there, cannot be read, or is not the expected one.
    """
    files = dict(data_set.files)
    for role, file in data_set.files.items():
        if file.sha256 == UNKNOWN:
            try:
                with file_in(folder, file).open("rb") as stream:
                    files[role] = file.model_copy(update={"sha256": read(stream, file, lambda *_: None)})
            except UNREADABLE as error:
                raise UserError(
                    f"--dataset names no SHA-256 for {file.name}, and in {folder}: {reason(error)}; "
                    "--source must be a folder with the four complete files"
                ) from error
    return data_set.model_copy(update={"files": files, "proven": data_set.proven and files == data_set.files})
