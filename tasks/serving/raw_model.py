"""The model that is handed over: it takes raw pixels, and answers as it was evaluated."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.user_module import UserFunction, said
from tasks.serving.selection import SelectedModel
from tasks.training.saving import load_model
from tasks.training.tensorflow import begin

if TYPE_CHECKING:
    import keras

TRAINED = "model.keras"  # the file of a training
BRIGHTEST = 255.0


def load_trained(selected: SelectedModel) -> tuple[keras.Model, UserFunction | None]:
    """Load a trained network, always under the same names; and the user's file, if it cannot be loaded without.

    Raises:
        UserError, RunError: the user's file fails, or is no longer what it was; or Keras cannot load the model.
    """
    import keras

    keras.utils.clear_session()  # numbers what is built from here on anew
    keras.saving.get_custom_objects().clear()
    sys.modules.pop(UserFunction.module, None)
    path, precision = selected.train.folder / TRAINED, precision_of(selected)
    try:
        return load_model(path, precision), None
    except Exception as error:  # whatever Keras raises where it does not know a layer
        own = selected.own_network
        if not own:
            raise _unloadable(path, error) from error
    try:
        return load_model(path, precision, own), own
    except (RunError, UserError):
        raise
    except Exception as error:
        raise _unloadable(path, error) from error


def _unloadable(path: Path, error: Exception) -> RunError:
    return RunError(f"{path} cannot be loaded: {said(error)}")


def precision_of(selected: SelectedModel) -> str:
    """Return the precision that a network was trained in."""
    return selected.train.manifest["cache_key"]["settings"]["precision"]


def raw_model(trained: keras.Model, tta: str) -> keras.Model:
    """Return a model of raw pixels, float32 (n × 28 × 28 × 1, 0 to 255), that gives the probabilities (n × classes).

    Keras itself casts other types of numbers, and adds the last axis. The pixels are divided, as `prepare` does it: a
    layer that multiplies gives other bits.
    """
    import keras
    from keras import ops

    pixels = keras.Input(trained.input_shape[1:], dtype="float32", name="pixels")
    images = ops.divide(pixels, BRIGHTEST)
    probabilities = ops.cast(trained(images), "float32")
    if tta == "flip":
        mirrored = ops.cast(trained(ops.flip(images, axis=2)), "float32")
        probabilities = ops.divide(ops.add(probabilities, mirrored), 2.0)
    return keras.Model(pixels, probabilities, name=f"{trained.name}_of_pixels")


def in_float32(trained: keras.Model) -> keras.Model:
    """Return the same network, of the same weights, that computes in float32 throughout.

    Raises:
        Exception: it cannot be built anew; whatever Keras raises then.
    """
    import keras

    def converted(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config(layer.get_config() | {"dtype": "float32"})

    begin(0, "float32")
    clone = keras.models.clone_model(trained, clone_function=converted)
    clone.set_weights(trained.get_weights())
    return clone
