"""Baseline: the article's first network, three convolutions and one pooling. It overfits there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

EPOCHS = {"fast": 3, "article": 20, "smoke": 1}


def build(filters: int = 32, dense_width: int = 128) -> keras.Model:
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
