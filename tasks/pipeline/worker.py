"""A worker: the process in which one node's function runs, on exactly the code that its key was made of.

It loads the project's modules from their sources, never from bytecode, and remembers what it has loaded. A result is
refused if any of that, or a template, or a library's version, is not what the key says, whatever is edited when.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import FileFinder, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from tasks.pipeline import PROJECT, errors
from tasks.pipeline.cache_key import CacheKey, versions_of
from tasks.pipeline.code_key import counts, data_read, read_source
from tasks.pipeline.errors import RunError
from tasks.pipeline.fork_server import PATH, preloaded

_loaded: dict[str, bytes] = {}  # sources, by their names in the project


def work(sender: Any, call: bytes, printed: Any, lock: Any = None) -> None:  # noqa: ARG001 (held, so that it stays locked)
    """Be a worker: call what the parent asks for, and send its result, or its error in plain types."""
    os.setsid()
    os.dup2(printed.fileno(), 2)
    os.dup2(2, 1)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    sys.path[:] = PATH
    sys.path_hooks.insert(0, _finder_in)
    sys.path_importer_cache.clear()
    try:
        function, arguments = pickle.loads(call)  # noqa: S301 (from the parent)
        sender.send(("result", function(*arguments, lambda *message: sender.send(("progress", message)))))
    except Exception as error:
        sender.send(("error", _in_plain_types(error)))


def _end_with_the_parent() -> None:
    multiprocessing.parent_process().join()  # type: ignore[union-attr]
    os.killpg(0, signal.SIGKILL)


def _in_plain_types(error: Exception) -> Exception:
    """Return an error of a class that the parent knows: its own may be of a library that the parent does not import."""
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror or str(error), error.filename)
    known = next((kind for kind in type(error).__mro__ if kind in vars(errors).values()), None)
    plain = known(str(error)) if known else RunError(f"{type(error).__name__}: {error}")
    for note in getattr(error, "__notes__", []) if known else [traceback.format_exc()]:
        plain.add_note(note)
    return plain


def run_node(
    module: str,
    name: str,
    network_module: str | None,
    cache_key: CacheKey,
    folder: Path,
    keywords: dict[str, Any],
    progress: Callable[..., None],
) -> dict[str, Any]:
    """Have a node's function fill a folder, and return its summary.

    Raises:
        RunError: what it runs on is not what the key says, or not any more; or its own.
    """
    node = getattr(import_module(module), name)
    if network_module:
        keywords["network_module"] = import_module(network_module)
    keywords["progress"] = progress
    _check(cache_key)
    summary = node.function(folder, **{parameter: keywords[parameter] for parameter in node.parameters})
    _check(cache_key)
    return summary


def _check(cache_key: CacheKey) -> None:
    """Raise RunError unless the code and the templates that were read, and the libraries, are those of the key."""
    found = [*data_read, *((name, read_source(source)[0]) for name, source in _loaded.items())]
    changed = [name for name, digest in found if cache_key.code.get(name) != digest]
    changed += [
        name for name, of in cache_key.versions.items() if {versions_of((name,))[name], preloaded.get(name, of)} != {of}
    ]
    if changed:
        raise RunError(f"the code has changed since the run began ({changed[0]}); run again")


class FromSource(SourceFileLoader):
    """Loads a module of the project from its source, and remembers that."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source, whatever bytecode there is."""
        path = self.get_filename(fullname)
        source = self.get_data(path)
        if counts(fullname):
            _loaded[os.path.relpath(path, PROJECT)] = source
        return self.source_to_code(source, path)


def _finder_in(folder: str) -> FileFinder:
    if not Path(folder).is_relative_to(PROJECT) or Path(folder).is_relative_to(sys.prefix):
        raise ImportError(folder)
    return FileFinder(folder, (FromSource, [".py"]))
