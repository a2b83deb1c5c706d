"""Own network: a function in a user's own file that builds a Keras model, held to what the others are held to.

The file counts as a whole, by its SHA-256. So it stands alone: of this project it imports nothing, whose changes would
not be seen.
"""

from __future__ import annotations

import ast
import hashlib
import socket
import sys
import tempfile
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field

from tasks.artifacts.identity import PROJECT
from tasks.artifacts.syntax import parsed
from tasks.errors import RunError, UserError, sentence_of

if TYPE_CHECKING:
    import keras

IMAGE, CLASSES = (28, 28, 1), 10
EXPECTED = "expected is a Keras model that takes images of 28×28×1 and gives ten probabilities"
PROJECT_PACKAGES = ("flows", "tasks", "tests")
SAID = 200  # characters of another's message
ROUNDING = 0.02  # by which ten probabilities in bfloat16 may miss one


class OwnNetwork(BaseModel):
    """A user's function and the file that it is in."""

    model_config = ConfigDict(frozen=True)

    path: Path = Field(exclude=True)  # wherever it lies, it is the same network
    function: str
    sha256: str

    @classmethod
    def named(cls, path_and_function: str) -> Self:
        """Read what "my.py:build" names, without running it.

        Raises:
            UserError: it names no file and function, or the file cannot be used.
        """
        place, _, function = path_and_function.rpartition(":")
        if not place or not function.isidentifier():
            raise UserError(f"network_file {path_and_function!r}: name a file and a function in it, as in my.py:build")
        path = Path(place)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"network_file {path}: {(error.strerror or str(error)).lower()}") from error
        _insist_on_function(path, content, function)
        return cls(path=path, function=function, sha256=hashlib.sha256(content).hexdigest())

    def load(self) -> ModuleType:
        """Run the file, which may register what its model is made of.

        Raises:
            RunError: it is no longer what it was, or where it was.
            UserError: it fails; the message tells where.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise RunError(f"network_file {sentence_of(error)} (on {socket.gethostname()})") from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise RunError(f"{self.path} has changed since the run began; run again")
        module = ModuleType("own_network")
        module.__file__ = str(self.path)
        sys.modules[module.__name__] = module  # where a class that is saved is looked for
        try:
            exec(compile(content, self.path, "exec"), vars(module))  # noqa: S102 (the user's own code)
        except (Exception, SystemExit) as error:
            raise self._fault(error) from error
        return module

    def build(self) -> keras.Model:
        """Build the model.

        Raises:
            RunError: as `load`.
            UserError: the file or the function fails, or what it returns is no such model.
        """
        import keras

        function = getattr(self.load(), self.function)
        try:
            model = function()
        except (Exception, SystemExit) as error:
            raise self._fault(error) from error
        if not isinstance(model, keras.Model):
            raise self._misfit(f"returns {type(model).__name__}")
        if not model.built or not hasattr(model, "input_shape"):  # of a class of one's own, not even then
            raise self._misfit("does not say what its model takes: begin it with keras.Input")
        if model.input_shape != (None, *IMAGE):
            raise self._misfit(f"takes {_shape(model.input_shape)}")
        if model.output_shape != (None, CLASSES):
            raise self._misfit(f"gives {_shape(model.output_shape)}")
        self._insist_on_probabilities(model)
        self._insist_on_loading(model)
        return model

    def _insist_on_loading(self, model: keras.Model) -> None:
        """Save the model and load it, as the evaluation will, before a training is spent on it."""
        import keras

        with tempfile.TemporaryDirectory() as scratch:
            try:
                model.save(Path(scratch) / "model.keras")
                keras.saving.load_model(Path(scratch) / "model.keras", safe_mode=True)
            except Exception as error:
                said = next(iter(str(error).strip().splitlines()), "")[:SAID]
                raise UserError(
                    f"{self.path}: what {self.function} builds cannot be loaded once it is saved ({said}); register "
                    "layers of its own with @keras.saving.register_keras_serializable(), give them get_config, and use "
                    "no Lambda"
                ) from error

    def _insist_on_probabilities(self, model: keras.Model) -> None:
        import numpy as np

        images = np.random.default_rng(0).random((8, *IMAGE), dtype=np.float32)
        given = np.asarray(model(images, training=False), np.float32)
        sums = given.sum(axis=1)
        if not (given >= 0).all() or not np.allclose(sums, 1, atol=ROUNDING):
            raise self._misfit(f"gives numbers from {given.min():.3g}, which add up to {sums[0]:.3g} for an image")

    def _misfit(self, what: str) -> UserError:
        return UserError(f"{self.path}: {self.function} {what}; {EXPECTED}")

    def _fault(self, error: BaseException) -> UserError:
        """Return where in the file it failed, and how."""
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(self.path)]
        where = f", line {frames[-1].lineno}, in {frames[-1].name}" if frames else ""
        said = next(iter(str(error).strip().splitlines()), "")
        return UserError(f"{self.path}{where}: {type(error).__name__}: {said}; {EXPECTED}")


def told_whole(own: OwnNetwork | None) -> dict[str, str] | None:
    """Return what a child needs to know of it: the path too."""
    return {**own.model_dump(), "path": str(own.path)} if own else None


def _insist_on_function(path: Path, content: bytes, function: str) -> None:
    try:
        tree = parsed(content)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UserError(f"network_file {path}{line}: {getattr(error, 'msg', error)}") from error
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if function not in functions:
        there = f"; there are {', '.join(functions)}" if functions else ""
        raise UserError(f"network_file {path}: no function is called {function!r}{there}")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        imported = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for first in (name.partition(".")[0] for name in imported):
            beside = (folder / part for folder in (path.parent, PROJECT) for part in (first, f"{first}.py"))
            if first in PROJECT_PACKAGES or (first and any(place.exists() for place in beside)):
                raise UserError(
                    f"network_file {path}, line {node.lineno}: imports {first}, whose changes would not be seen; "
                    "copy what you need"
                )


def _shape(shape: tuple[int | None, ...]) -> str:
    return "×".join("any" if size is None else str(size) for size in shape[1:])
