"""Evaluate: ask one trained network for its probabilities, in inference mode, and measure them.

Takes the trained network and the prepared splits. Makes `<split>_probabilities.npy` (float32, n × classes) for each of
them, `metrics.json`, and `layers.json`: what the network is built of. This is the one place where the test set is
opened, unless the splits are a fold's, which has none.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.artifacts.artifact import Artifact
from tasks.child import Child, cores
from tasks.metrics import measure
from tasks.node import node
from tasks.own_network import OwnNetwork, told_whole
from tasks.prepare import SPLITS, save_array
from tasks.progress import Progress
from tasks.serve import serve
from tasks.start import start_tensorflow
from tasks.train import load_split

if TYPE_CHECKING:
    import keras

Predict = Callable[[np.ndarray], Iterator[np.ndarray]]  # from images to probabilities (n × classes), part by part

FIRST = 100  # images
NORMALIZATIONS = tuple(f"{kind}Normalization" for kind in ("", "Batch", "Group", "Layer", "RMS"))
SHOWN = ("filters", "kernel_size", "pool_size", "units", "rate", "strides", "padding", "activation")  # of a layer


@node(libraries=("keras", "numpy", "tensorflow"), retries=2)
def evaluate(
    output: Path, *, train: Artifact, prepare: Artifact, inference: str, own_network: OwnNetwork | None, child: Child
) -> dict[str, Any]:
    """Fill the artifact with probabilities and metrics, by a child that may use all cores."""
    job = {
        "output": str(output),
        "model": str(train.folder / "model.keras"),
        "prepared": str(prepare.folder),
        "splits": splits_of(prepare),
        "threads": cores(),
        "inference": inference,
        "own_network": told_whole(own_network),
    }
    return child("tasks.evaluate", job)


def splits_of(prepare: Artifact) -> list[str]:
    """Return which splits there are."""
    return [split for split in SPLITS if split in prepare.facts["images"]]


def evaluate_in_child(job: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Load the model, predict every split and measure it; return the figures worth a glance."""
    progress(0, 1, "TensorFlow starts", False)
    start_tensorflow(job["threads"])
    import keras

    from tasks.parts import mirrored, predictor

    if job["own_network"]:
        OwnNetwork(**job["own_network"]).load()  # layers of its own, if it has registered any
    model = keras.saving.load_model(job["model"], safe_mode=True)
    with ThreadPoolExecutor(job["threads"]) as pool:
        predict = predictor(model, pool)
        if job["inference"] == "mirrored":
            predict = mirrored(predict)
        return measure_all(job, predict, layers_of(model, 2 if job["inference"] == "mirrored" else 1), progress)


def measure_all(
    job: dict[str, Any], predict: Predict, layers: list[dict[str, Any]], progress: Progress
) -> dict[str, Any]:
    """Fill the job's output with what `predict` says of every split, measured; return the figures worth a glance."""
    output, prepared = Path(job["output"]), Path(job["prepared"])
    splits = {split: load_split(prepared, split) for split in job["splits"]}
    total = sum(len(labels) for _, labels in splits.values())
    done = 0
    metrics: dict[str, Any] = {}
    milliseconds: dict[str, float] = {}
    for split, (images, labels) in splits.items():
        list(predict(images[:FIRST]))  # so that none that is timed waits for a library to get ready
        began = time.process_time()
        parts = []
        for part in predict(images):
            parts.append(part)
            done += len(part)
            progress(done, total, split, False)
        seconds = time.process_time() - began  # of all its threads, whoever else is at work
        probabilities = np.concatenate(parts).astype(np.float32)
        save_array(output / f"{split}_probabilities.npy", probabilities)
        metrics[split] = measure(probabilities, labels)
        milliseconds[split] = round(1000 * seconds / len(images), 4)
    (output / "metrics.json").write_text(json.dumps(metrics, indent=1))
    (output / "layers.json").write_text(json.dumps(layers, indent=1))
    accuracies = {f"{split}_accuracy": metrics[split]["accuracy"] for split in splits}
    return accuracies | {"milliseconds_per_image": milliseconds, "threads": job["threads"]}


def layers_of(model: "keras.Model", passes: int = 1) -> list[dict[str, Any]]:
    """Return each layer's type, settings, output shape (without the batch), parameters and multiply-adds an image.

    Multiply-adds are those of kernels, in all passes: each is used once at every place of the output, as in
    convolutions and dense layers. `None` of other layers with weights, but for normalizations, which only scale.
    """
    return [
        {
            "type": type(layer).__name__,
            "settings": {name: value for name, value in layer.get_config().items() if name in SHOWN},
            "shape": list(layer.output.shape[1:]),
            "parameters": layer.count_params(),
            "multiply_adds": _multiply_adds(layer, passes),
        }
        for layer in model.layers
        if type(layer).__name__ != "InputLayer"
    ]


def _multiply_adds(layer: "keras.layers.Layer", passes: int) -> int | None:
    name = type(layer).__name__
    if name in ("Dense", "Conv1D", "Conv2D", "DepthwiseConv2D"):
        return passes * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    return None if layer.count_params() and name not in NORMALIZATIONS else 0


if __name__ == "__main__":
    serve(evaluate_in_child)
