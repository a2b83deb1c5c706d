"""Locks and staging folders: one lock file for each thing that is made, and a folder beside it while it is being made.

The lock is the kernel's (flock) and goes with the last process that holds it, however that ends. So nobody waits for a
maker that is gone, and what a kill leaves behind is never mistaken for what is in use. A lock file is never removed.
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tasks.pipeline.reading import printable

LOCKS = ".locks"
PREFIX = ".staging-"


class Locked(Exception):
    """Another process holds it."""


def pause(holder: str) -> None:  # noqa: ARG001 (whoever it is)
    """Wait a moment before looking again."""
    time.sleep(0.1)


def no_wait(holder: str) -> None:
    """Do not wait.

    Raises:
        Locked: always.
    """
    raise Locked(holder)


@contextlib.contextmanager
def lock(target: Path, purpose: str, waiting: Callable[[str], None] = pause, *, shared: bool = False) -> Iterator[int]:
    """Hold the lock of what is at `target`, together with others or alone; yield its descriptor.

    Whoever is handed the descriptor holds the lock too. While another holds it, `waiting` is called again and again
    with who that is; it pauses, or raises to give up.

    Raises:
        OSError: the lock cannot be had; it is a link, say, and what that leads to is not written to.
    """
    path = lock_of(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.is_symlink():
        raise OSError(errno.ELOOP, "Locks cannot be kept behind a link; remove it", str(path.parent))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        while not _acquired(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
            waiting(_holder(descriptor))
        status = os.fstat(descriptor)
        if not shared and stat.S_ISREG(status.st_mode) and status.st_nlink == 1:  # else it may be somebody's file
            with contextlib.suppress(OSError):  # a full disk: then nobody learns who holds it
                holder = {"pid": os.getpid(), "host": socket.gethostname(), "purpose": purpose}
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def staging(
    target: Path,
    purpose: str,
    waiting: Callable[[str], None] = pause,
    recover: Callable[[Path, Path], None] = lambda *_: None,
) -> Iterator[tuple[Path, int]]:
    """Have an empty folder beside `target` and its lock; leave nothing of the folder.

    What a killed maker has left there is first given to `recover`, with the target.
    """
    folder = target.with_name(f"{PREFIX}{target.name}")
    with lock(target, purpose, waiting) as descriptor:
        if os.path.lexists(folder):
            recover(folder, target)
            remove(folder)
        folder.mkdir()
        try:
            yield folder, descriptor
        finally:
            remove(folder)


def replace_file(target: Path, content: bytes, part: Path | None = None) -> None:
    """Write a file, whole or not at all, in place of what is there; the caller sees to it that nobody else does."""
    part = part or target.with_name(f"{PREFIX}{target.name}")
    remove(part)  # what a kill has left, or a link, which is not to be written through
    try:
        with part.open("xb") as file:
            file.write(content)
        fsync(part)
        part.rename(target)
    except OSError:  # a full disk, say
        remove(part)
        raise
    fsync(target.parent)


def write_whole(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all, in place of what is there; one process at a time."""
    with lock(target, target.name):
        replace_file(target, content)


def clean_up(parent: Path, recover: Callable[[Path, Path], None] = lambda *_: None) -> None:
    """Remove what killed makers have left in that folder, first given to `recover` with what it was to become.

    What was never locked there is somebody else's, whatever it is called.
    """
    for left in parent.glob(f"{PREFIX}?*"):
        target = left.with_name(left.name.removeprefix(PREFIX))
        if lock_of(target).is_file():
            with contextlib.suppress(Locked, OSError), lock(target, "room", no_wait):
                recover(left, target)
                remove(left)


def remove(path: Path) -> None:
    """Remove whatever is there, never what a link leads to; what cannot be removed is left to the next run."""
    with contextlib.suppress(OSError):
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return
        try:
            shutil.rmtree(path)
        except (OSError, RecursionError):  # folders in folders, too deep for Python up to 3.12
            subprocess.run(["rm", "-rf", "--", path], check=False, capture_output=True)  # noqa: S607 (the system's own)


def discard(folder: Path) -> None:
    """Remove what has been made there, at once for whoever looks for it.

    Raises:
        Locked: another process is making or removing it.
    """
    with lock(folder, "room", no_wait):
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


def _acquired(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 1000, 0))
        where = "this host" if holder["host"] == socket.gethostname() else holder["host"]
        return printable(f"pid {holder['pid']} on {where}, which is building {holder['purpose']}")
    except (OSError, ValueError, KeyError, TypeError):  # it has just begun
        return "another run"
