from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tasks.evaluate import layers_of, mean_over_flips
from tests.tasks.training.test_train_step import IMAGES, small, two_dropouts

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_the_layers_are_described_as_they_are_built_and_of_unknown_ones_nothing_is_claimed():
    from keras import Input, Sequential, layers

    model = Sequential([Input((28, 28, 1)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(10)])
    convolution, flat, dense = layers_of(model)
    assert (convolution["type"], convolution["shape"]) == ("Conv2D", [26, 26, 4])
    assert (convolution["settings"]["filters"], convolution["settings"]["activation"]) == (4, "relu")
    assert (convolution["parameters"], convolution["multiply_adds"]) == (4 * 9 + 4, 26 * 26 * 4 * 9)
    assert (flat["settings"], flat["parameters"], flat["multiply_adds"]) == ({}, 0, 0)
    assert (dense["parameters"], dense["multiply_adds"]) == (27040 + 10, 27040)
    scaling, unknown = layers.BatchNormalization(), layers.SeparableConv2D(4, 3)
    mirrored = layers_of(Sequential([Input((28, 28, 1)), layers.Conv2D(4, 3), scaling, unknown]), passes=2)
    assert [layer["multiply_adds"] for layer in mirrored] == [2 * 26 * 26 * 4 * 9, 0, None]


def test_the_probabilities_are_the_models_own_in_the_order_of_the_images_or_the_mean_with_their_mirror_images():
    from tasks.training.train_step import Predictor

    model = small(two_dropouts)
    images = np.concatenate([IMAGES] * 4)
    expected, mirrored = (model.predict(of, verbose=0) for of in (images, images[:, :, ::-1]))
    with ThreadPoolExecutor(2) as pool:
        predict = Predictor(model, pool)
        own, with_flips = (np.concatenate(list(of(images))) for of in (predict, mean_over_flips(predict)))
    assert own == pytest.approx(expected, abs=1e-6)
    assert with_flips == pytest.approx((expected + mirrored) / 2, abs=1e-6)
