import pytest

from tasks.settings.models import networks

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("baseline", 2_076_554), ("dropout", 503_690), ("logistic", 7_850), ("residual", 1_943_722)],
)
def test_a_network_has_as_many_parameters_as_before_and_in_mixed_precision_a_softmax_in_float32(name, parameters):
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = networks()[name].build()
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.count_params() == parameters
    assert model.output_shape == (None, 10)
    assert (model.compute_dtype, model.layers[-1].compute_dtype) == ("bfloat16", "float32")
