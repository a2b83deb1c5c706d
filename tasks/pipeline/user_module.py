"""A user's own file of Python: named on the command line, counted as a whole by its SHA-256, and run in a worker.

It imports nothing of this project, and reads no other file of the user's: changes there would go unnoticed.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import os
import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

from pydantic import BaseModel, Field

from tasks.pipeline import PROJECT
from tasks.pipeline.errors import RunError, UserError, reason
from tasks.pipeline.reading import printable

EXPECTED = "expected is a Keras model that takes images of 28×28×1 and gives ten probabilities"
SAID = 200  # characters of another's message
SYSTEM = ("/dev/", "/etc/", "/proc/", "/sys/", "/usr/")

_running: list[Path] = []  # the file whose code runs now, if one does
_written: set[str] = set()  # what it has made itself, and may read again


class UserFunction(BaseModel, frozen=True):
    """A function of such a file."""

    module: ClassVar[str] = "own_network"  # what the file is called as one

    path: Path = Field(exclude=True)  # wherever it lies, it is the same network
    function: str
    sha256: str
    libraries: tuple[str, ...] = Field((), exclude=True)  # that it imports: their versions are part of the key

    @classmethod
    def named(cls, path_and_function: str) -> Self:
        """Read what "my.py:build" names, without running it.

        Raises:
            UserError: it names no file and function, or the file cannot be used.
        """
        place, _, function = path_and_function.rpartition(":")
        if not place or not function.isidentifier() or function.startswith("_"):
            raise UserError(
                f"--network-file must be a file and a function, e.g. my.py:build (got {Path(path_and_function).name})"
            )
        path = Path(place)
        try:
            content = path.read_bytes()
            tree = ast.parse(content, place)
        except OSError as error:
            raise UserError(f"--network-file {path}: {reason(error).lower()}") from error
        except (SyntaxError, ValueError) as error:
            raise UserError(f"--network-file {path}: {error}") from error
        functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        if function not in functions:
            raise UserError(
                f"--network-file {path} has no function {function}; it has {', '.join(functions) or 'none'}"
            )
        libraries = _distributions(_imported(tree, path))
        return cls(path=path, function=function, sha256=hashlib.sha256(content).hexdigest(), libraries=libraries)

    def load(self) -> ModuleType:
        """Run the file, which may register what its model is made of.

        Raises:
            RunError, OSError: it is no longer what it was, or where it was.
            UserError: it fails; the message says where.
        """
        content = self.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise RunError(f"{self.path} has changed since the run began; run again")
        module = ModuleType(self.module)
        module.__file__ = str(self.path)
        sys.modules[module.__name__] = module  # where a class that is saved is looked for
        with self._alone():
            exec(compile(content, self.path, "exec"), vars(module))  # noqa: S102 (the user's own code)
        return module

    def call(self) -> Any:
        """Run the file, and return what the function returns.

        Raises:
            RunError, UserError: as `load`; or the function fails.
        """
        function = getattr(self.load(), self.function)
        with self._alone():
            return function()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Run the user's code: it may read no other file of theirs; an error names its line."""
        _watch_files()
        _running.append(self.path)
        try:
            yield
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            raise self.fault(error) from error
        finally:
            _running.remove(self.path)

    def fault(self, error: BaseException) -> UserError:
        """Return where in the file it failed, and how."""
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(self.path)]
        where = f", line {frames[-1].lineno}, in {frames[-1].name}" if frames else ""
        return UserError(f"{self.path}{where}: {type(error).__name__}: {said(error)}; {EXPECTED}")


@functools.cache
def _watch_files() -> None:
    """Pass every file that is opened to `_refuse_other_files`, those that HDF5 itself opens included."""
    import h5py

    class File(h5py.File):
        def __init__(self, name: Any, mode: str = "r", *arguments: Any, **how: Any) -> None:
            sys.audit("open", name, mode, os.O_RDONLY if mode == "r" else os.O_CREAT)
            super().__init__(name, mode, *arguments, **how)

    h5py.File = File
    sys.addaudithook(_refuse_other_files)


def _refuse_other_files(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _running or not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    path, own = os.path.realpath(os.fsdecode(arguments[0])), _running[-1]
    if arguments[2] & os.O_CREAT and not os.path.lexists(path):
        _written.add(path)
    known = (*(os.path.realpath(place) for place in (sys.prefix, sys.base_prefix, PROJECT / "tasks")), *SYSTEM)
    if Path(path).is_file() and not path.startswith(known) and path not in {os.path.realpath(own), *_written}:
        raise UserError(f"{own}: reads {path}, whose changes would go unnoticed; put its content into {own.name}")


def said(error: BaseException) -> str:
    """Return the line of another's message that says most: Keras begins with the layer's name."""
    lines = [line.strip() for line in str(error).splitlines() if not line.startswith("Exception encountered when")]
    return printable(next(filter(None, lines), "")[:SAID])


def _imported(tree: ast.Module, path: Path) -> set[str]:
    """Return the first part of the name of each import, in functions too.

    Raises:
        UserError: what is imported is the user's or the project's, whose changes would go unnoticed.
    """
    found = [(node.lineno, node.module or ".") for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found += [(node.lineno, of.name) for node in ast.walk(tree) if isinstance(node, ast.Import) for of in node.names]
    names = {name.partition(".")[0] or name: line for line, name in found}
    for name, line in names.items():
        if any((folder / part).exists() for folder in (path.parent, PROJECT) for part in (name, f"{name}.py")):
            raise UserError(
                f"--network-file {path}, line {line}: imports {name}, "
                "whose changes would go unnoticed; copy what you need"
            )
    return {*names}


def _distributions(modules: set[str]) -> tuple[str, ...]:
    """Return the installed distributions that these modules are from, but for those that each training uses."""
    others = modules - sys.stdlib_module_names - {"keras", "numpy", "tensorflow"}
    known = packages_distributions() if others else {}
    return tuple(sorted({name for module in others for name in known.get(module, ())}))
