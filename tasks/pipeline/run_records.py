"""The runs' records: `data/runs/<run>.json` says of each node what was kept or made, why, and how long it took.

While a run lasts, its process holds the record's lock. So a run that was killed is known for certain: its record says
that it is running, and nobody holds the lock.
"""

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.reading import read_json
from tasks.pipeline.staging import clean_up, lock, lock_of, replace_file
from tasks.pipeline.store import RUNS

NAMED = "[!.]*T*-*.json"  # how a record's file is called: by when its run began, and the process
FIELDS = {"state", "began", "pid", "command", "nodes"}  # of every record


@dataclass
class Record:
    """What a run did; written whole at every change."""

    path: Path
    content: dict[str, Any]

    @property
    def keys(self) -> dict[str, str]:
        """The key of each node's artifact."""
        return {label: node["key"] for label, node in self.content["nodes"].items()}

    def node(self, label: str, key: str, kept: bool, made: dict[str, Any]) -> None:
        """Record which artifact a node has ended with, kept or made, and how that was made."""
        kept_as = {"key": key, "how": "kept", "why": "verified", "seconds": 0.0}
        made_as = {"key": key, "how": "made", "why": made["why"], "seconds": made["seconds"]}
        self._write(nodes={**self.content["nodes"], label: kept_as if kept else made_as})

    def end(self, state: str, message: str = "", **known: str) -> None:
        """Record how the run ended, and what else is known of it."""
        self._write(state=state, message=message, **known)

    def _write(self, **known: Any) -> None:
        """Replace the file; on a full disk the run goes on without its record."""
        self.content |= known
        try:
            replace_file(self.path, json.dumps(self.content, indent=1).encode())
        except OSError as error:
            logging.getLogger(__name__).warning("cannot write the run's record: %s", error)


@contextlib.contextmanager
def recorded(data_dir: Path, **known: Any) -> Iterator[Record]:
    """Have a record while a run lasts.

    A run that did nothing leaves none where one of the same result is: that becomes the newest. So a run every few
    minutes, for a year, does not fill the folder. Nor does a lock file stay: nobody uses a record's name again.
    """
    path = data_dir / RUNS / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}.json"
    with lock(path.parent, shared=True), lock(path):
        began = datetime.now(UTC).isoformat(timespec="seconds")
        record = Record(path, {"state": "running", "began": began, "pid": os.getpid(), **known, "nodes": {}})
        record.end("running")
        try:
            yield record
        except Exception as error:
            expected = isinstance(error, RunError | UserError)
            record.end("failed", str(error) if expected else f"{type(error).__name__}: {error}")
            raise
        except BaseException:
            record.end("stopped")
            raise
        finally:
            with contextlib.suppress(OSError):  # the disk was full from the beginning, or a record is another user's
                _make_newest(data_dir, record)
            lock_of(path).unlink(missing_ok=True)


def _make_newest(data_dir: Path, record: Record) -> None:
    """Have a run that has ended count as the newest, by its record or, if it did nothing, by an earlier one like it."""
    newest = record.path
    if record.content["state"] == "completed" and {of["how"] for of in record.content["nodes"].values()} == {"kept"}:
        completed = (other for other in records(data_dir) if other.content["state"] == "completed")
        newest = next((other.path for other in completed if other.keys == record.keys and other.path != newest), newest)
    if newest != record.path:
        record.path.unlink()
    ahead = max((last_asked(path) for path in newest.parent.glob(NAMED) if path != newest), default=0.0)
    os.utime(newest, None if ahead < time.time() else (ahead + 0.001,) * 2)  # the clock was put back since


def recover_crashed_runs(data_dir: Path) -> None:
    """Record of each run that was killed that it died."""
    clean_up(data_dir / RUNS)
    for record in records(data_dir, running=True):
        with contextlib.suppress(OSError), lock(record.path, None):
            # It is read again: the run may have come to its end just before.
            if (_read(record.path) or {}).get("state") == "running":
                record.end("died")
            lock_of(record.path).unlink(missing_ok=True)


def records(data_dir: Path, *, running: bool = False) -> Iterator[Record]:
    """Give the records of the runs that ended, or that have not, the last to end or to be requested again first."""
    dated = ((last_asked(path), path.name, path) for path in (data_dir / RUNS).glob(NAMED))
    for *_, path in sorted(dated, reverse=True):
        content = _read(path)
        if content and (content["state"] == "running") == running:
            yield Record(path, content)


def last_asked(record: Path) -> float:
    """Return when a record's run ended, or was last requested again, in seconds since 1970."""
    try:
        return record.lstat().st_mtime
    except FileNotFoundError:  # it has just been removed
        return 0.0


def last_completed(data_dir: Path, command: str) -> Record | None:
    """Return the record of the last run that completed with the same recipe."""
    wanted = {"state": "completed", "command": command}.items()
    return next((record for record in records(data_dir) if record.content.items() >= wanted), None)


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
