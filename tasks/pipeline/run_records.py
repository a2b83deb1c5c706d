"""The runs' records: `data/runs/<run>.json` says of each node what was kept or made, why, and how long it took.

While a run lasts, its process holds the record's lock. So a run that was killed is known for certain: its record says
that it is running, and nobody holds the lock.
"""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.pipeline.artifact import Artifact
from tasks.pipeline.reading import read_json
from tasks.pipeline.staging import Locked, clean_up, lock, lock_of, no_wait, replace_file
from tasks.pipeline.store import RUNS

NAMED = "[!.]*T*-*.json"  # how a record's file is called: by when its run began, and the process
FIELDS = {"state", "began", "pid", "command", "nodes"}  # of every record


class Record:
    """What a run did; written whole at every change."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self.path = path
        self.content = content
        self.changing = threading.Lock()

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

    def node(self, label: str, key: str, kept: bool, made: dict[str, Any]) -> None:
        """Record which artifact a node has ended with, kept or made, and how that was made."""
        kept_as = {"key": key, "how": "kept", "why": "verified", "seconds": 0.0}
        made_as = {"key": key, "how": "made", "why": made["why"], "seconds": made["seconds"]}
        with self.changing:
            self.content["nodes"][label] = kept_as if kept else made_as
            self._write()

    def end(self, state: str, message: str = "", **known: str) -> None:
        """Record how the run ended, and what else is known of it."""
        self.update(state=state, message=message, **known)

    def update(self, **known: Any) -> None:
        """Record what is known."""
        with self.changing:
            self.content |= known
            self._write()

    def _write(self) -> None:
        """Replace the file; on a full disk the run goes on without its record."""
        try:
            replace_file(self.path, json.dumps(self.content, indent=1).encode())
        except OSError as error:
            logging.getLogger(__name__).warning("cannot write the run's record: %s", error)


current: list[Record] = []  # of the run in this process, for who has to end it in a hurry


@contextlib.contextmanager
def recorded(data_dir: Path, **known: Any) -> Iterator[Record]:
    """Have a record while a run lasts.

    A run that did nothing leaves none where one of the same result is: that becomes the newest. So a run every few
    minutes, for a year, does not fill the folder.
    """
    path = data_dir / RUNS / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}.json"
    with lock(path.parent, shared=True), _locked(path):
        content = {"state": "running", "began": datetime.now(UTC).isoformat(timespec="seconds"), "pid": os.getpid()}
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
            alike = (other for other in _completed(data_dir) if other.keys == record.keys and other.path != path)
            before = next(alike, None) if record.did_nothing else None
            with contextlib.suppress(OSError):  # the disk was full from the beginning, or that record is another user's
                if before:
                    path.unlink()
                newest = before.path if before else path
                others = [last_asked(other) for other in path.parent.glob(NAMED) if other != newest]
                ahead = max(others, default=0.0)  # of now, if the clock was put back since
                os.utime(newest, None if ahead < time.time() else (ahead + 0.001,) * 2)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a record's lock, whose file goes with it: nobody uses its name again.

    Raises:
        Locked: its run holds it.
    """
    with lock(path, no_wait):
        try:
            yield
        finally:
            lock_of(path).unlink(missing_ok=True)


def finalize_now(state: str) -> None:
    """Record how this process's run ends, while it may still be at it."""
    for record in current.copy():
        record.end(state)


def recover_crashed_runs(data_dir: Path) -> None:
    """Record of each run that was killed that it died."""
    clean_up(data_dir / RUNS)
    for record in _running(data_dir):
        with contextlib.suppress(Locked, OSError), _locked(record.path):
            # It is read again: the run may have come to its end just before.
            if (_read(record.path) or {}).get("state") == "running":
                record.end("died")


def is_running(data_dir: Path) -> bool:
    """Tell whether a run is under way, or was killed and is not known to have died."""
    return any(_running(data_dir))


def _running(data_dir: Path) -> Iterator[Record]:
    return (record for record in _all_records(data_dir) if record.content["state"] == "running")


def records(data_dir: Path) -> Iterator[Record]:
    """Give the records of the runs that ended, the last one to end or to be requested again first."""
    return (record for record in _all_records(data_dir) if record.content["state"] != "running")


def _all_records(data_dir: Path) -> Iterator[Record]:
    dated = ((last_asked(path), path.name, path) for path in (data_dir / RUNS).glob(NAMED))
    for *_, path in sorted(dated, reverse=True):
        content = _read(path)
        if content:
            yield Record(path, content)


def last_asked(record: Path) -> float:
    """Return when a record's run ended, or was last requested again, in seconds since 1970."""
    try:
        return record.lstat().st_mtime
    except FileNotFoundError:  # it has just been removed
        return 0.0


def last_completed(data_dir: Path, command: str) -> Record | None:
    """Return the record of the last run that completed with the same recipe."""
    return next((record for record in _completed(data_dir) if record.content["command"] == command), None)


def _completed(data_dir: Path) -> Iterator[Record]:
    return (record for record in records(data_dir) if record.content["state"] == "completed")


def requested_again(data_dir: Path, found: dict[str, Artifact], **known: str) -> None:
    """Record that everything a run needs was kept: these artifacts, of which the last says which network to keep."""
    with recorded(data_dir, **known) as record:
        for label, artifact in found.items():
            record.node(label, artifact.key, True, artifact.manifest["made"])
        *_, page = found.values()
        record.end("completed", keep=page.summary["winner"])


def _read(path: Path) -> dict[str, Any] | None:
    """Return a record's content, or nothing if it is damaged: then it says nothing of any run."""
    try:
        content = read_json(path)
        return content if content.keys() >= FIELDS else None
    except (OSError, ValueError, AttributeError):
        return None
