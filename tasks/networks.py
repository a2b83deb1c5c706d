"""The networks: a function each that builds a Keras model, with its recipe's epochs beside it.

Two are the article's: 3×3 convolutions without padding, ReLU, 2×2 max pooling, a dense layer of 128, ten
probabilities; one is the floor that a network has to beat. The softmax stays in float32 under mixed precision. To add a
network, add a function here: nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Network:
    """An architecture and how many epochs each preset gives it."""

    build: Callable[[], keras.Model]
    epochs: dict[str, int]


NETWORKS: dict[str, Network] = {}
TREES = "xgboost"  # a contestant that is no network: tasks/boosting.py
OWN_EPOCHS = {"fast": 10, "article": 20, "smoke": 1}  # of a user's own network: tasks/own_network.py
TREES_FROM = "xgboost" if sys.platform == "darwin" else "xgboost-cpu"  # the distribution


def network(*, fast: int, article: int, smoke: int) -> Callable[[Callable[[], keras.Model]], Callable[[], keras.Model]]:
    """Register a builder under its own name, with its epochs by preset."""

    def register(build: Callable[[], keras.Model]) -> Callable[[], keras.Model]:
        NETWORKS[build.__name__] = Network(build, {"fast": fast, "article": article, "smoke": smoke})
        return build

    return register


@network(fast=3, article=20, smoke=1)
def baseline() -> keras.Model:
    """Build three convolutions and one pooling: 2,076,554 parameters, most of them in the dense layer."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax", dtype="float32"),
        ],
        name="baseline",
    )


@network(fast=16, article=30, smoke=1)
def dropout() -> keras.Model:
    """Build the baseline with a pooling more and half of the activations dropped twice: 503,690 parameters."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
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
