"""The SHA-256 of files: each is read once by a process, and again if it may have been written to since."""

import hashlib
import time
from pathlib import Path

from tasks.pipeline.reading import open_regular

SETTLED = 2  # seconds, the coarsest clock of a file system

_known: dict[tuple[int, ...], str] = {}  # of files that this process has read, by what a write changes


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a regular file, or of that to which a link leads, read in pieces."""
    with open_regular(path, follow=True) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_unless_known(path: Path) -> str:
    """Return the SHA-256 of a file, which is not read if nothing can have been written to it since it was.

    A write sets the time of the last change, which nobody can set back. Where that time is so recent that another write
    might leave it as it is, nothing is taken as known.
    """
    status = path.stat()
    mark = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    digest = _known.get(mark) or sha256_of(path)
    if time.time() - status.st_ctime > SETTLED:
        _known[mark] = digest
    return digest
