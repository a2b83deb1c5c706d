from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tasks.evaluate import mean_over_flips
from tasks.serving.raw_model import in_float32, raw_model
from tasks.training.saving import save_model


def loaded(model, path):
    import keras

    save_model(model, path)
    keras.config.set_dtype_policy("float32")  # as with a stranger
    return keras.saving.load_model(path)


@pytest.mark.parametrize("kind", ["uint8", "int64", "float16", "float32", "float64"])
def test_pixels_of_any_type_give_the_probabilities_that_were_evaluated_bit_for_bit(
    kind, trained, pixels, evaluated, tmp_path
):
    model = loaded(raw_model(trained, "none"), tmp_path / "model.keras")
    for shaped in (pixels, pixels[..., None]):
        assert np.array_equal(model.predict(shaped.astype(kind), verbose=0), evaluated)


def test_the_mean_over_mirror_images_is_part_of_the_model(trained, pixels, tmp_path):
    from tasks.training.train_step import Predictor

    with ThreadPoolExecutor(1) as pool:
        images = (pixels / np.float32(255))[..., None]
        expected = np.concatenate(list(mean_over_flips(Predictor(trained, pool))(images)))
    model = loaded(raw_model(trained, "flip"), tmp_path / "model.keras")
    assert np.array_equal(model.predict(pixels, verbose=0), expected)


def test_the_model_is_saved_as_the_same_bytes_once_it_was_loaded(trained, tmp_path):
    save_model(loaded(raw_model(trained, "flip"), tmp_path / "first.keras"), tmp_path / "again.keras")
    assert (tmp_path / "again.keras").read_bytes() == (tmp_path / "first.keras").read_bytes()


def test_in_float32_the_weights_are_the_same_and_every_layer_computes_in_it(trained):
    clone = in_float32(trained)
    assert {layer.compute_dtype for layer in clone.layers} == {"float32"}
    assert all(map(np.array_equal, clone.get_weights(), trained.get_weights()))
