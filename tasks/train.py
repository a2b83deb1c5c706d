"""Train: fit one network to the prepared images, in a child process of its own.

Takes the prepared splits and a recipe. Makes `model.keras` and `history.json`: for each epoch, loss and accuracy on
train (running, dropout active) and validation (inference mode), and the learning rate. A loss that is not finite ends
it. A training that was killed goes on from its last checkpoint, to the same bits. Nothing here sees the test set.
"""

from __future__ import annotations

import json
import math
import re
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.artifacts.artifact import Artifact
from tasks.augment import augment
from tasks.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tasks.child import Child, cores
from tasks.errors import RunError
from tasks.metrics import surprise
from tasks.networks import NETWORKS
from tasks.node import node
from tasks.own_network import OwnNetwork, told_whole
from tasks.progress import Progress
from tasks.serve import serve
from tasks.start import start_tensorflow

if TYPE_CHECKING:
    import keras

WARM_UP = 0.3  # share of a one-cycle schedule that rises
TELL_EVERY = 0.25  # seconds between two lines of progress
SAVE_EVERY = 30  # seconds between two checkpoints within an epoch: what a kill may cost, and a little more


@node(libraries=("keras", "numpy", "tensorflow"), retries=2)
def train(
    output: Path,
    *,
    network: str,
    prepare: Artifact,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    schedule: str,
    augmentation: str,
    label_smoothing: float,
    seed: int,
    precision: str,
    filters: int | None,
    dense_width: int | None,
    dropout_rate: float | None,
    own_network: OwnNetwork | None,
    given_up_below: tuple[float, ...],
    checkpoints: Path,
    child: Child,
) -> dict[str, Any]:
    """Fill the artifact with the trained network, by a child that may use all cores: others at work get their share."""
    job = {
        "output": str(output),
        "network": network,
        "prepared": str(prepare.folder),
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "augmentation": augmentation,
        "label_smoothing": label_smoothing,
        "seed": seed,
        "precision": precision,
        "shape": {"filters": filters, "dense_width": dense_width, "dropout_rate": dropout_rate},
        "own_network": told_whole(own_network),
        "given_up_below": given_up_below,
        "checkpoints": str(checkpoints),
        "seconds_between_checkpoints": SAVE_EVERY,
        "threads": cores(),
    }
    return child("tasks.train", job, keep=True)  # for the evaluation


