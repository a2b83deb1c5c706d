"""Locks and staging folders: one lock file for each thing that is made, and a folder beside it while it is being made.

The lock is the kernel's (flock) and goes with the last process that holds it, however that ends. So nobody waits for a
maker that is gone, and what a kill leaves behind is never mistaken for what is in use. A lock file is never removed,
except a run record's (`tasks/pipeline/run_records.py`).
"""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

LOCKS = ".locks"
PREFIX = ".staging-"

pause = partial(time.sleep, 0.1)  # before looking again whether a lock is free


@contextlib.contextmanager
def lock(target: Path, waiting: Callable[[], None] | None = pause, *, shared: bool = False) -> Iterator[int]:
    """Hold the lock of what is at `target`, together with others or alone; yield its descriptor.

    Whoever is handed the descriptor holds the lock too. While another holds it, `waiting` is called again and again.

    Raises:
        BlockingIOError: another process holds it, and `waiting` is `None`.
    """
    path = lock_of(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_NB | (fcntl.LOCK_SH if shared else fcntl.LOCK_EX))
                break
            except BlockingIOError:
                if not waiting:
                    raise
                waiting()
        yield file.fileno()


@contextlib.contextmanager
def staging(target: Path, waiting: Callable[[], None] = pause) -> Iterator[tuple[Path, int]]:
    """Have an empty folder beside `target` and its lock; leave nothing of the folder."""
    folder = target.with_name(f"{PREFIX}{target.name}")
    with lock(target, waiting) as descriptor:
        remove(folder)  # what a kill has left
        folder.mkdir()
        try:
            yield folder, descriptor
        finally:
            remove(folder)


def replace_file(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all, in place of what is there; the caller sees to it that nobody else does."""
    part = target.with_name(f"{PREFIX}{target.name}")
    try:
        part.write_bytes(content)
        fsync(part)
        part.rename(target)
    except OSError:  # a full disk, say
        remove(part)
        raise
    fsync(target.parent)


def write_whole(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all, in place of what is there; one process at a time."""
    with lock(target):
        replace_file(target, content)


def clean_up(parent: Path) -> None:
    """Remove what killed makers have left in that folder.

    What was never locked there is somebody else's, whatever it is called.
    """
    for left in parent.glob(f"{PREFIX}?*"):
        target = left.with_name(left.name.removeprefix(PREFIX))
        if lock_of(target).is_file():
            with contextlib.suppress(OSError), lock(target, None):
                remove(left)


def remove(path: Path) -> None:
    """Remove a file or a folder, never what a link leads to; what cannot be removed is left to the next run."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def discard(folder: Path) -> None:
    """Remove what has been made there, at once for whoever looks for it.

    Raises:
        BlockingIOError: another process is making or removing it.
    """
    with lock(folder, None):
        staged = folder.with_name(f"{PREFIX}{folder.name}")
        remove(staged)
        folder.rename(staged)
        remove(staged)


def fsync(path: Path) -> None:
    """Have the system write a file's content, or a folder's names, to the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_of(target: Path) -> Path:
    """Return the file that is locked while somebody is at it."""
    return target.parent / LOCKS / target.name
