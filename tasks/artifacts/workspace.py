"""Workspaces: a temporary folder beside what it is for, locked for as long as its maker lives.

The lock is the kernel's (flock) and goes with the last process that holds it, however that ends. So nobody waits for a
maker that is gone, and what a kill leaves behind can be told from what is at work.
"""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = ".unfinished-"
LOCK = "lock"
REPLACED = "replaced"  # where what stood is, until the new one does

_mine: set[Path] = set()


@dataclass(frozen=True)
class Workspace:
    """A temporary folder that this process holds."""

    folder: Path
    lock: int  # the descriptor to keep open in a child that works here


def pause(holder: str) -> None:  # noqa: ARG001 (whoever it is)
    """Wait a moment before looking again."""
    time.sleep(0.1)


@contextlib.contextmanager
def workspace(beside: Path, purpose: str, waiting: Callable[[str], None] = pause) -> Iterator[Workspace]:
    """Have the workspace of what is to be made there, and leave nothing of it.

    While another holds it, `waiting` is called again and again with who that is; it pauses, or raises to give up.
    """
    folder = beside.with_name(f"{PREFIX}{beside.name}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder, waiting)
    _mine.add(folder)
    try:
        told = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "purpose": purpose}).encode()
        os.ftruncate(lock, 0)
        os.pwrite(lock, told, 0)
        yield Workspace(folder, lock)
    finally:
        _mine.discard(folder)
        if _is_at(lock, folder / LOCK):  # else it was abandoned, and may be another's by now
            _remove(folder)
        os.close(lock)


def abandoned(parent: Path) -> Iterator[Path]:
    """Give each workspace in that folder that no living process holds, and remove it after its turn."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # killed before it had its lock, or after it had given it up
            folder.rmdir()
        if not (folder / LOCK).is_file():
            continue
        try:
            lock = _lock(folder, give_up)
        except (Held, OSError):  # at work, or not ours to lock
            continue
        try:
            yield folder
            _remove(folder)
        finally:
            os.close(lock)


@contextlib.contextmanager
def in_use(folder: Path, alone: bool = False) -> Iterator[None]:
    """Hold a folder together with others while the context lasts, or alone.

    Raises:
        Held: others hold it, who wanted it alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        yield
    except BlockingIOError as error:
        raise Held(str(folder)) from error
    finally:
        os.close(descriptor)


def discard(folder: Path) -> None:
    """Remove a folder, at once for whoever looks for it, though no other can be made for lack of room.

    Raises:
        Held: another process removes it.
    """
    lock = _lock(folder, give_up)
    try:
        _remove(
            folder.rename(folder.with_name(f"{PREFIX}removed-{os.urandom(4).hex()}"))
        )  # or else the next sweep does
    finally:
        os.close(lock)


def abandon() -> None:
    """Remove what this process holds, in the middle of the work: it is about to end."""
    for folder in list(_mine):
        if (folder / REPLACED).exists():  # the next sweep puts the new one in its place
            continue
        with contextlib.suppress(OSError):  # out of the maker's way first, who might else put it in place half empty
            _remove(folder.rename(folder.with_name(f"{PREFIX}stopped-{os.urandom(4).hex()}")))


class Held(Exception):
    """Another process works there."""


def give_up(holder: str) -> None:
    """Do not wait.

    Raises:
        Held: always.
    """
    raise Held(holder)


def _lock(folder: Path, waiting: Callable[[str], None]) -> int:
    """Return a descriptor that holds the lock of a folder, which is there then."""
    while True:
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # its holder has just removed the folder
            continue
        try:
            while not _taken(lock):
                waiting(_holder(lock))
            if _is_at(lock, folder / LOCK):
                return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: int) -> str:
    try:
        told = json.loads(os.pread(lock, 1000, 0))
        where = "this host" if told["host"] == socket.gethostname() else told["host"]
        return f"pid {told['pid']} on {where}, which makes {told['purpose']}"
    except (ValueError, KeyError, TypeError):  # it has just begun
        return "another run"


def _is_at(lock: int, path: Path) -> bool:
    """Tell whether the locked file is still the one of that name: its last holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False


def _remove(folder: Path) -> None:
    """Empty a workspace that this process holds, its lock last."""
    with contextlib.suppress(OSError):  # what stays is swept later; and another may be waiting in it already
        for path in folder.iterdir():
            if path.name != LOCK:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        (folder / LOCK).unlink()
        folder.rmdir()
