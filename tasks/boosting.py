"""Boosting: gradient-boosted trees, for what they are worth beside the networks.

XGBoost: Chen and Guestrin (2016), https://arxiv.org/abs/1603.02754. `train` and `evaluate` take and make what the
networks' nodes of these names do, but for `model.ubj`, XGBoost's own format, and an entry of the history a round: one
more tree for each class. Depth and step are XGBoost's defaults; the validation data says when to stop. A training that
was killed goes on from its last checkpoint, to the same bits.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.artifacts.artifact import Artifact
from tasks.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tasks.child import Child
from tasks.evaluate import measure_all, splits_of
from tasks.networks import TREES_FROM
from tasks.node import node
from tasks.progress import Progress
from tasks.serve import serve
from tasks.train import load_split

if TYPE_CHECKING:
    import xgboost

CLASSES = 10
RATE, DEPTH = 0.3, 6
ROUNDS = 1_000  # at most
PATIENCE = 10  # rounds without a lower validation loss
THREADS = 4  # always, as sums are taken thread by thread: else the trees would be a machine's own
SAVE_EVERY = 30  # seconds between two checkpoints
AT_ONCE = 5_000  # images that are asked for together
LIBRARIES = ("numpy", TREES_FROM)


@node(libraries=LIBRARIES, retries=2)
def train(output: Path, *, prepare: Artifact, checkpoints: Path, child: Child) -> dict[str, Any]:
    """Fill the artifact with the trees and how they came about, by a child."""
    job = {"work": "train", "output": str(output), "prepared": str(prepare.folder), "checkpoints": str(checkpoints)}
    return child("tasks.boosting", job)


@node(libraries=LIBRARIES, retries=2)
def evaluate(output: Path, *, train: Artifact, prepare: Artifact, child: Child) -> dict[str, Any]:
    """Fill the artifact with the trees' probabilities and metrics, by a child."""
    job = {
        "work": "evaluate",
        "output": str(output),
        "prepared": str(prepare.folder),
        "splits": splits_of(prepare),
        "model": str(train.folder / "model.ubj"),
        "threads": THREADS,
    }
    return child("tasks.boosting", job)


def train_in_child(job: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Grow trees until the validation loss has not fallen for some rounds, and save those up to the lowest."""
    progress(0, ROUNDS, "sorts the pixels", False)
    boosted = Boosted(Path(job["prepared"]), Path(job["checkpoints"]), progress)
    while not boosted.over:
        boosted.grow()
        latest = boosted.history[-1]
        told = f"round {latest['epoch']} · validation accuracy {latest['validation_accuracy']:.4f}"
        progress(len(boosted.history), ROUNDS, told, False, boosted.history)
    booster = boosted.booster[: boosted.best]
    booster.save_model(Path(job["output"]) / "model.ubj")
    (Path(job["output"]) / "history.json").write_text(json.dumps(boosted.history, indent=1))
    return {
        "parameters": described(booster)["parameters"],
        "validation_accuracy": boosted.history[boosted.best - 1]["validation_accuracy"],
        "seconds": round(boosted.seconds, 3),
        "threads": THREADS,
    }


class Boosted:
    """Trees on their way through the rounds, from the start or from a checkpoint."""

    def __init__(self, prepared: Path, checkpoints: Path, progress: Progress) -> None:
        import xgboost

        began = time.perf_counter()
        images, labels = load_split(prepared, "train")
        self.data = {"train": xgboost.QuantileDMatrix(flat(images), labels, nthread=THREADS)}
        images, labels = load_split(prepared, "validation")
        self.data["validation"] = xgboost.QuantileDMatrix(flat(images), labels, ref=self.data["train"], nthread=THREADS)
        recipe = {
            "objective": "multi:softprob",
            "num_class": CLASSES,
            "eta": RATE,
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
        return rounds >= ROUNDS or (rounds > 0 and rounds - self.best >= PATIENCE)

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
                "learning_rate": RATE,
            }
        )
        if time.perf_counter() - self.saved > SAVE_EVERY:
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


def evaluate_in_child(job: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Load the trees, ask them about every split and measure it; return the figures worth a glance."""
    import xgboost

    booster = xgboost.Booster({"nthread": THREADS}, model_file=job["model"])

    def predict(images: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(images), AT_ONCE):
            yield booster.inplace_predict(flat(images[start : start + AT_ONCE]))

    return measure_all(job, predict, [described(booster)], progress)


def described(booster: xgboost.Booster) -> dict[str, Any]:
    """Return the trees as a network's layer is told; what they add up for an image is a value a tree."""
    trees = len(booster.get_dump())
    return {
        "type": "Trees",
        "settings": {"trees": trees, "depth": DEPTH, "rate": RATE},
        "shape": [CLASSES],
        "parameters": len(booster.trees_to_dataframe()),  # a threshold at each fork, a value at each leaf
        "multiply_adds": trees,
    }


def flat(images: np.ndarray) -> np.ndarray:
    """Return images (n, height, width, 1) as rows of pixels (n, height × width)."""
    return images.reshape(len(images), -1)


def work(job: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Do which of the two works the job names."""
    return {"train": train_in_child, "evaluate": evaluate_in_child}[job["work"]](job, progress)


if __name__ == "__main__":
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # threads that wait for one another leave the cores to the networks
    serve(work)
