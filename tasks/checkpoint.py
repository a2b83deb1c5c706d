"""Checkpoints: where a training stands, so that one that was killed goes on as if it had never stopped.

A file each, `<step>-<SHA-256 of the file>.npz`, written under another name, brought to the disk and renamed. The newest
whose bytes are what its name says, and which belongs to this training, is taken; the one before it is kept beside it.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.store import to_disk

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A training between two steps."""

    step: int  # updates of the weights so far
    state: dict[str, Any]  # what is not in a variable: the history, the running figures
    variables: list[np.ndarray]  # of the model, then of the optimizer


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Keep a checkpoint, whole or not at all, and remove those before the last one."""
    folder.mkdir(parents=True, exist_ok=True)
    state = json.dumps({"training": folder.name, "step": checkpoint.step, "state": checkpoint.state}).encode()
    buffer = io.BytesIO()
    np.savez(buffer, *checkpoint.variables, state=np.frombuffer(state, np.uint8))
    content = buffer.getvalue()
    part = folder / "unfinished"
    try:
        part.write_bytes(content)
        to_disk(part)
    except OSError:  # a full disk, say
        part.unlink(missing_ok=True)
        raise
    part.rename(folder / f"{checkpoint.step:09}-{hashlib.sha256(content).hexdigest()}.npz")
    to_disk(folder)
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()


def load_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest checkpoint that is what it was, and of each newer one why it was refused."""
    refused: list[str] = []
    for path in _newest_first(folder):
        try:
            return _read(path), refused
        except (OSError, ValueError, KeyError) as error:
            refused.append(f"{path.name[:16]}… refused: {error}")
            path.rename(path.with_suffix(".refused"))  # so that it is not counted among those that are kept
    return None, refused


def _read(path: Path) -> Checkpoint:
    content = path.read_bytes()
    if not path.stem.endswith(f"-{hashlib.sha256(content).hexdigest()}"):
        raise ValueError("altered since it was made")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        told = json.loads(arrays["state"].tobytes())
        if told["training"] != path.parent.name:
            raise ValueError(f"belongs to {told['training']}")
        variables = [arrays[f"arr_{index}"] for index in range(len(arrays.files) - 1)]
    return Checkpoint(told["step"], told["state"], variables)


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*-*.npz"), reverse=True)
