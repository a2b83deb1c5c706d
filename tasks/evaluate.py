"""Evaluate: ask one trained network for its probabilities, in inference mode, and measure them.

Takes the trained network and the prepared splits. Makes `<split>_probabilities.npy` (float32, n × classes) for train,
validation and test, and `metrics.json`. This is the one place where the test set is opened.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.store import Artifact
from tasks.child import Child, cores, serve
from tasks.node import node
from tasks.prepare import SPLITS, save_array
from tasks.progress import Progress
from tasks.statistics import wilson_interval
from tasks.train import load_split, start_tensorflow

BATCH = 500
BINS = 15


@node(libraries=("keras", "numpy", "scipy", "tensorflow"), unkeyed=("networks",), retries=2)
def evaluate(
    output: Path, *, train: Artifact, prepare: Artifact, networks: tuple[str, ...], child: Child
) -> dict[str, Any]:
    """Fill the artifact with probabilities and metrics, by a child that has its share of the cores."""
    job = {
        "output": str(output),
        "model": str(train.folder / "model.keras"),
        "prepared": str(prepare.folder),
        "threads": max(1, cores() // len(networks)),
    }
    return child("tasks.evaluate", job)


def evaluate_in_child(job: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Load the model, predict every split and measure it; return the figures worth a glance."""
    progress(0, 1, "TensorFlow starts", False)
    start_tensorflow(job["threads"])
    import keras

    model = keras.saving.load_model(job["model"], safe_mode=True)
    output, prepared = Path(job["output"]), Path(job["prepared"])
    splits = {split: load_split(prepared, split) for split in SPLITS}
    total = sum(len(labels) for _, labels in splits.values())
    done = 0
    metrics: dict[str, Any] = {}
    milliseconds: dict[str, float] = {}
    for split, (images, labels) in splits.items():
        for size in {min(BATCH, len(images)), len(images) % BATCH or BATCH}:
            model.predict_on_batch(images[:size])  # so that no batch that is timed waits for tracing
        began = time.perf_counter()
        batches = []
        for start in range(0, len(images), BATCH):
            batches.append(model.predict_on_batch(images[start : start + BATCH]))
            progress(done + start, total, split, False)
        seconds = time.perf_counter() - began
        done += len(images)
        probabilities = np.concatenate(batches).astype(np.float32)
        save_array(output / f"{split}_probabilities.npy", probabilities)
        metrics[split] = measure(probabilities, labels)
        milliseconds[split] = round(1000 * seconds / len(images), 4)
    (output / "metrics.json").write_text(json.dumps(metrics, indent=1))
    accuracies = {f"{split}_accuracy": metrics[split]["accuracy"] for split in SPLITS}
    return accuracies | {"milliseconds_per_image": milliseconds, "threads": job["threads"]}


def measure(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the metrics of probabilities (n × classes) against labels (n).

    Accuracy with its 95 % Wilson interval, cross-entropy in nats, expected calibration error, the confusion matrix
    (rows are true classes), and for each class precision, recall and F1; `None` where a class was never there or never
    said.
    """
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((classes, classes), dtype=int)
    np.add.at(confusion, (labels, predicted), 1)
    hits = int(np.trace(confusion))
    of_label = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return {
        "images": len(labels),
        "accuracy": hits / len(labels),
        "accuracy_interval": wilson_interval(hits, len(labels)),
        "cross_entropy": float(-np.log(np.maximum(of_label, np.finfo(np.float32).tiny)).mean()),
        "calibration_error": calibration_error(probabilities, labels),
        "confusion": confusion.tolist(),
        "classes": [_class_metrics(confusion, index) for index in range(classes)],
    }


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected calibration error over 15 equal bins of confidence.

    The mean distance between confidence and accuracy in a bin, weighted by the bin's images; Guo et al., "On
    Calibration of Modern Neural Networks" (2017), https://arxiv.org/abs/1706.04599, equation 3.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    distance = np.bincount(bins, weights=right - confidence, minlength=BINS)
    return float(np.abs(distance).sum() / len(labels))


def _class_metrics(confusion: np.ndarray, index: int) -> dict[str, Any]:
    hits, there, said = confusion[index, index], confusion[index].sum(), confusion[:, index].sum()
    return {
        "images": int(there),
        "precision": float(hits / said) if said else None,
        "recall": float(hits / there) if there else None,
        "f1": float(2 * hits / (there + said)) if there + said else None,
    }


if __name__ == "__main__":
    serve(evaluate_in_child)
