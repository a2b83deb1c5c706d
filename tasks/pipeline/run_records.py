"""The runs' records: `data/runs/<run>.json` says of each node what was kept or made, why, and how long it took.

While a run lasts, the kernel's lock on its record is held by the run's process. So a run that was killed is known for
certain: its record says that it is running, and nobody holds the lock.
"""

import contextlib
import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.pipeline.artifact import Artifact
from tasks.pipeline.reading import NotRegular, open_regular, read_json
from tasks.pipeline.staging import lock, remove
from tasks.pipeline.store import RUNS

NAMED = "*T*-*"  # how a record's file is called, but for its end: by when its run began, and the process
PART = ".part"  # the end of the name of what is being written
LONGEST = 1e9  # seconds: more would be no time that a node can have taken
SHAPE = {"state": str, "began": str, "pid": int, "host": str, "command": str, "nodes": dict}
MAY_HAVE = {"recipe": str, "message": str, "keep": str, "server": str | None, "flow_run": str | None}


class Record:
    """What a run did; written whole at every change."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self.path = path
        self.content = content
        self.changing = threading.Lock()
        self.held: int | None = None  # the descriptor of the locked file

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.path.stem

    @property
    def keys(self) -> dict[str, str]:
        """The key of each node's artifact."""
        return {label: node["key"] for label, node in self.content["nodes"].items()}

    @property
    def did_nothing(self) -> bool:
        """Whether everything was there already."""
        hows = {node["how"] for node in self.content["nodes"].values()}
        return self.content["state"] == "completed" and hows == {"kept"}

    @property
    def is_unreported(self) -> bool:
        """Whether the run was killed, and a server does not know it yet."""
        return bool(self.content["state"] == "died" and self.content["flow_run"] and not self.content.get("reported"))

    def node(self, label: str, key: str, kept: bool, made: dict[str, Any]) -> None:
        """Record which artifact a node has ended with, kept or made, and how that was made."""
        kept_as = {"key": key, "how": "kept", "why": "verified", "seconds": 0.0}
        made_as = {"key": key, "how": "made", "why": made["why"], "seconds": made["seconds"]}
        with self.changing:
            self.content["nodes"][label] = kept_as if kept else made_as
            self._write()

    def end(self, state: str, message: str = "", **known: str) -> None:
        """Record how the run ended, and what else is known of it."""
        with self.changing:
            self.content |= {"state": state, "message": message, "ended": _now(), **known}
            self._write()

    def reported(self) -> None:
        """Record that a server knows how the run ended, or cannot be told."""
        with self.changing:
            self.content["reported"] = True
            self._write()

    def close(self) -> None:
        """Let go of the lock."""
        if self.held is not None:
            os.close(self.held)
            self.held = None

    def _write(self) -> None:
        """Replace the file by one that is locked already; on a full disk the run goes on without its record."""
        part = self.path.with_suffix(PART)
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                with open(descriptor, "w", closefd=False) as file:
                    json.dump(self.content, file, indent=1)
                part.replace(self.path)
            except OSError:
                os.close(descriptor)
                raise
        except OSError as error:
            logging.getLogger(__name__).warning("the run's record cannot be written: %s", error)
            remove(part)
        else:
            self.close()
            self.held = descriptor


current: list[Record] = []  # of the run in this process, for who has to end it in a hurry


@contextlib.contextmanager
def recorded(data_dir: Path, **known: Any) -> Iterator[Record]:
    """Have a record while a run lasts.

    A run that did nothing leaves none where one of the same result is: that becomes the newest. So a run every few
    minutes, for a year, does not fill the folder.
    """
    path = data_dir / RUNS / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}.json"
    with lock(path.parent, "a run", shared=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"state": "running", "began": _now(), "pid": os.getpid(), "host": socket.gethostname()}
        record = Record(path, {**content, **known, "nodes": {}})
        record.end("running")
        current.append(record)
        try:
            yield record
        except Exception as error:
            record.end("failed", f"{type(error).__name__}: {error}")
            raise
        finally:
            current.remove(record)
            before = _like(data_dir, record) if record.did_nothing else None
            with contextlib.suppress(FileNotFoundError):  # the disk was full from the beginning
                if before:
                    path.unlink()
                _make_newest(data_dir, before.path if before else path)
            record.close()


