"""Locks and staging folders: one lock file for each thing that is made, and a folder beside it while it is being made.

The lock is the kernel's (flock) and goes with the last process that holds it, however that ends. So nobody waits for a
maker that is gone, and what a kill leaves behind can be told from what is in use. A lock file is never removed.
"""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LOCKS = ".locks"
PREFIX = ".staging-"
REMOVED = ".removed-"  # what is called so is on its way out, whoever meets it


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
    """
    path = target.parent / LOCKS / target.name
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not _acquired(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
            waiting(_holder(descriptor))
        if not shared:
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
        if folder.exists():
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
    """Remove each staging folder in that folder that no living process holds, after `recover` has had it."""
    for folder in parent.glob(f"{REMOVED}*"):
        remove(folder)
    for folder in parent.glob(f"{PREFIX}*"):
        target = folder.with_name(folder.name.removeprefix(PREFIX))
        with contextlib.suppress(Locked, OSError), lock(target, "room", no_wait):
            recover(folder, target)
            remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder, never what a link in its place points to; what cannot be removed is left to the next run."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def discard(folder: Path) -> None:
    """Remove what has been made there, at once for whoever looks for it.

    Raises:
        Locked: another process is making or removing it.
    """
    with lock(folder, "room", no_wait):
        remove(out_of_the_way(folder))


def out_of_the_way(folder: Path) -> Path:
    """Rename what is to be removed, so that nobody finds half of it; return where it is."""
    return folder.rename(folder.with_name(f"{REMOVED}{os.urandom(4).hex()}"))


def fsync(path: Path) -> None:
    """Have the system write a file's content, or a folder's names, to the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
        return f"pid {holder['pid']} on {where}, which makes {holder['purpose']}"
    except (ValueError, KeyError, TypeError):  # it has just begun
        return "another run"
