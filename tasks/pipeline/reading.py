"""Reading files, and showing their names."""

import hashlib
import json
from pathlib import Path
from typing import Any


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """Return what is in a JSON file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON.
    """
    return json.loads(path.read_bytes())


def printable(text: str) -> str:
    """Return a text as one line that can be written in every encoding: each sign that breaks that is escaped."""
    plain = "\N{NO-BREAK SPACE}"
    return "".join(sign if sign.isprintable() or sign == plain else repr(sign)[1:-1] for sign in text)
