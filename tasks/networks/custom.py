"""Custom: a network that a function in a user's own file builds, held to what the others are held to."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.user_module import EXPECTED, UserFunction, said
from tasks.training.saving import load_model
from tasks.training.tensorflow import begin

if TYPE_CHECKING:
    import keras

IMAGE, CLASSES = (28, 28, 1), 10
ROUNDING = 0.02  # by which ten probabilities in bfloat16 may miss one
TO_SAVE = (
    "register layers of its own with @keras.saving.register_keras_serializable(), give them get_config, make what they "
    "keep by add_weight, and use no Lambda"
)


def build(custom: UserFunction, seed: int, precision: str) -> keras.Model:
    """Build the model, with the weights that the seed gives.

    Raises:
        RunError: the file is no longer what it was.
        UserError: the file or the function fails, or what it returns is no such model.
    """
    model = custom.call()
    _check_kind(custom, model)
    begin(seed, precision)
    if not all(map(np.array_equal, model.get_weights(), custom.call().get_weights())):
        raise _misfit(custom, "starts from other weights each time: draw them by keras.random, or with a seed")
    given, repeatable = _probabilities(custom, model)
    sums = given.sum(axis=1)
    if not (given >= 0).all() or not np.allclose(sums, 1, atol=ROUNDING):
        raise _misfit(custom, f"gives numbers from {given.min():.3g}, which add up to {sums[0]:.3g} for an image")
    again, _ = _probabilities(custom, _load(custom, model, precision))
    if repeatable and not np.allclose(given, again, atol=ROUNDING):
        raise _misfit(custom, "builds what gives other probabilities once it is saved and loaded", TO_SAVE)
    return model


def _check_kind(custom: UserFunction, model: Any) -> None:
    import keras

    if not isinstance(model, keras.Model):
        raise _misfit(custom, f"returns {type(model).__name__}")
    takes, gives = (getattr(model, f"{which}_shape", None) for which in ("input", "output"))
    if (takes, gives) != ((None, *IMAGE), (None, CLASSES)):
        raise _misfit(custom, f"takes {takes} and gives {gives}; begin it with keras.Input")
    for method in ("train_step", "compute_loss"):
        if getattr(type(model), method) is not getattr(keras.Model, method):
            raise _misfit(custom, f"has a {method} of its own, which is not used here")


def _probabilities(custom: UserFunction, model: keras.Model) -> tuple[np.ndarray, bool]:
    """Return what it gives for eight images, in inference mode, and whether that is the same each time."""
    from tasks.training.train_step import Predictor

    images = np.random.default_rng(0).random((8, *IMAGE), dtype=np.float32)
    try:
        with ThreadPoolExecutor(1) as pool:
            predict = Predictor(model, pool)
            return np.concatenate(list(predict(images))), predict.repeatable
    except Exception as error:
        raise custom.fault(error) from error


def _load(custom: UserFunction, model: keras.Model, precision: str) -> keras.Model:
    """Save the model and load it, as the evaluation will, before a training is spent on it."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            model.save(Path(scratch) / "model.keras")
            return load_model(Path(scratch) / "model.keras", precision, custom)
        except RunError:
            raise
        except Exception as error:
            raise _misfit(custom, f"builds what cannot be loaded once it is saved ({said(error)})", TO_SAVE) from error


def _misfit(custom: UserFunction, what: str, remedy: str = EXPECTED) -> UserError:
    return UserError(f"{custom.path}: {custom.function} {what}; {remedy}")