def _like(data_dir: Path, record: Record) -> Record | None:
    alike = (other for other in records(data_dir) if other.keys == record.keys and other.path != record.path)
    return next((other for other in alike if other.content["state"] == "completed"), None)


def _make_newest(data_dir: Path, record: Path) -> None:
    """Date a record after all others, though the clock was put back since."""
    latest = max((last_asked(path) for path in (data_dir / RUNS).glob("*.json") if path != record), default=0.0)
    try:
        os.utime(record, None if latest < time.time() else (latest + 0.001,) * 2)
    except PermissionError:  # another user's, which may be dated, but not at will
        os.utime(record)


def finalize_now(state: str) -> None:
    """Record how this process's run ends, while it may still be at it."""
    for record in current.copy():
        record.end(state)


def recover_crashed_runs(data_dir: Path) -> list[Record]:
    """Record of each run that was killed that it died; return those whose end no server knows."""
    for part in (data_dir / RUNS).glob(f"{NAMED}{PART}"):
        if not part.with_suffix(".json").exists() and not _is_locked(part):
            remove(part)  # of a run that had not begun
    for record in _all_records(data_dir):
        # It is read again after the look at its lock: the run may have come to its end in between.
        running = record.content["state"] == "running" and not _is_locked(record.path)
        if running and (_read(record.path) or {}).get("state") == "running":
            remove(record.path.with_suffix(PART))
            record.end("died")
            record.close()
    return [record for record in _all_records(data_dir) if record.is_unreported]


def is_running(data_dir: Path) -> bool:
    """Tell whether a run is under way."""
    return any(map(_is_locked, (data_dir / RUNS).glob(f"{NAMED}.json")))


def _is_locked(path: Path) -> bool:
    """Tell whether a process holds the file's lock; of a file that is just being replaced, its successor's."""
    with contextlib.suppress(FileNotFoundError, NotRegular):
        while True:
            with open_regular(path) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
                if os.path.samestat(os.fstat(file.fileno()), path.lstat()):
                    return False
    return False


def records(data_dir: Path) -> Iterator[Record]:
    """Give the records of the runs that ended, the last one to end or to be asked for again first."""
    return (record for record in _all_records(data_dir) if record.content["state"] != "running")


def _all_records(data_dir: Path) -> Iterator[Record]:
    dated = ((last_asked(path), path.name, path) for path in (data_dir / RUNS).glob(f"{NAMED}.json"))
    for *_, path in sorted(dated, reverse=True):
        content = _read(path)
        if content:
            yield Record(path, content)


def last_asked(record: Path) -> float:
    """Return when a record's run ended, or was last asked for again, in seconds since 1970."""
    try:
        return record.lstat().st_mtime
    except FileNotFoundError:  # it has just been removed
        return 0.0


def last_completed(data_dir: Path, command: str) -> Record | None:
    """Return the record of the last run that completed with the same recipe."""
    alike = (record for record in records(data_dir) if record.content["command"] == command)
    return next((record for record in alike if record.content["state"] == "completed"), None)


def requested_again(data_dir: Path, found: dict[str, Artifact], **known: str) -> None:
    """Record that everything a run needs was kept: these artifacts, of which the last says which network to keep."""
    with recorded(data_dir, **known, flow_run=None) as record:
        for label, artifact in found.items():
            record.node(label, artifact.key, True, artifact.manifest["made"])
        *_, page = found.values()
        record.end("completed", keep=page.summary["winner"])


def _read(path: Path) -> dict[str, Any] | None:
    """Return a record's content, or nothing if it is damaged: then it says nothing of any run."""
    try:
        content = read_json(path)
        known = all(isinstance(content[name], kind) for name, kind in SHAPE.items()) and "flow_run" in content
        known = known and all(isinstance(content[name], kind) for name, kind in MAY_HAVE.items() if name in content)
        datetime.fromisoformat(content["began"]).timestamp()
        return content if known and all(map(_is_node, content["nodes"].values())) else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _is_node(node: dict[str, Any]) -> bool:
    told = all(isinstance(node[name], str) for name in ("key", "how", "why"))
    return told and isinstance(node["seconds"], int | float) and 0 <= node["seconds"] < LONGEST


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
