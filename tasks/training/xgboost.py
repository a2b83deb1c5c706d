"""XGBoost: gradient-boosted trees, for what they are worth beside the networks.

Chen and Guestrin (2016), https://arxiv.org/abs/1603.02754. `train` takes and makes what the networks' node of this name
does, but for `model.ubj`, and an entry of the history a round: one more tree for each class. Depth and learning rate
are XGBoost's defaults; the validation data says when to stop. A training that was killed goes on from its last
checkpoint, to the same bits.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.data.splits import load_split
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.checkpoints import Checkpoints
from tasks.pipeline.node import node
from tasks.pipeline.progress import Progress
from tasks.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    import xgboost

XGBOOST = "xgboost"  # the model of this name is no network
XGBOOST_DISTRIBUTION = "xgboost" if sys.platform == "darwin" else "xgboost-cpu"
LEARNING_RATE, DEPTH = 0.3, 6
THREADS = 4  # always, as sums are taken thread by thread: else the trees would be a machine's own
MODEL = "model.ubj"  # XGBoost's own format
ROUNDS = 1_000  # at most
EARLY_STOPPING_ROUNDS = 10  # without a lower validation loss
CHECKPOINT_INTERVAL = 30  # seconds
PARAMETERS = {
    "objective": "multi:softprob",
    "num_class": 10,
    "eta": LEARNING_RATE,
    "max_depth": DEPTH,
    "nthread": THREADS,
    "eval_metric": ["mlogloss", "merror"],
    "tree_method": "hist",
    "seed": 0,
}
History = list[dict[str, Any]]  # an entry a round


@node(libraries=("numpy", XGBOOST_DISTRIBUTION))
def train(output: Path, *, prepare: Artifact, checkpoints: Checkpoints, progress: Progress) -> dict[str, Any]:
    """Grow trees until the validation loss has not fallen for some rounds, and save those up to the lowest."""
    import xgboost

    began = saved = time.perf_counter()
    progress(0, ROUNDS, "sorts the pixels", False)
    data: dict[str, Any] = {}
    for split in ("train", "validation"):
        images, labels = load_split(prepare.folder, split)
        rows = images.reshape(len(images), -1)
        data[split] = xgboost.QuantileDMatrix(rows, labels, ref=data.get("train"), nthread=THREADS)
    booster, history = xgboost.Booster(PARAMETERS, list(data.values())), []
    if checkpoint := load_checkpoint(checkpoints, lambda refused: progress(0, ROUNDS, refused, True)):
        booster.load_model(bytearray(checkpoint.variables[0]))
        history = checkpoint.state["history"]
        began -= checkpoint.state["seconds"]
        progress(checkpoint.step, ROUNDS, f"goes on after round {checkpoint.step}", True)
    while len(history) < ROUNDS and len(history) - best_round(history) < EARLY_STOPPING_ROUNDS:
        history.append(_grow(booster, data, len(history)))
        note = f"round {len(history)} · validation accuracy {history[-1]['validation_accuracy']:.4f}"
        progress(len(history), ROUNDS, note, False, history)
        if time.perf_counter() - saved > CHECKPOINT_INTERVAL:
            state = {"history": history, "seconds": time.perf_counter() - began}
            trees = np.frombuffer(booster.save_raw("ubj"), np.uint8)
            save_checkpoint(checkpoints, Checkpoint(len(history), state, [trees]))
            saved = time.perf_counter()
    best = best_round(history)
    booster[:best].save_model(output / MODEL)
    (output / "history.json").write_text(json.dumps(history, indent=1))
    return {
        "parameters": described(booster[:best])["parameters"],
        "validation_accuracy": history[best - 1]["validation_accuracy"],
        "measured": {"seconds": round(time.perf_counter() - began, 3), "threads": THREADS},
    }


def described(booster: xgboost.Booster) -> dict[str, Any]:
    """Return the trees as a network's layer is described; what they add up for an image is a value a tree."""
    trees = len(booster.get_dump())
    return {
        "type": "Trees",
        "settings": {"trees": trees, "depth": DEPTH, "rate": LEARNING_RATE},
        "shape": [PARAMETERS["num_class"]],
        "parameters": len(booster.trees_to_dataframe()),  # a threshold at each fork, a value at each leaf
        "multiply_adds": trees,
    }


def best_round(history: History) -> int:
    """Return the round, from 1, of the lowest validation loss; 0 before the first."""
    losses = [entry["validation_loss"] for entry in history]
    return 1 + losses.index(min(losses)) if losses else 0


def _grow(booster: Any, data: dict[str, Any], place: int) -> dict[str, Any]:
    """Add the trees of a round, numbered from 0; return its entry of the history."""
    booster.update(data["train"], place)
    evaluated = booster.eval_set([(of, split) for split, of in data.items()], place)
    found = {name: float(value) for name, value in re.findall(r"\t(\S+):(\S+)", evaluated)}
    return {
        "epoch": place + 1,
        "loss": found["train-mlogloss"],
        "accuracy": 1 - found["train-merror"],
        "validation_loss": found["validation-mlogloss"],
        "validation_accuracy": 1 - found["validation-merror"],
        "learning_rate": LEARNING_RATE,
    }
