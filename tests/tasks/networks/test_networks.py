import pytest

from tasks.settings.models import networks

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("baseline", 2_076_554), ("dropout", 503_690), ("logistic", 7_850), ("residual", 1_943_722)],
)
def test_a_network_has_the_parameters_that_its_docstring_says(name, parameters):
    model = networks()[name].build()
    assert model.count_params() == parameters
    assert model.output_shape == (None, 10)


def test_the_softmax_stays_in_float32_under_mixed_precision():
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = networks()["dropout"].build()
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.layers[-1].compute_dtype == "float32"
    assert model.layers[0].compute_dtype == "bfloat16"