def train_in_child(job: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Build, fit and save the network that the job names; return the figures worth a glance."""
    progress(0, job["epochs"], "TensorFlow starts", False)
    checkpoint, refused = load_checkpoint(Path(job["checkpoints"]))
    for reason in refused:
        progress(0, job["epochs"], f"checkpoint {reason}", True)
    start_tensorflow(job["threads"])
    model = built_network(job["network"], job["seed"], job["precision"], job["shape"], job["own_network"])
    with ThreadPoolExecutor(job["threads"]) as pool:
        training = Training(model, job, checkpoint, pool)
        try:
            training.run(progress)
        except Diverged as fault:
            if not job["given_up_below"]:
                raise
            progress(0, 0, f"given up: {fault}", True)  # a search goes on without it
    output = Path(job["output"])
    save_model(model, output / "model.keras")
    (output / "history.json").write_text(json.dumps(training.history, indent=1))
    return {
        "parameters": model.count_params(),
        "validation_accuracy": training.history[-1]["validation_accuracy"] if training.history else None,
        "given_up": len(training.history) < job["epochs"],
        "seconds": round(training.seconds, 3),
        "threads": job["threads"],
    }


def built_network(
    name: str, seed: int, precision: str, shape: dict[str, Any] | None = None, own: dict[str, Any] | None = None
) -> keras.Model:
    """Build a network, one of ours or the user's own, with the weights that the seed gives."""
    import keras

    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy({"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision])
    given = {setting: value for setting, value in (shape or {}).items() if value is not None}
    return OwnNetwork(**own).build() if own else NETWORKS[name].build(**given)


class Diverged(RunError):
    """The loss is no longer finite."""


class Training:
    """A model on its way through the epochs, from the start or from a checkpoint."""

    def __init__(
        self, model: keras.Model, recipe: dict[str, Any], checkpoint: Checkpoint | None, pool: ThreadPoolExecutor
    ) -> None:
        from tasks.parts import Update, predictor

        self.recipe = recipe
        self.update = Update(model, recipe["seed"], pool, recipe["label_smoothing"])
        self.predict = predictor(model, pool)
        self.train = load_split(Path(recipe["prepared"]), "train")
        self.validation = load_split(Path(recipe["prepared"]), "validation")
        self.batches = math.ceil(len(self.train[1]) / recipe["batch_size"])  # in an epoch
        self.step = 0
        self.history: list[dict[str, Any]] = []  # an entry an epoch
        self.running: dict[str, float] = {}  # means over the images of this epoch so far
        self.before = 0.0  # seconds of training that the checkpoint holds
        if checkpoint:
            self._restore(checkpoint)
        self.began = self.saved = self.told = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long the training took, without what was lost when it was killed."""
        return self.before + time.perf_counter() - self.began

    def run(self, progress: Progress) -> None:
        """Train to the end of the last epoch, keeping a checkpoint at each epoch's end and every half minute.

        Raises:
            Diverged: the loss is no longer finite.
        """
        if self.step:
            epoch, batch = divmod(self.step, self.batches)
            self._tell(progress, f"goes on after {f'batch {batch} of ' if batch else ''}epoch {epoch + bool(batch)}")
        while len(self.history) < self.recipe["epochs"] and not self.given_up:
            epoch, first = divmod(self.step, self.batches)
            order = epoch_order(len(self.train[1]), self.recipe["seed"], epoch)
            for batch in range(first, self.batches):
                start = batch * self.recipe["batch_size"]
                self._update(order[start : start + self.recipe["batch_size"]], epoch, batch)
                now = time.perf_counter()
                if now - self.told > TELL_EVERY:
                    self.told = now
                    self._tell(progress)
                if now - self.saved > self.recipe["seconds_between_checkpoints"] and batch + 1 < self.batches:
                    self._save()
            self._end_epoch(epoch)
            self._save()
            self._tell(progress, self._note())

    @property
    def given_up(self) -> bool:
        """Whether validation accuracy was below its bar after a share of the epochs: of three bars, a quarter each."""
        bars = self.recipe["given_up_below"]
        for place, bar in enumerate(bars, 1):
            over = round(self.recipe["epochs"] * place / (len(bars) + 1))
            if 0 < over <= len(self.history) and self.history[over - 1]["validation_accuracy"] < bar:
                return True
        return False

    def _update(self, chosen: np.ndarray, epoch: int, batch: int) -> None:
        """Take one step on these images, and count them into the running figures."""
        images, labels = self.train
        if batch == 0:
            self.running = {"loss": 0.0, "accuracy": 0.0}
        shown = augment(images[chosen], self.recipe["augmentation"], self.recipe["seed"], self.step)
        of_batch = self.update(shown, labels[chosen], self.step, self._learning_rate(self.step))
        _insist_on_finite(of_batch["loss"], f"epoch {epoch + 1}, batch {batch + 1}")
        seen = batch * self.recipe["batch_size"] + len(chosen)
        for name in self.running:
            self.running[name] += (of_batch[name] - self.running[name]) * len(chosen) / seen
        self.step += 1

    def _end_epoch(self, epoch: int) -> None:
        images, labels = self.validation
        probabilities = np.concatenate(list(self.predict(images)))
        finite = np.isfinite(probabilities).all()  # of the other classes too
        loss = float(surprise(probabilities, labels).mean()) if finite else math.nan
        _insist_on_finite(loss, f"epoch {epoch + 1}, on validation data")
        self.history.append(
            {
                "epoch": epoch + 1,
                **self.running,
                "validation_loss": loss,
                "validation_accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
                "learning_rate": self._learning_rate(self.step - 1),
            }
        )

    def _learning_rate(self, step: int) -> float:
        position = step / (self.recipe["epochs"] * self.batches)
        return learning_rate_at(position, self.recipe["learning_rate"], self.recipe["schedule"])

    def _save(self) -> None:
        state = {
            "history": self.history,
            "running": self.running,
            "seconds": self.seconds,
        }
        variables = [variable.numpy() for variable in self.update.variables]
        save_checkpoint(Path(self.recipe["checkpoints"]), Checkpoint(self.step, state, variables))
        self.saved = time.perf_counter()

    def _restore(self, checkpoint: Checkpoint) -> None:
        for variable, value in zip(self.update.variables, checkpoint.variables, strict=True):
            variable.assign(value)
        self.step = checkpoint.step
        self.history = checkpoint.state["history"]
        self.running = checkpoint.state["running"]
        self.before = checkpoint.state["seconds"]

    def _tell(self, progress: Progress, milestone: str = "") -> None:
        history = self.history if milestone else None
        progress(self.step / self.batches, self.recipe["epochs"], milestone or self._note(), bool(milestone), history)

    def _note(self) -> str:
        validated = f" · validation accuracy {self.history[-1]['validation_accuracy']:.4f}" if self.history else ""
        epoch = math.ceil(self.step / self.batches)
        return f"epoch {epoch}/{self.recipe['epochs']} · loss {self.running['loss']:.4f}{validated}"


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the training images in one epoch: a function of seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def learning_rate_at(position: float, peak: float, schedule: str) -> float:
    """Return the learning rate at a position from 0 (first batch) to 1 (after the last).

    One-cycle rises in a line from a tenth of the peak, then falls along a half cosine to nearly nothing; after Smith
    and Topin, "Super-Convergence" (2018), https://arxiv.org/abs/1708.07120.
    """
    if schedule == "constant":
        return peak
    if position < WARM_UP:
        return peak * (0.1 + 0.9 * position / WARM_UP)
    return peak * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * (position - WARM_UP) / (1 - WARM_UP))))


def load_split(prepared: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Map a prepared split's images into memory, shared by all children, and read its labels."""
    images = np.load(prepared / f"{split}_images.npy", mmap_mode="r", allow_pickle=False)
    return images, np.load(prepared / f"{split}_labels.npy", allow_pickle=False)


def save_model(model: keras.Model, path: Path) -> None:
    """Save a model as `.keras`, equal models as equal bytes.

    Keras writes the time into it, and memory addresses as identifiers of shared objects: the time is left out, and the
    identifiers are numbered in the order in which they come.
    """
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in sorted(archive.namelist())}
    parts["metadata.json"] = re.sub(rb', "date_saved": "[^"]*"', b"", parts["metadata.json"])
    numbers: dict[bytes, int] = {}
    parts["config.json"] = re.sub(
        rb'(?<="shared_object_id": )\d+', lambda m: b"%d" % numbers.setdefault(m[0], len(numbers)), parts["config.json"]
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def _insist_on_finite(loss: float, where: str) -> None:
    if not math.isfinite(loss):
        raise Diverged(f"the loss is {loss} in {where}; try a lower --learning-rate")


if __name__ == "__main__":
    serve(train_in_child)
