"""The runs' records: `data/runs/<run>.json` says of each node what was kept or made, why, and how long it took.

While a run lasts, its record is in a workspace, locked by the kernel until the run's process is gone. So a run that was
killed is known for certain: its record is in a workspace that nobody holds.
"""

import contextlib
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

from tasks.artifacts.artifact import Artifact
from tasks.artifacts.store import RUNS
from tasks.artifacts.workspace import PREFIX, abandoned, in_use, workspace

DIED = ".died"  # in the name of a killed run's record until a server was told
SHAPE = {"state": str, "began": str, "pid": int, "host": str, "command": str, "nodes": dict}


class Record:
    """What a run did; written whole at every change."""

    def __init__(self, path: Path, content: dict[str, Any], final: Path | None = None) -> None:
        self.path = path
        self.final = final or path  # where it goes when the run has ended
        self.content = content
        self.changing = threading.Lock()

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.final.stem

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
        with self.changing:
            self.content |= {"state": state, "message": message, "ended": _now(), **known}
            self._write()

    def put(self) -> None:
        """Move the file to where it is to stay; what else is recorded goes there."""
        with self.changing:
            self.path = self.path.replace(self.final)

    def told(self) -> None:
        """Record that a server knows how the run ended, or cannot be told."""
        self.final = self.path.with_name(self.path.name.replace(DIED, ""))
        with contextlib.suppress(FileNotFoundError):  # another has done so in the same moment
            self.put()

    def _write(self) -> None:
        """Replace the file; on a full disk the run goes on without its record, and the node says what is wrong."""
        part = self.path.with_suffix(".part")
        try:
            part.write_text(json.dumps(self.content, indent=1))
            part.replace(self.path)
        except OSError as error:
            logging.getLogger(__name__).warning("the run's record cannot be written: %s", error)
            part.unlink(missing_ok=True)


current: list[Record] = []  # of the run in this process, for who has to end it in a hurry


@contextlib.contextmanager
def recorded(data_dir: Path, **known: Any) -> Iterator[Record]:
    """Have a record while a run lasts; put it beside the others at the end.

    A run that did nothing leaves none where one of the same result is: that becomes the newest. So a run every few
    minutes, for a year, does not fill the folder.
    """
    path = data_dir / RUNS / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}.json"
    with in_use(path.parent), workspace(path, f"the run {path.stem}") as desk:
        content = {"state": "running", "began": _now(), "pid": os.getpid(), "host": socket.gethostname()}
        record = Record(desk.folder / path.name, {**content, **known, "nodes": {}}, path)
        record.end("running")
        current.append(record)
        try:
            yield record
        except Exception as error:
            record.end("failed", f"{type(error).__name__}: {error}")
            raise
        finally:
            current.remove(record)
            with contextlib.suppress(FileNotFoundError):  # the disk was full from the beginning
                before = _like(data_dir, record) if record.did_nothing else None
                if before:
                    _make_newest(data_dir, before.path)
                else:
                    _make_newest(data_dir, record.path)
                    record.put()


def _like(data_dir: Path, record: Record) -> Record | None:
    alike = (other for other in records(data_dir) if other.keys == record.keys)
    return next((other for other in alike if other.content["state"] == "completed"), None)


def _make_newest(data_dir: Path, record: Path) -> None:
    """Date a record after all others, though the clock was put back since."""
    latest = max(map(last_asked, (data_dir / RUNS).glob("[!.]*.json")), default=0.0)
    now = max(time.time(), latest + 0.001)
    try:
        os.utime(record, (now, now))
    except PermissionError:  # another user's, which may be dated, but not at will
        os.utime(record)


def end_in_a_hurry(state: str) -> None:
    """Put the record of this process's run beside the others, while the run may still be at it."""
    for record in current.copy():
        record.end(state)
        record.put()


def settle_the_dead(data_dir: Path) -> list[Record]:
    """Put the records of runs that were killed beside the others; return those whose end no server has been told."""
    for folder in abandoned(data_dir / RUNS):
        path = folder / folder.name.removeprefix(PREFIX)
        content = _read(path)
        if content:
            untold = content["state"] == "running" and content["flow_run"]
            final = folder.with_name(f"{path.stem}{DIED if untold else ''}.json")
            record = Record(path, content, final)
            if content["state"] == "running":  # else it was killed while its record was put away
                record.end("died")
            record.put()
    found = ((path, _read(path)) for path in sorted((data_dir / RUNS).glob(f"[!.]*{DIED}.json")))
    return [Record(path, content) for path, content in found if content]


def records(data_dir: Path) -> Iterator[Record]:
    """Give the records of the runs that ended, the last one to end or to be asked for again first."""
    dated = ((last_asked(path), path.name, path) for path in (data_dir / RUNS).glob("[!.]*.json"))
    for *_, path in sorted(dated, reverse=True):
        content = _read(path)
        if content:
            yield Record(path, content)


def last_asked(record: Path) -> float:
    """Return when a record's run ended, or was last asked for again, in seconds since 1970."""
    try:
        return record.stat().st_mtime
    except FileNotFoundError:  # it has just been put elsewhere
        return 0.0


def last_like(data_dir: Path, command: str) -> Record | None:
    """Return the record of the last run that completed with the same recipe."""
    alike = (record for record in records(data_dir) if record.content["command"] == command)
    return next((record for record in alike if record.content["state"] == "completed"), None)


def asked_again(data_dir: Path, found: dict[str, Artifact], **known: str) -> None:
    """Record that everything a run needs was kept: these artifacts, of which the last says which network to keep."""
    with recorded(data_dir, **known, flow_run=None) as record:
        for label, artifact in found.items():
            record.node(label, artifact.key, True, artifact.manifest["made"])
        *_, page = found.values()
        record.end("completed", keep=page.facts["keep"])


def _read(path: Path) -> dict[str, Any] | None:
    """Return a record's content, or nothing if it is damaged: then it says nothing of any run."""
    try:
        content = json.loads(path.read_bytes())
        known = all(isinstance(content[name], kind) for name, kind in SHAPE.items()) and "flow_run" in content
        return content if known and all(node["key"] + node["how"] for node in content["nodes"].values()) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
