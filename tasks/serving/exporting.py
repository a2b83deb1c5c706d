"""Exporting: fill a folder with a trained model and what its user needs, check it, and only then put it in place."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from tasks.data.idx import read_idx
from tasks.evaluation.predictions import load_probabilities
from tasks.evaluation.xgboost import load_trees, predictor
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.provenance import cores
from tasks.pipeline.reading import sha256_of
from tasks.pipeline.staging import clean_up, staging
from tasks.pipeline.user_module import UserFunction
from tasks.serving.example import example_with_keras, example_with_xgboost
from tasks.serving.export_formats import FORMATS, TOLERANCE, Check, answers_of, check, check_installed, write
from tasks.serving.model_card import model_card
from tasks.serving.raw_model import TRAINED, load_trained, precision_of, raw_model
from tasks.serving.selection import SelectedModel
from tasks.training.saving import load_model, save_model
from tasks.training.tensorflow import start_tensorflow
from tasks.training.xgboost import MODEL, XGBOOST

CARD, CHECKSUMS, LABELS, EXAMPLE = "README.md", "SHA256SUMS", "labels.json", "example.py"
OWN_FILE = f"{UserFunction.module}.py"
Step = Callable[[str], None]  # gets what is done now


@dataclass
class Export:
    """A folder that is being filled."""

    selected: SelectedModel
    folder: Path
    step: Step
    files: dict[str, str] = field(default_factory=dict)  # what each is
    checks: dict[str, Check] = field(default_factory=dict)  # of each model among them
    notes: list[str] = field(default_factory=list)  # what to know to load them

    @cached_property
    def pixels(self) -> np.ndarray:
        """The test images of the comparison as their file has them, uint8 (n × 28 × 28)."""
        return self._of_test("images")

    def _of_test(self, what: str) -> np.ndarray:
        download, prepare = self.selected.download, self.selected.prepare
        indices = np.load(prepare.folder / "test_indices.npy", allow_pickle=False)
        return read_idx(download.folder / self.selected.data_set.files[f"test_{what}"].name)[indices]

    def check(self, file: str, answers: np.ndarray, tolerated: float = 0) -> None:
        """Compare answers on the test images (n × classes) with those of the evaluation, and note how they differ.

        Raises:
            RunError: too many predictions differ.
        """
        expected = load_probabilities(self.selected.evaluate.folder, "test")
        self.checks[file] = check(file, answers, expected, self._of_test("labels"), tolerated)


def export(selected: SelectedModel, parent: Path, formats: Sequence[str], step: Step) -> Export:
    """Export a model into a new folder of that parent, in these formats too.

    Raises:
        UserError: the folder exists, or a format cannot be had.
        RunError: a model that was written does not answer as it was evaluated; nothing is left of the folder.
    """
    target = parent / selected.name
    _check_free(target)
    if formats and selected.network == XGBOOST:
        raise UserError(f"--format {formats[0]} needs a network, and {selected.name} is none: leave it out")
    check_installed(formats)
    parent.mkdir(parents=True, exist_ok=True)
    clean_up(parent)
    with staging(target) as (staged, _), _temporary_files_in(staged):
        _check_free(target)  # another one may have made it meanwhile
        made = Export(selected, staged / selected.name, step)
        made.folder.mkdir()
        program = _put_trees(made) if selected.network == XGBOOST else _put_network(made, formats)
        _describe(made, program)
        made.folder.rename(target)
    made.folder = target
    return made


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Have what libraries leave of their temporary files removed with the folder."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _check_free(target: Path) -> None:
    if os.path.lexists(target):
        raise UserError(f"{target} exists; delete it, or choose another --output")


def _put_network(made: Export, formats: Sequence[str]) -> str:
    """Write the network in all formats, each checked; return the example."""
    selected, folder = made.selected, made.folder
    made.step("starting TensorFlow")
    start_tensorflow(cores())
    trained, own = load_trained(selected)
    flips = ", without test-time augmentation" if selected.tta == "flip" else ""
    made.files |= {
        "model.keras": "the model: takes raw pixels, 0 to 255, integers or floats",
        "trained.keras": f"the model as it was trained: takes pixels divided by 255{flips}",
    }
    save_model(raw_model(trained, selected.tta), folder / "model.keras")
    shutil.copyfile(selected.train.folder / TRAINED, folder / "trained.keras")
    precision = precision_of(selected)
    if own:
        _put_own_file(made, own)
    made.step("checking model.keras")
    loaded = load_model(folder / "model.keras", precision if own else "float32", own)  # as a stranger does
    made.check("model.keras", loaded.predict(made.pixels, verbose=0))
    for name in dict.fromkeys(formats):
        wanted = FORMATS[name]
        made.step(f"writing {wanted.file}")
        write(name, trained, selected.tta, folder)
        made.step(f"checking {wanted.file}")
        made.check(wanted.file, answers_of(name, folder, made.pixels), max(1, TOLERANCE * len(made.pixels)))
        single = "; computes in float32" if wanted.float32 and precision != "float32" else ""
        made.files[wanted.file] = f"{wanted.about}: takes raw pixels as float32, n × 28 × 28 × 1{single}"
    made.notes += [
        "The backend is TensorFlow, unless `KERAS_BACKEND` names another (jax, torch), which rounds differently.",
        "It takes n × 28 × 28 or n × 28 × 28 × 1 pixels. Keep to one of the two: after the first `predict` with one, "
        "Keras refuses the other.",
        "Use `predict`: calling the model itself rounds differently.",
        "`example.py` prepares pictures more simply than the project's `flows/predict.py`, warns of nothing, and takes "
        "8-bit pictures without transparency.",
    ]
    return example_with_keras(own, precision)


def _put_own_file(made: Export, own: UserFunction) -> None:
    """Copy the user's file, which registers the layers of the model.

    Raises:
        RunError: it is no longer what it was.
    """
    copy = made.folder / OWN_FILE
    shutil.copyfile(own.path, copy)
    if sha256_of(copy) != own.sha256:
        raise RunError(f"{own.path} has changed since the training; run its comparison again")
    made.files[OWN_FILE] = f"the code of the model's layers, {own.path.name} when it was trained"
    made.notes.append(f"Import `{OWN_FILE}` before you load the model: it registers the layers.")


def _put_trees(made: Export) -> str:
    """Copy the trees, checked; return the example."""
    made.files[MODEL] = "the model, for XGBoost: takes 784 pixels divided by 255, row by row"
    shutil.copyfile(made.selected.train.folder / MODEL, made.folder / MODEL)
    made.step(f"checking {MODEL}")
    images = made.pixels / np.float32(255)
    made.check(MODEL, np.concatenate(list(predictor(load_trees(made.folder / MODEL))(images))))
    return example_with_xgboost()


def _describe(made: Export, program: str) -> None:
    """Write what goes with the model: names of the classes, example, card and, at last, the checksums."""
    made.files |= {
        LABELS: "the names of the classes, in the order of the probabilities",
        EXAMPLE: "a program that says what pictures show",
        CARD: "the model card: how good it is, how it was chosen, its limits",
        CHECKSUMS: f"checksums: sha256sum -c {CHECKSUMS}",
    }
    names = json.dumps(made.selected.data_set.class_names, ensure_ascii=False, indent=1)
    texts = {LABELS: f"{names}\n", EXAMPLE: program}
    texts[CARD] = model_card(made.selected, made.files, made.checks, made.notes, program)
    for name, text in texts.items():
        (made.folder / name).write_text(text, encoding="utf-8")
    paths = sorted(path for path in made.folder.rglob("*") if path.is_file())
    sums = [f"{sha256_of(path)}  {path.relative_to(made.folder).as_posix()}\n" for path in paths]
    (made.folder / CHECKSUMS).write_text("".join(sums))
