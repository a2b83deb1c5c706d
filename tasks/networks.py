"""The networks: a function each that builds a Keras model, with its recipe's epochs beside it.

Two are the article's: 3×3 convolutions without padding, ReLU, 2×2 max pooling, a dense layer of 128, ten
probabilities; one is the floor that a network has to beat; one is deeper, as the article suggests next. The softmax
stays in float32 under mixed precision. To add a network, add a function here: nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Network:
    """An architecture, how many epochs each preset gives it, and what of its recipe is not the preset's.

    What the builder takes are settings that shape the architecture: without them it is as its docstring says.
    """

    build: Callable[..., keras.Model]
    epochs: dict[str, int]
    recipe: dict[str, Any]


NETWORKS: dict[str, Network] = {}
TREES = "xgboost"  # a contestant that is no network: tasks/boosting.py
OWN_EPOCHS = {"fast": 10, "article": 20, "smoke": 1}  # of a user's own network: tasks/own_network.py
TREES_FROM = "xgboost" if sys.platform == "darwin" else "xgboost-cpu"  # the distribution


def network(
    *, fast: int, article: int, smoke: int, **recipe: Any
) -> Callable[[Callable[..., keras.Model]], Callable[..., keras.Model]]:
    """Register a builder under its own name, with its epochs by preset, and settings that no preset changes."""

    def register(build: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
        NETWORKS[build.__name__] = Network(build, {"fast": fast, "article": article, "smoke": smoke}, recipe)
        return build

    return register


@network(fast=3, article=20, smoke=1)
def baseline(filters: int = 32, dense_width: int = 128) -> keras.Model:
    """Build three convolutions and one pooling: 2,076,554 parameters, most of them in the dense layer."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((28, 28, 1)),
            layers.Conv2D(filters, 3, activation="relu"),
            layers.Conv2D(2 * filters, 3, activation="relu"),
            layers.Conv2D(4 * filters, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(dense_width, activation="relu"),
            layers.Dense(10, activation="softmax", dtype="float32"),
        ],
        name="baseline",
    )


@network(fast=16, article=30, smoke=1)
def dropout(filters: int = 32, dense_width: int = 128, dropout_rate: float = 0.5) -> keras.Model:
    """Build the baseline with a pooling more and half of the activations dropped twice: 503,690 parameters."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((28, 28, 1)),
            layers.Conv2D(filters, 3, activation="relu"),
            layers.Conv2D(2 * filters, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(dropout_rate),
            layers.Conv2D(4 * filters, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(dropout_rate),
            layers.Flatten(),
            layers.Dense(dense_width, activation="relu"),
            layers.Dense(10, activation="softmax", dtype="float32"),
        ],
        name="dropout",
    )


@network(fast=10, article=20, smoke=1)
def logistic() -> keras.Model:
    """Build multinomial logistic regression, 7,850 parameters: what can be had without a hidden layer."""
    from keras import Input, Sequential, layers

    return Sequential(
        [Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, activation="softmax", dtype="float32")],
        name="logistic",
    )


@network(fast=30, article=20, smoke=1, augmentation="flip-shift-erase", label_smoothing=0.1, inference="mirrored")
def residual(filters: int = 32) -> keras.Model:
    """Build ten convolutions with batch normalization, six of them in three residual blocks: 1,943,722 parameters.

    After He et al. (2016), https://arxiv.org/abs/1512.03385, wide and shallow: fast on few cores.
    """
    from keras import Input, Model, layers

    def convolved(features: keras.KerasTensor, count: int, pooled: bool = False) -> keras.KerasTensor:
        features = layers.Conv2D(count, 3, padding="same", use_bias=False)(features)
        if pooled:
            features = layers.MaxPooling2D()(features)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(features))

    image = Input((28, 28, 1))
    features = convolved(image, filters)
    for count in (2 * filters, 4 * filters, 8 * filters):
        features = convolved(features, count, pooled=True)
        features = layers.Add()([features, convolved(convolved(features, count), count)])
    features = layers.GlobalMaxPooling2D()(features)
    return Model(image, layers.Dense(10, activation="softmax", dtype="float32")(features), name="residual")
