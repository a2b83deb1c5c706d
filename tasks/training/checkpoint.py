"""Checkpoints: where a training is, so that one that was killed goes on as if it had never stopped.

A file each, `<step>-<SHA-256 of the file>.npz`. The newest whose bytes are what its name says is taken; the one before
it is kept beside it.
"""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.pipeline.checkpoints import Checkpoints

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A training between two steps."""

    step: int  # updates of the weights so far
    state: dict[str, Any]  # what is not in a variable: the history, the running figures
    variables: list[np.ndarray]  # of the model, then of the optimizer; of trees, their bytes


def save_checkpoint(checkpoints: Checkpoints, checkpoint: Checkpoint) -> None:
    """Keep a checkpoint, whole or not at all, and remove all but the last two."""
    state = json.dumps({"step": checkpoint.step, "state": checkpoint.state}).encode()
    buffer = io.BytesIO()
    np.savez(buffer, *checkpoint.variables, state=np.frombuffer(state, np.uint8))
    content = buffer.getvalue()
    checkpoints.write(f"{checkpoint.step:09}-{hashlib.sha256(content).hexdigest()}.npz", content)
    for old in checkpoints.names()[KEPT:]:
        checkpoints.remove(old)


def load_checkpoint(checkpoints: Checkpoints, report: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest checkpoint that is what it was; of each newer one, which is removed, report why it is not."""
    for name in checkpoints.names():
        try:
            return _decode(name, checkpoints.read(name))
        except (OSError, ValueError) as error:
            report(f"checkpoint {name[:16]}… refused: {getattr(error, 'strerror', None) or error}")
            checkpoints.remove(name)  # so that it is not counted among those that are kept
    return None


def _decode(name: str, content: bytes) -> Checkpoint:
    if not name.endswith(f"-{hashlib.sha256(content).hexdigest()}.npz"):
        raise ValueError("altered since it was made")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        known = json.loads(arrays["state"].tobytes())
        return Checkpoint(known["step"], known["state"], [arrays[f"arr_{n}"] for n in range(len(arrays.files) - 1)])
