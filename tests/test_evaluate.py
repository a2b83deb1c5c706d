import pytest

from tasks.evaluate import layers_of
from tasks.registry import networks

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


def test_a_mirrored_image_costs_two_passes_and_of_unknown_layers_nothing_is_claimed():
    from keras import Input, Sequential, layers

    image, known = Input((28, 28, 1)), layers.Conv2D(4, 3)
    unknown, scaling = layers.SeparableConv2D(4, 3), layers.BatchNormalization()
    described = layers_of(Sequential([image, known, scaling, unknown]), passes=2)
    assert [layer["multiply_adds"] for layer in described] == [2 * 26 * 26 * 4 * 9, 0, None]


@pytest.mark.parametrize("name", list(networks()))
def test_the_layers_parameters_add_up_to_the_networks(name):
    model = networks()[name].build()
    assert sum(layer["parameters"] for layer in layers_of(model)) == model.count_params()
