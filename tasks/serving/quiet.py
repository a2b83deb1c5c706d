"""Quiet: what libraries write to the terminal on their own account, such as that there is no graphics card."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def quiet() -> Iterator[TextIO]:
    """Let nothing reach standard error, from C++ neither; give a stream that still does."""
    sys.stderr.flush()
    with os.fdopen(os.dup(2), "w", errors="replace") as kept:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 2)
        os.close(nothing)
        try:
            yield kept
        finally:
            sys.stderr.flush()
            kept.flush()
            os.dup2(kept.fileno(), 2)
