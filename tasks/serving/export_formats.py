"""The formats beside Keras's own: how each is written, and run, and whether it answers as the model was evaluated."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.formatting import count, percent
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.user_module import said
from tasks.serving.raw_model import in_float32, raw_model

if TYPE_CHECKING:
    import keras

FULL = 1 << 20  # bytes: with less left, a disk is full
CHUNK = 500  # images that are predicted together
TOLERANCE = 0.001  # share of the predictions that may differ where a format computes in another precision; or one
Answer = Callable[[np.ndarray], Any]  # from pixels (float32, n × 28 × 28 × 1, 0 to 255) to probabilities (n × classes)


@dataclass(frozen=True)
class Check:
    """How an exported model's answers on the test images compare with the evaluation's."""

    images: int
    differing: int  # predictions
    largest: float  # difference of two probabilities
    accuracy: float

    def __str__(self) -> str:
        """Return it as a sentence has it."""
        apart = f"probabilities differ by {self.largest:.2g} at most" if self.largest else "all probabilities are equal"
        differing = f"{count(self.differing)} of {count(self.images)} predictions differ"
        return f"accuracy {percent(self.accuracy)}, {differing}, {apart}"


@dataclass(frozen=True)
class Format:
    """One that Keras's own export writes."""

    file: str
    name: str  # that Keras has for it
    about: str
    needs: tuple[str, ...]  # distributions
    float32: bool  # what runs it has no bfloat16
    load: Callable[[Path], Answer]


def check(file: str, answers: np.ndarray, expected: np.ndarray, labels: np.ndarray, tolerated: float = 0) -> Check:
    """Compare probabilities (n × classes) with those of the evaluation, by the images' labels (n).

    Raises:
        RunError: more predictions than this differ.
    """
    predicted = answers.argmax(axis=1)
    differing = int((predicted != expected.argmax(axis=1)).sum())
    if differing > tolerated:
        remedy = "if that was another machine's, python flows/main.py --force evaluate evaluates it here"
        if tolerated:
            remedy = f"at most {tolerated:.0f} may differ; it computes in float32, so train with --precision float32"
        raise RunError(
            f"{file} is not handed over: it predicts another class than the evaluation for {count(differing)} of the "
            f"{count(len(labels))} test images; {remedy}"
        )
    largest = float(np.abs(answers - expected).max())
    return Check(len(labels), differing, largest, float((predicted == labels).mean()))


def check_installed(formats: Iterable[str]) -> None:
    """Check that what these formats need is there.

    Raises:
        UserError: it is not.
    """
    for needed in (distribution for name in formats for distribution in FORMATS[name].needs):
        if not list(Distribution.discover(name=needed)):
            raise UserError(f"{needed} is not installed; install it with `make extras`")


def write(name: str, trained: keras.Model, tta: str, folder: Path) -> None:
    """Write a trained network in this format, taking raw pixels, into the folder.

    Raises:
        RunError: Keras cannot, such as with a user's own layers.
        OSError: there is no room.
    """
    import keras

    wanted = FORMATS[name]
    try:
        model = raw_model(in_float32(trained) if wanted.float32 else trained, tta)
        taken = keras.InputSpec(shape=model.input_shape, dtype="float32", name="pixels")
        with warnings.catch_warnings(action="ignore"):  # of what Keras itself uses
            model.export(str(folder / wanted.file), format=wanted.name, input_signature=[taken], verbose=False)
    except OSError:
        raise
    except Exception as error:
        if shutil.disk_usage(folder).free < FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise RunError(f"Keras cannot write {trained.name} as {name}: {said(error)}") from error


def answers_of(name: str, folder: Path, pixels: np.ndarray) -> np.ndarray:
    """Return what the written model says of pixels (uint8, n × 28 × 28): probabilities (float32, n × classes).

    Raises:
        RunError: it does not run.
    """
    wanted = FORMATS[name]
    try:
        answer = wanted.load(folder / wanted.file)
        chunks = (pixels[start : start + CHUNK] for start in range(0, len(pixels), CHUNK))
        return np.concatenate([answer(chunk[..., None].astype(np.float32)) for chunk in chunks])
    except Exception as error:
        raise RunError(f"{wanted.file} does not run: {said(error)}") from error


def _load_onnx(path: Path) -> Answer:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    return lambda pixels: session.run(None, {taken.name: pixels})[0]


def _load_saved_model(path: Path) -> Answer:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return lambda pixels: loaded.serve(pixels).numpy()


def _load_tflite(path: Path) -> Answer:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    def answer(pixels: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(taken["index"], pixels.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], pixels)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return answer


FORMATS = {
    "onnx": Format(
        "model.onnx", "onnx", "for ONNX Runtime", ("tf2onnx", "onnx", "onnxruntime"), float32=True, load=_load_onnx
    ),
    "saved_model": Format(
        "saved_model", "tf_saved_model", "for TensorFlow Serving", (), float32=False, load=_load_saved_model
    ),
    "tflite": Format(
        "model.tflite", "litert", "for phones (LiteRT)", ("ai-edge-litert",), float32=True, load=_load_tflite
    ),
}
