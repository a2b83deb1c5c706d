"""Custom: a network that a function in a user's own file builds, held to what the others are held to."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.pipeline.errors import UserError
from tasks.pipeline.user_module import EXPECTED, UserFunction

if TYPE_CHECKING:
    import keras

IMAGE, CLASSES = (28, 28, 1), 10
SAID = 200  # characters of another's message
ROUNDING = 0.02  # by which ten probabilities in bfloat16 may miss one


def build(custom: UserFunction) -> keras.Model:
    """Build the model.

    Raises:
        RunError: the file is no longer what it was.
        UserError: the file or the function fails, or what it returns is no such model.
    """
    import keras

    model = custom.call()
    if not isinstance(model, keras.Model):
        raise _misfit(custom, f"returns {type(model).__name__}")
    if not model.built or not hasattr(model, "input_shape"):  # of a class of one's own, not even then
        raise _misfit(custom, "does not say what its model takes: begin it with keras.Input")
    if model.input_shape != (None, *IMAGE):
        raise _misfit(custom, f"takes {_shape(model.input_shape)}")
    if model.output_shape != (None, CLASSES):
        raise _misfit(custom, f"gives {_shape(model.output_shape)}")
    _check_probabilities(custom, model)
    _check_loading(custom, model)
    return model


def _check_probabilities(custom: UserFunction, model: keras.Model) -> None:
    images = np.random.default_rng(0).random((8, *IMAGE), dtype=np.float32)
    given = np.asarray(model(images, training=False), np.float32)
    sums = given.sum(axis=1)
    if not (given >= 0).all() or not np.allclose(sums, 1, atol=ROUNDING):
        raise _misfit(custom, f"gives numbers from {given.min():.3g}, which add up to {sums[0]:.3g} for an image")


def _check_loading(custom: UserFunction, model: keras.Model) -> None:
    """Save the model and load it, as the evaluation will, before a training is spent on it."""
    import keras

    with tempfile.TemporaryDirectory() as scratch:
        try:
            model.save(Path(scratch) / "model.keras")
            keras.saving.load_model(Path(scratch) / "model.keras", safe_mode=True)
        except Exception as error:
            said = next(iter(str(error).strip().splitlines()), "")[:SAID]
            raise UserError(
                f"{custom.path}: what {custom.function} builds cannot be loaded once it is saved ({said}); register "
                "layers of its own with @keras.saving.register_keras_serializable(), give them get_config, and use "
                "no Lambda"
            ) from error


def _misfit(custom: UserFunction, what: str) -> UserError:
    return UserError(f"{custom.path}: {custom.function} {what}; {EXPECTED}")


def _shape(shape: tuple[int | None, ...]) -> str:
    return "×".join("any" if size is None else str(size) for size in shape[1:])
