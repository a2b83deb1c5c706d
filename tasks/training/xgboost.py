"""XGBoost: gradient-boosted trees, for what they are worth beside the networks.

Chen and Guestrin (2016), https://arxiv.org/abs/1603.02754. `train` takes and makes what the networks' node of this name
does, but for `model.ubj`, and an entry of the history a round: one more tree for each class. Depth and learning rate
are XGBoost's defaults; the validation data says when to stop. A training that was killed goes on from its last
checkpoint, to the same bits.
"""

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data.splits import load_split
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.checkpoints import Checkpoints
from tasks.pipeline.node import node
from tasks.pipeline.progress import Progress
from tasks.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tasks.training.trees import CLASSES, DEPTH, LEARNING_RATE, MODEL, THREADS, XGBOOST_DISTRIBUTION, described, flat

ROUNDS = 1_000  # at most
EARLY_STOPPING_ROUNDS = 10  # without a lower validation loss
CHECKPOINT_INTERVAL = 30  # seconds


@node(libraries=("numpy", XGBOOST_DISTRIBUTION))
def train(output: Path, *, prepare: Artifact, checkpoints: Checkpoints, progress: Progress) -> dict[str, Any]:
    """Grow trees until the validation loss has not fallen for some rounds, and save those up to the lowest."""
    progress(0, ROUNDS, "sorts the pixels", False)
    boosted = Boosted(prepare.folder, checkpoints, progress)
    while not boosted.over:
        boosted.grow()
        latest = boosted.history[-1]
        note = f"round {latest['epoch']} · validation accuracy {latest['validation_accuracy']:.4f}"
        progress(len(boosted.history), ROUNDS, note, False, boosted.history)
    booster = boosted.booster[: boosted.best]
    booster.save_model(output / MODEL)
    (output / "history.json").write_text(json.dumps(boosted.history, indent=1))
    return {
        "parameters": described(booster)["parameters"],
        "validation_accuracy": boosted.history[boosted.best - 1]["validation_accuracy"],
        "measured": {"seconds": round(boosted.seconds, 3), "threads": THREADS},
    }


class Boosted:
    """Trees on their way through the rounds, from the start or from a checkpoint."""

    def __init__(self, prepared: Path, checkpoints: Checkpoints, progress: Progress) -> None:
        import xgboost

        began = time.perf_counter()
        images, labels = load_split(prepared, "train")
        self.data = {"train": xgboost.QuantileDMatrix(flat(images), labels, nthread=THREADS)}
        images, labels = load_split(prepared, "validation")
        self.data["validation"] = xgboost.QuantileDMatrix(flat(images), labels, ref=self.data["train"], nthread=THREADS)
        recipe = {
            "objective": "multi:softprob",
            "num_class": CLASSES,
            "eta": LEARNING_RATE,
            "max_depth": DEPTH,
            "nthread": THREADS,
        }
        measured = {"eval_metric": ["mlogloss", "merror"], "tree_method": "hist", "seed": 0}
        self.booster = xgboost.Booster(recipe | measured, list(self.data.values()))
        self.checkpoints = checkpoints
        self.history: list[dict[str, Any]] = []  # an entry a round
        before = self._restore(progress)
        self.began, self.saved = began - before, time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long the training took, without what was lost when it was killed."""
        return time.perf_counter() - self.began

    @property
    def best(self) -> int:
        """The round, from 1, of the lowest validation loss."""
        return 1 + min(range(len(self.history)), key=lambda place: self.history[place]["validation_loss"])

    @property
    def over(self) -> bool:
        """Whether to stop."""
        rounds = len(self.history)
        return rounds >= ROUNDS or (rounds > 0 and rounds - self.best >= EARLY_STOPPING_ROUNDS)

    def grow(self) -> None:
        """Add a round's trees, and what they have come to."""
        place = len(self.history)
        self.booster.update(self.data["train"], place)
        told = self.booster.eval_set([(data, split) for split, data in self.data.items()], place)
        figure = {name: float(value) for name, value in re.findall(r"\t(\S+):(\S+)", told)}
        self.history.append(
            {
                "epoch": place + 1,
                "loss": figure["train-mlogloss"],
                "accuracy": 1 - figure["train-merror"],
                "validation_loss": figure["validation-mlogloss"],
                "validation_accuracy": 1 - figure["validation-merror"],
                "learning_rate": LEARNING_RATE,
            }
        )
        if time.perf_counter() - self.saved > CHECKPOINT_INTERVAL:
            self.save()

    def save(self) -> None:
        """Keep what there is, to go on from."""
        state = {"history": self.history, "seconds": self.seconds}
        trees = np.frombuffer(self.booster.save_raw("ubj"), np.uint8)
        save_checkpoint(self.checkpoints, Checkpoint(len(self.history), state, [trees]))
        self.saved = time.perf_counter()

    def _restore(self, progress: Progress) -> float:
        """Go on from the checkpoint, if there is one; return the seconds that it took."""
        checkpoint, refused = load_checkpoint(self.checkpoints)
        for reason in refused:
            progress(0, ROUNDS, f"checkpoint {reason}", True)
        if not checkpoint:
            return 0.0
        self.booster.load_model(bytearray(checkpoint.variables[0]))
        self.history = checkpoint.state["history"]
        progress(checkpoint.step, ROUNDS, f"goes on after round {checkpoint.step}", True)
        return checkpoint.state["seconds"]
