"""A worker: the process in which one node's function runs, on exactly the code that its key was made of.

It loads the project's modules from their sources, never from bytecode, and remembers what it has loaded. A result is
refused if any of that, or a template, or a library's version, is not what the key says; and a function that reads a
file of the project that is not in the key is stopped there. So a stale result is impossible, whatever is edited when.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.machinery import FileFinder, SourceFileLoader
from multiprocessing import forkserver, reduction, resource_tracker
from pathlib import Path
from types import CodeType
from typing import Any

from tasks.pipeline import PROJECT, errors
from tasks.pipeline.cache_key import CacheKey, versions_of
from tasks.pipeline.code_key import DATA_SUFFIXES, NOT_IN_A_RESULT, data_read, read_source
from tasks.pipeline.errors import RunError
from tasks.pipeline.fork_server import PATH, preloaded
from tasks.pipeline.reading import sha256_of
from tasks.pipeline.user_module import UserFunction

SYSTEM = ("/dev/", "/etc/", "/proc/", "/sys/", "/usr/")


class Inherited:
    """A file descriptor that goes along to a worker, which gets its number there."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _detach, (reduction.DupFd(self.number),)


def _detach(descriptor: Any) -> int:
    return descriptor.detach()


def work(sender: Any, call: bytes, printed: int, lock: int | None = None) -> None:
    """Be a worker: call what the parent asks for, and send its result, or its error in plain types."""
    os.setsid()
    os.dup2(printed, 2)
    os.dup2(2, 1)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    os.register_at_fork(after_in_child=partial(_let_go, sender.fileno(), lock))
    sys.path[:] = PATH
    sys.path_hooks.insert(0, _finder_in)
    sys.path_importer_cache.clear()
    try:
        function, arguments = pickle.loads(call)  # noqa: S301 (from the parent)
        sender.send(("result", function(*arguments, lambda *message: sender.send(("progress", message)))))
    except Exception as error:
        sender.send(("error", _in_plain_types(error)))


def _let_go(*descriptors: int | None) -> None:
    """Close what a process that this one has forked must not hold: it may outlive the run, in a session of its own."""
    server = forkserver._forkserver._forkserver_alive_fd  # type: ignore[attr-defined]
    for descriptor in (*descriptors, server, resource_tracker._resource_tracker._fd):  # type: ignore[attr-defined]
        if descriptor is not None:
            os.close(descriptor)


def _end_with_the_parent() -> None:
    multiprocessing.parent_process().join()  # type: ignore[union-attr]
    os.killpg(0, signal.SIGKILL)


def _in_plain_types(error: Exception) -> Exception:
    """Return an error of a class that the parent knows: its own may be of a library that the parent does not import."""
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror or str(error), error.filename)
    known = next((kind for kind in type(error).__mro__ if kind in vars(errors).values()), None)
    plain = known(str(error)) if known else RunError(f"{type(error).__name__}: {error}{_place(error)}")
    for note in getattr(error, "__notes__", []) if known else [traceback.format_exc()]:
        plain.add_note(note)
    return plain


def _place(error: Exception) -> str:
    """Return the last line of a node's own code that an error has passed, if any."""
    project, pipeline = f"{PROJECT}/tasks/", f"{PROJECT}/tasks/pipeline/"
    passed = [(at.filename, at.lineno) for at in traceback.extract_tb(error.__traceback__)]
    of_a_node = [at for at in passed if at[0].startswith(project) and not at[0].startswith(pipeline)]
    return " ({}, line {})".format(*of_a_node[-1]).replace(f"{PROJECT}/", "") if of_a_node else ""


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
    _guard(cache_key, keywords.pop("folders"), keywords.get("own_network"))
    node = getattr(import_module(module), name)
    if network_module:
        keywords["network_module"] = import_module(network_module)
    keywords["progress"] = progress
    _check(cache_key)
    summary = node.function(folder, **{parameter: keywords[parameter] for parameter in node.parameters})
    _check(cache_key)
    return summary


