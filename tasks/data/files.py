"""A data set's files as others keep them: under several names, gzip or plain, and perhaps not those that are meant."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tasks.data.dataset import UNKNOWN, DataFile, DataSet
from tasks.data.idx import check_length, read_header
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.progress import Progress

BYTES_CHUNK = 1 << 20
GZIP = b"\x1f\x8b"


class Incomplete(RunError):
    """The stream ended before the file did: worth another try where it comes over a network."""


def file_in(folder: Path, file: DataFile) -> Path:
    """Return where a file is in a folder, under one of its names."""
    names = (file.name, file.name.replace("-idx", ".idx"), file.name.replace(".idx", "-idx"))  # as 7-Zip and Kaggle do
    paths = [folder / f"{name}{suffix}" for name in names for suffix in ("", ".gz")]
    return next(filter(Path.is_file, paths), paths[0])


def is_whole(path: Path, file: DataFile) -> bool:
    """Tell whether a file can be read and is the expected one."""
    try:
        with path.open("rb") as stream:
            read(stream, file, lambda *_: None)
    except (OSError, RunError):
        return False
    return True


def read(stream: BinaryIO, file: DataFile, progress: Progress, copy: BinaryIO | None = None) -> str:
    """Return the SHA-256 of a file's decompressed bytes, which go into `copy`, and no further than it may be long.

    Raises:
        RunError: they are not the expected ones; the message says what they look like.
    """
    digest, head, length = hashlib.sha256(), b"", 0
    for piece in _content(stream):
        head += piece[: 64 - len(head)]
        length += len(piece)
        digest.update(piece)
        if copy:
            copy.write(piece)
        progress(length, file.bytes, file.name, False)
        if length > file.bytes:
            break
    if head.lstrip().startswith((b"<", b"{")):
        raise RunError(f"it is a web page, not IDX: it begins with {head.lstrip()[:20].decode(errors='replace')!r}")
    shape = read_header(head)
    if length > file.bytes:
        raise RunError(f"it is longer than the expected {file.bytes:,} bytes")
    check_length(shape, length)
    found = digest.hexdigest()
    if file.sha256 not in (UNKNOWN, found):
        raise RunError(f"its SHA-256 is {found[:12]}…, expected {file.sha256[:12]}…: different or altered data")
    return found


def _content(stream: BinaryIO) -> Iterator[bytes]:
    """Give a file's bytes in pieces, decompressed if its first two say that it is gzip."""
    buffered = io.BufferedReader(stream, BYTES_CHUNK)  # type: ignore[type-var]
    head = buffered.peek()
    if not head:
        raise Incomplete("it is empty")
    content = gzip.GzipFile(fileobj=buffered) if head.startswith(GZIP) else buffered
    try:
        while piece := content.read(BYTES_CHUNK):
            yield piece
    except EOFError as error:
        raise Incomplete("its gzip stream ends early (truncated)") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise RunError(f"its gzip data is damaged ({error})") from error


def with_digests_of(data_set: DataSet, folder: Path) -> DataSet:
    """Return the data set with the digests of the files in this folder where it names none.

    So what is there counts by its content, as if the specification had named it.

    Raises:
        UserError: a file is not there, cannot be read, or is not IDX as it is expected.
    """
    files = {
        role: file.model_copy(update={"sha256": _digest_in(folder, file)}) if file.sha256 == UNKNOWN else file
        for role, file in data_set.files.items()
    }
    return data_set.model_copy(update={"files": files, "proven": False})


def _digest_in(folder: Path, file: DataFile) -> str:
    try:
        with file_in(folder, file).open("rb") as stream:
            return read(stream, file, lambda *_: None)
    except FileNotFoundError as error:
        message = f"--dataset names no SHA-256 for {file.name}, and {folder} has no such file; give its --source"
        raise UserError(message) from error
    except (OSError, RunError) as error:
        reason = getattr(error, "strerror", None) or error
        message = (
            f"--dataset: {file.name} in {folder}: {reason}; --source must be a folder with the four complete files"
        )
        raise UserError(message) from error
