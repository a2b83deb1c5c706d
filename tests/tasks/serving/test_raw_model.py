from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tasks.evaluate import mean_over_flips
from tasks.evaluation.predictions import load_probabilities
from tasks.serving.raw_model import raw_model
from tasks.training.saving import save_model


def loaded(model, path):
    import keras

    save_model(model, path)
    keras.config.set_dtype_policy("float32")  # as with a stranger
    return keras.saving.load_model(path)


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1)])
@pytest.mark.parametrize("kind", ["uint8", "int64", "float16", "float64"])
def test_pixels_of_any_type_give_the_probabilities_of_the_evaluation(
    kind, shape, trained, selected, test_images, tmp_path
):
    given = test_images.reshape(-1, *shape).astype(kind)
    probabilities = loaded(raw_model(trained, "none"), tmp_path / "model.keras").predict(given, verbose=0)
    assert np.array_equal(probabilities, load_probabilities(selected.evaluate.folder, "test"))


def test_the_mean_over_mirror_images_is_part_of_the_model(trained, test_images, tmp_path):
    from tasks.training.train_step import Predictor

    with ThreadPoolExecutor(1) as pool:
        images = (test_images / np.float32(255))[..., None]
        expected = np.concatenate(list(mean_over_flips(Predictor(trained, pool))(images)))
    model = loaded(raw_model(trained, "flip"), tmp_path / "model.keras")
    assert np.array_equal(model.predict(test_images, verbose=0), expected)