def _check(cache_key: CacheKey) -> None:
    """Raise RunError unless the code, the templates and the libraries are those of the key, and all that was read was.

    What a file is decides, not when it was written: so a clock may be wrong, and a file that is touched is no other.
    """
    if _refused:
        raise RunError(_refused[0])
    found = [*data_read, *((name, read_source(source)[0]) for name, source in _loaded.items())]
    found += [(name, sha256_of(PROJECT / name)) for name in cache_key.code if name.endswith(DATA_SUFFIXES)]
    changed = [name for name, digest in found if cache_key.code.get(name) != digest]
    paths = [getattr(module, "__file__", None) for module in list(sys.modules.values())]  # imported by the server, say
    changed += [name for path in paths if path and (name := _name_of(path)) and name not in cache_key.code]
    changed += [
        name for name, of in cache_key.versions.items() if {versions_of((name,))[name], preloaded.get(name, of)} != {of}
    ]
    if changed:
        raise RunError(f"the code has changed since the run began ({changed[0]}); run again")


def _guard(cache_key: CacheKey, folders: list[Path], custom: UserFunction | None) -> None:
    """Let no file of the project be read that is not in the key; what lies in these folders is data.

    A user's own file counts by itself: while it runs, nothing is read but what belongs to the system or to libraries.
    """
    places = [sys.prefix, *map(str, folders)]
    both = [f"{path}{os.sep}" for place in places for path in (place, os.path.realpath(place))]  # links and their ends
    _free.extend(path for path in both if not f"{PROJECT}{os.sep}tasks{os.sep}".startswith(path))

    known = (*_free, *SYSTEM, f"{sys.base_prefix}{os.sep}", f"{PROJECT}{os.sep}")
    written: set[str] = set()

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.path.realpath(os.fsdecode(arguments[0]))
        name, instead = _name_of(path), "import it"
        if custom and not path.startswith(known) and path != os.path.realpath(custom.path):
            if arguments[2] & os.O_CREAT and (arguments[2] & os.O_TRUNC or not os.path.lexists(path)):
                written.add(path)
            name, instead = path, f"put its content into {custom.path.name}"
        if name and name not in cache_key.code and path not in written and Path(path).is_file():
            _refused.append(f"{cache_key.label} reads {name}, whose changes would go unnoticed: {instead} instead")
            raise RunError(_refused[-1])

    sys.addaudithook(refuse)
    if custom:
        _tell_of_hdf5()


def _tell_of_hdf5() -> None:
    """Have what is opened by HDF5's own code, such as saved weights, be told to Python's hooks like any other file."""
    import h5py

    class File(h5py.File):
        def __init__(self, name: Any, mode: str = "r", *arguments: Any, **how: Any) -> None:
            if isinstance(name, str | bytes | os.PathLike):
                sys.audit("open", name, mode, os.O_RDONLY if mode == "r" else os.O_CREAT)
            super().__init__(name, mode, *arguments, **how)

    h5py.File = File


class FromSource(SourceFileLoader):
    """Loads a module of the project from its source, and remembers that."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source, whatever bytecode there is."""
        path = self.get_filename(fullname)
        source = self.get_data(path)
        if name := _name_of(path):
            _loaded[name] = source
        return self.source_to_code(source, path)


def _finder_in(folder: str) -> FileFinder:
    if not Path(folder).is_relative_to(PROJECT) or Path(folder).is_relative_to(sys.prefix):
        raise ImportError(folder)
    return FileFinder(folder, (FromSource, [".py"]))


def _name_of(path: str) -> str | None:
    """Return a file's name in the project, unless it is a library's, the machinery's, or data."""
    if not path.startswith(f"{PROJECT}{os.sep}") or f"{path}{os.sep}".startswith(tuple(_free)):
        return None
    name = os.path.relpath(path, PROJECT)
    module = f"{name.removesuffix('.py')}/".replace("/", ".")
    return None if name.endswith(".py") and module.startswith(NOT_IN_A_RESULT) else name


_free: list[str] = []  # where libraries, data and a user's own network lie
_refused: list[str] = []  # what the function was not let read, though it may have caught the error
# Of what counts, the server has imported nothing but this, the package of this module.
_loaded = {"tasks/__init__.py": Path(PROJECT, "tasks", "__init__.py").read_bytes()}
