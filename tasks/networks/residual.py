"""Residual: a deeper network, as the article suggests next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

EPOCHS = {"fast": 30, "article": 20, "smoke": 1}
RECIPE = {"augmentation": "flip-shift-erase", "label_smoothing": 0.1, "tta": "flip"}


def build(filters: int = 32) -> keras.Model:
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
