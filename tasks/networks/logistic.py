"""Logistic regression: the floor that a network has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

EPOCHS = {"fast": 10, "article": 20, "smoke": 1}


def build() -> keras.Model:
    """Build multinomial logistic regression, 7,850 parameters: what can be had without a hidden layer."""
    from keras import Input, Sequential, layers

    return Sequential(
        [Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, activation="softmax", dtype="float32")],
        name="logistic",
    )
