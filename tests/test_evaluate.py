import pytest

from tasks.evaluate import layers_of
from tasks.networks import NETWORKS

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_the_layers_are_described_as_they_are_built():
    from keras import Input, Sequential, layers

    model = Sequential([Input((28, 28, 1)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(10)])
    convolution, flat, dense = layers_of(model)
    assert (convolution["type"], convolution["shape"]) == ("Conv2D", [26, 26, 4])
    assert (convolution["settings"]["filters"], convolution["settings"]["activation"]) == (4, "relu")
    assert (convolution["parameters"], convolution["multiply_adds"]) == (4 * 9 + 4, 26 * 26 * 4 * 9)
    assert (flat["settings"], flat["parameters"], flat["multiply_adds"]) == ({}, 0, 0)
    assert (dense["parameters"], dense["multiply_adds"]) == (27040 + 10, 27040)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_layers_parameters_add_up_to_the_networks(name):
    model = NETWORKS[name].build()
    assert sum(layer["parameters"] for layer in layers_of(model)) == model.count_params()
