"""Evaluate: take one trained network's probabilities, in inference mode, and measure them.

Takes the trained network and the prepared splits. Makes `<split>_probabilities.npy` (float32, n × classes) for each of
them, `metrics.json`, and `layers.json`: what the network is built of. This is the one place where the test set is
opened, unless the splits are a fold's, which has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.evaluation.predictions import Predict, measure_all
from tasks.pipeline.node import node
from tasks.pipeline.provenance import cores
from tasks.training.saving import load_model
from tasks.training.tensorflow import start_tensorflow

if TYPE_CHECKING:
    import keras

    from tasks.pipeline.artifact import Artifact
    from tasks.pipeline.progress import Progress
    from tasks.pipeline.user_module import UserFunction

NORMALIZATIONS = tuple(f"{kind}Normalization" for kind in ("", "Batch", "Group", "Layer", "RMS"))
WITH_KERNEL = ("Dense", "Conv1D", "Conv2D", "DepthwiseConv2D")
SHOWN = ("filters", "kernel_size", "pool_size", "units", "rate", "strides", "padding", "activation")  # of a layer


@node(libraries=("keras", "numpy", "tensorflow"))
def evaluate(
    output: Path,
    *,
    network_module: ModuleType,  # noqa: ARG001 (layers of its own are registered)
    train: Artifact,
    prepare: Artifact,
    precision: str,
    tta: str,
    own_network: UserFunction | None,
    progress: Progress,
) -> dict[str, Any]:
    """Fill the artifact with probabilities and metrics, on all cores."""
    start_tensorflow(cores())
    from tasks.training.train_step import Predictor

    model = load_model(train.folder / "model.keras", precision, own_network)
    with ThreadPoolExecutor(cores()) as pool:
        predict: Predict = Predictor(model, pool)
        if tta == "flip":
            predict = mean_over_flips(predict)
        layers = layers_of(model, passes=2 if tta == "flip" else 1)
        return measure_all(output, prepare, predict, layers, cores(), progress)


def mean_over_flips(predict: Predict) -> Predict:
    """Return a function that yields, chunk by chunk, the mean over each image and its mirror image."""

    def of(images: np.ndarray) -> Iterator[np.ndarray]:
        for one, other in zip(predict(images), predict(images[:, :, ::-1]), strict=True):
            yield (one + other) / 2

    return of


def layers_of(model: keras.Model, passes: int = 1) -> list[dict[str, Any]]:
    """Return each layer's type, settings, output shape (without the batch), parameters and multiply-adds an image.

    Of several outputs the shape is the first one's; it is empty where a layer is not used as such, but by another.
    Multiply-adds are those of kernels, in all passes: each is used once at every place of the output, as in
    convolutions and dense layers. `None` of other layers with weights, but for normalizations, which only scale.
    """
    import keras

    described = []
    for layer in model.layers:
        name, outputs = type(layer).__name__, keras.tree.flatten(getattr(layer, "output", []))
        shape = list(outputs[0].shape[1:]) if outputs else []
        multiply_adds = None if layer.count_params() and name not in NORMALIZATIONS else 0
        if name in WITH_KERNEL and shape and None not in shape:
            multiply_adds = passes * math.prod(layer.kernel.shape) * math.prod(shape[:-1])
        settings = {name: value for name, value in layer.get_config().items() if name in SHOWN}
        described.append(
            {
                "type": name,
                "settings": settings,
                "shape": shape,
                "parameters": layer.count_params(),
                "multiply_adds": multiply_adds,
            }
        )
    return [of_layer for of_layer in described if of_layer["type"] != "InputLayer"]
