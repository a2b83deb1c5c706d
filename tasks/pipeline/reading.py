"""The one door through which what lies in `data/` is read, whoever has put it there: regular files of a size that fits.

What is something else is refused at once: nobody waits for a pipe, or runs out of memory. A name is shown so that it
cannot be taken for more than a name.
"""

import errno
import hashlib
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

DESCRIPTION = 1 << 26  # bytes: of what describes something, such as a manifest, a run's record, a page's numbers


def open_regular(path: Path, *, follow: bool = False) -> BufferedReader:
    """Open a file for reading, where it is a regular one; a link only where it is to be followed.

    Raises:
        OSError: it is something else, or cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            raise
    raise OSError(errno.EINVAL, "Not a regular file", str(path))


def read(path: Path, limit: int = DESCRIPTION, *, follow: bool = False) -> bytes:
    """Return what is in a file; a link is read only where it is to be followed.

    Raises:
        OSError: it is no regular file, larger than what belongs there, or cannot be read.
    """
    with open_regular(path, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise OSError(errno.EFBIG, f"Larger than {limit:,} bytes", str(path))
        return file.read(size)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a regular file, or of that to which a link leads, read in pieces."""
    with open_regular(path, follow=True) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """Return what is in a JSON file of `data/`.

    Raises:
        OSError: as `read`.
        ValueError: it is not JSON.
        RecursionError: it is too deep.
    """
    return json.loads(read(path))


def printable(text: str) -> str:
    """Return a text as one line that can be written in every encoding: each sign that breaks that is escaped."""
    plain = "\N{NO-BREAK SPACE}"
    return "".join(sign if sign.isprintable() or sign == plain else repr(sign)[1:-1] for sign in text)
