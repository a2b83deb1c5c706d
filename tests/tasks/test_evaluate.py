import pytest

from tasks.evaluate import layers_of
from tasks.settings.models import networks

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


def test_of_several_outputs_the_first_is_told_and_of_any_size_no_cost_is_claimed():
    from keras import Input, Model, layers, ops

    image = Input((28, 28, 1))
    rows, last, _ = layers.LSTM(8, return_sequences=True, return_state=True)(layers.Reshape((28, 28))(image))
    sized = layers.Conv1D(4, 3)(rows)
    resized = layers.Conv1D(4, 3)(ops.reshape(rows, (-1, ops.shape(image)[0], 8)))
    described = layers_of(Model(image, [last, sized, resized]))
    shapes = {layer["type"]: layer["shape"] for layer in described}
    assert shapes["LSTM"] == [28, 8]
    costs = [(layer["shape"], layer["multiply_adds"]) for layer in described if layer["type"] == "Conv1D"]
    assert costs == [([26, 4], 26 * 4 * 3 * 8), ([None, 4], None)]


@pytest.mark.parametrize("name", list(networks()))
def test_the_layers_parameters_add_up_to_the_networks(name):
    model = networks()[name].build()
    assert sum(layer["parameters"] for layer in layers_of(model)) == model.count_params()
