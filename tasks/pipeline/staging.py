"""Locks and staging folders: one lock file for each thing that is made, and a folder beside it while it is being made.

The lock is the kernel's (flock) and goes with the last process that holds it, however that ends. So nobody waits for a
maker that is gone, and what a kill leaves behind can be told from what is in use. A lock file is never removed.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tasks.pipeline.reading import printable

LOCKS = ".locks"
PREFIX = ".staging-"
REMOVED, SUFFIX = ".removed-", len("-01234567")  # what is called so is on its way out
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


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
    path = _lock_of(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.is_symlink():
        raise OSError(errno.ELOOP, "A link where locks are to be; remove it", str(path.parent))
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


def write_whole(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all, in place of what is there."""
    with staging(target, target.name) as (folder, _):
        (folder / target.name).write_bytes(content)
        (folder / target.name).replace(target)


def clean_up(parent: Path, recover: Callable[[Path, Path], None] = lambda *_: None) -> None:
    """Remove what makers and removers have left in that folder, if no living process is at it.

    A staging folder is first given to `recover`. What was never locked there is somebody else's, whatever it is called.
    """
    for folder in [*parent.glob(f"{PREFIX}*"), *parent.glob(f"{REMOVED}*")]:
        staged = folder.name.startswith(PREFIX)
        name = folder.name.removeprefix(PREFIX) if staged else folder.name.removeprefix(REMOVED)[:-SUFFIX]
        if name and _lock_of(parent / name).is_file():
            with contextlib.suppress(Locked, OSError), lock(parent / name, "room", no_wait):
                if staged:
                    recover(folder, parent / name)
                remove(folder)


def remove(path: Path) -> None:
    """Remove whatever is there, never what a link leads to; what cannot be removed is left to the next run."""
    with contextlib.suppress(OSError):
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return
        descriptor = os.open(path, FOLDER)
        try:
            while _empty(descriptor):
                pass
        finally:
            os.close(descriptor)
        path.rmdir()


def _empty(folder: int) -> bool:
    """Remove what is in a folder, but lift into it the folders that are two levels down; tell whether there were any.

    So it may be of any depth: shutil.rmtree calls itself for each level, up to Python 3.12, and keeps each level open.
    """
    lifted = False
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        with contextlib.suppress(OSError):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=folder)
                continue
            below = os.open(entry.name, FOLDER, dir_fd=folder)
            try:
                with os.scandir(below) as deeper:
                    for each in list(deeper):
                        if each.is_dir(follow_symlinks=False):
                            os.rename(each.name, os.urandom(8).hex(), src_dir_fd=below, dst_dir_fd=folder)
                            lifted = True
                        else:
                            os.unlink(each.name, dir_fd=below)
            finally:
                os.close(below)
            os.rmdir(entry.name, dir_fd=folder)
    return lifted


def discard(folder: Path) -> None:
    """Remove what has been made there, at once for whoever looks for it.

    Raises:
        Locked: another process is making or removing it.
    """
    with lock(folder, "room", no_wait):
        remove(out_of_the_way(folder))


def out_of_the_way(folder: Path) -> Path:
    """Rename what is to be removed, so that nobody finds half of it; return where it is."""
    return folder.rename(folder.with_name(f"{REMOVED}{folder.name}-{os.urandom(4).hex()}"))


def fsync(path: Path) -> None:
    """Have the system write a file's content, or a folder's names, to the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock_of(target: Path) -> Path:
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
        return printable(f"pid {holder['pid']} on {where}, which makes {holder['purpose']}")
    except (OSError, ValueError, KeyError, TypeError):  # it has just begun
        return "another run"
