"""The runs' records: `data/runs/<run>.json` says of each node what was kept or made, why, and how long it took.

While a run lasts, its record is in a workspace, locked by the kernel until the run's process is gone. So a run that was
killed is known for certain: its record is in a workspace that nobody holds.
"""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.artifacts.store import RUNS, Artifact
from tasks.artifacts.workspace import PREFIX, abandoned, workspace

DIED = "died"  # the state of a run that was killed


class Record:
    """What a run did; written whole at every change."""

    def __init__(self, path: Path, content: dict[str, Any], final: Path | None = None) -> None:
        self.path = path
        self.final = final or path  # where it goes when the run has ended
        self.content = content
        self.changing = threading.Lock()

    def node(self, label: str, key: str, kept: bool, made: dict[str, Any]) -> None:
        """Record which artifact a node has ended with, kept or made, and how that was made."""
        kept_as = {"key": key, "how": "kept", "why": "verified", "seconds": 0.0}
        made_as = {"key": key, "how": "made", "why": made["why"], "seconds": made["seconds"]}
        with self.changing:
            self.content["nodes"][label] = kept_as if kept else made_as
            self.write()

    def write(self) -> None:
        """Replace the file."""
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=1))
        part.replace(self.path)

    def end(self, state: str, message: str = "") -> None:
        """Record how the run ended."""
        with self.changing:
            self.content |= {"state": state, "message": message, "ended": _now()}
            self.write()

    def put(self) -> None:
        """Move the file to where it is to stay; what else is recorded goes there."""
        with self.changing:
            self.path = self.path.replace(self.final)


current: list[Record] = []  # of the run in this process, for who has to end it in a hurry


@contextlib.contextmanager
def recorded(data_dir: Path, **known: Any) -> Iterator[Record]:
    """Have a record while a run lasts; put it beside the others at the end."""
    began = datetime.now(UTC)
    path = data_dir / RUNS / f"{began:%Y%m%dT%H%M%S%f}-{os.getpid()}.json"
    with workspace(path, f"the run {path.stem}") as desk:
        content = {"state": "running", "began": _now(), "pid": os.getpid(), "host": socket.gethostname()}
        record = Record(desk.folder / path.name, {**content, **known, "nodes": {}}, path)
        record.write()
        current.append(record)
        try:
            yield record
        finally:
            current.remove(record)
            record.put()


def end_in_a_hurry(state: str) -> None:
    """Put the record of this process's run beside the others, while the run may still be at it."""
    for record in current:
        record.end(state)
        record.put()


def dead(data_dir: Path) -> list[Record]:
    """Return the records of runs that were killed, put beside the others, whose end no server has been told."""
    for folder in abandoned(data_dir / RUNS):
        name = folder.name.removeprefix(PREFIX)
        with contextlib.suppress(FileNotFoundError, ValueError):  # killed before it had written anything
            found = Record(folder / name, json.loads((folder / name).read_bytes()), folder.with_name(name))
            found.end(DIED)
            found.put()
    return [record for record in records(data_dir) if record.content["state"] == DIED and record.content["flow_run"]]


def records(data_dir: Path) -> list[Record]:
    """Return the records of the runs that ended, the last one to end or to be asked for again first."""
    dated = ((path.stat().st_mtime_ns, path.name, path) for path in (data_dir / RUNS).glob("[!.]*.json"))
    paths = [path for *_, path in sorted(dated, reverse=True)]
    found = []
    for path in paths:
        with contextlib.suppress(ValueError):  # damaged: it says nothing of any run
            content = json.loads(path.read_bytes())
            if isinstance(content, dict) and {"state", "flow_run", "nodes"} <= content.keys():
                found.append(Record(path, content))
    return found


def asked_again(data_dir: Path, found: dict[str, Artifact], command: str) -> None:
    """Record that everything a run needs was kept: its last record becomes the newest, or one is made."""
    keys = {label: artifact.key for label, artifact in found.items()}
    for record in records(data_dir):
        if {label: node["key"] for label, node in record.content["nodes"].items()} == keys:
            with contextlib.suppress(PermissionError):  # another user's, or on a disk that cannot be written
                os.utime(record.path)
            return
    with recorded(data_dir, command=command, flow_run=None) as record:
        for label, artifact in found.items():
            record.node(label, artifact.key, True, artifact.manifest["made"])
        record.end("completed")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
