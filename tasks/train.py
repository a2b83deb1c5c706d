"""Train: fit one network to the prepared images, in a child process of its own.

Takes the prepared splits and a recipe. Makes `model.keras` and `history.json`: for each epoch, loss and accuracy on
train (running, dropout active) and validation (inference mode), learning rate and seconds. A loss that is not finite
ends it. Nothing here sees the test set.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.artifacts.store import Artifact
from tasks.child import cores, run_child, serve
from tasks.errors import RunError
from tasks.networks import NETWORKS
from tasks.node import node
from tasks.progress import Progress

if TYPE_CHECKING:
    import keras

WARM_UP = 0.3  # share of a one-cycle schedule that rises
TELL_EVERY = 0.25  # seconds between two lines of progress


@node(libraries=("keras", "numpy", "tensorflow"), unkeyed=("networks",), retries=2)
def train(
    output: Path,
    *,
    network: str,
    prepare: Artifact,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    schedule: str,
    seed: int,
    precision: str,
    networks: tuple[str, ...],
    progress: Progress,
) -> dict[str, Any]:
    """Fill the artifact with the trained network, by a child that has its share of the cores."""
    job = {
        "output": str(output),
        "network": network,
        "prepared": str(prepare.folder),
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "seed": seed,
        "precision": precision,
        "threads": max(1, cores() // len(networks)),
    }
    return run_child("tasks.train", job, progress)


def train_in_child(job: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Build, fit and save the network that the job names; return the figures worth a glance."""
    progress(0, job["epochs"], "TensorFlow starts", False)
    start_tensorflow(job["threads"])
    import keras

    keras.utils.set_random_seed(job["seed"])
    keras.config.set_dtype_policy({"float32": "float32", "bfloat16": "mixed_bfloat16"}[job["precision"]])
    model = NETWORKS[job["network"]].build()
    model.compile(
        optimizer=keras.optimizers.Adam(job["learning_rate"]),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = fit(model, Path(job["prepared"]), job, progress)
    output = Path(job["output"])
    model.save(output / "model.keras")
    (output / "history.json").write_text(json.dumps(history, indent=1))
    return {
        "parameters": model.count_params(),
        "validation_accuracy": history[-1]["validation_accuracy"],
        "seconds": round(sum(epoch["seconds"] for epoch in history), 3),
        "threads": job["threads"],
    }


def fit(model: keras.Model, prepared: Path, recipe: dict[str, Any], progress: Progress) -> list[dict[str, Any]]:
    """Train a compiled model and return its history, an entry an epoch.

    Raises:
        RunError: the loss is no longer finite.
    """
    train, validation = load_split(prepared, "train"), load_split(prepared, "validation")
    epochs = recipe["epochs"]
    history: list[dict[str, Any]] = []
    for epoch in range(epochs):

        def tell(share: float, running: dict[str, float], epoch: int = epoch) -> None:
            progress(epoch + share, epochs, _note(epoch, epochs, running, history), False)

        began = time.perf_counter()
        running, rate = fit_epoch(model, *train, recipe, epoch, tell)
        validated = model.evaluate(*validation, batch_size=500, verbose=0, return_dict=True)
        _insist_on_finite(validated["loss"], f"epoch {epoch + 1}, on validation data")
        history.append(
            {
                "epoch": epoch + 1,
                **running,
                "validation_loss": float(validated["loss"]),
                "validation_accuracy": float(validated["accuracy"]),
                "learning_rate": rate,
                "seconds": round(time.perf_counter() - began, 3),
            }
        )
        progress(epoch + 1, epochs, _note(epoch, epochs, running, history), True)
    return history


def fit_epoch(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    recipe: dict[str, Any],
    epoch: int,
    tell: Callable[[float, dict[str, float]], None],
) -> tuple[dict[str, float], float]:
    """Take a step for each batch of one epoch; return mean loss and accuracy over its images, and the last rate."""
    order = epoch_order(len(images), recipe["seed"], epoch)
    batches = np.split(order, range(recipe["batch_size"], len(images), recipe["batch_size"]))
    seen, running, told = 0, {"loss": 0.0, "accuracy": 0.0}, 0.0
    for batch, chosen in enumerate(batches):
        position = (epoch * len(batches) + batch) / (recipe["epochs"] * len(batches))
        rate = learning_rate_at(position, recipe["learning_rate"], recipe["schedule"])
        model.optimizer.learning_rate.assign(rate)
        of_batch = model.train_on_batch(images[chosen], labels[chosen], return_dict=True)
        _insist_on_finite(of_batch["loss"], f"epoch {epoch + 1}, batch {batch + 1}")
        seen += len(chosen)
        for name in running:
            running[name] += (float(of_batch[name]) - running[name]) * len(chosen) / seen
        if time.perf_counter() - told > TELL_EVERY:
            told = time.perf_counter()
            tell((batch + 1) / len(batches), running)
    return running, rate


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


def start_tensorflow(threads: int) -> None:
    """Give TensorFlow its threads before it starts any, and Keras none of what the user has set for it elsewhere."""
    for name in [name for name in os.environ if name.startswith("KERAS_")]:
        del os.environ[name]  # a backend, or a limit on steps
    os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": os.devnull}
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def _insist_on_finite(loss: float, where: str) -> None:
    if not math.isfinite(loss):
        raise RunError(f"the loss is {loss} in {where}; try a lower --learning-rate")


def _note(epoch: int, epochs: int, running: dict[str, float], history: list[dict[str, Any]]) -> str:
    validated = f" · validation accuracy {history[-1]['validation_accuracy']:.4f}" if history else ""
    return f"epoch {epoch + 1}/{epochs} · loss {running['loss']:.4f}{validated}"


if __name__ == "__main__":
    serve(train_in_child)
