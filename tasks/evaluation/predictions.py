"""Predictions: what a model says of every split, written down and measured."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data.images import save_array
from tasks.data.splits import SPLITS, load_split
from tasks.evaluation.metrics import measure
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.progress import Progress

Predict = Callable[[np.ndarray], Iterator[np.ndarray]]  # from images to probabilities (n × classes), chunk by chunk
FIRST = 100  # images
FILE = "{}_probabilities.npy"  # of a split


def measure_all(
    output: Path, prepare: Artifact, predict: Predict, layers: list[dict[str, Any]], threads: int, progress: Progress
) -> dict[str, Any]:
    """Fill the output with what `predict` says of every prepared split, measured; return the summary."""
    splits = [split for split in SPLITS if split in prepare.summary["images"]]
    done, total = 0, sum(prepare.summary["images"].values())
    metrics: dict[str, dict[str, Any]] = {}
    milliseconds: dict[str, float] = {}
    for split in splits:
        images, labels = load_split(prepare.folder, split)
        list(predict(images[:FIRST]))  # so that none that is timed waits for a library to get ready
        began = time.process_time()
        chunks = []
        for chunk in predict(images):
            chunks.append(chunk)
            done += len(chunk)
            progress(done, total, split, False)
        seconds = time.process_time() - began  # of all its threads, whoever else is at work
        probabilities = np.concatenate(chunks).astype(np.float32)
        save_array(output / FILE.format(split), probabilities)
        metrics[split] = measure(probabilities, labels).model_dump()
        milliseconds[split] = round(1000 * seconds / len(images), 4)
    (output / "metrics.json").write_text(json.dumps(metrics, indent=1))
    (output / "layers.json").write_text(json.dumps(layers, indent=1))
    accuracies = {f"{split}_accuracy": metrics[split]["accuracy"]["value"] for split in splits}
    return accuracies | {"measured": {"milliseconds_per_image": milliseconds, "threads": threads}}


def load_probabilities(folder: Path, split: str) -> np.ndarray:
    """Return a network's probabilities for a split, float32 (n × classes), mapped into memory."""
    return np.load(folder / FILE.format(split), mmap_mode="r", allow_pickle=False)
