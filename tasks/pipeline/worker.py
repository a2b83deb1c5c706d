"""A worker: the process in which one node's function runs, on the code and the libraries that its key was made of.

Before and after, the code on the disk is compared with the key: if it has changed meanwhile, the result is refused.
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
from pathlib import Path
from typing import Any

from tasks.pipeline import PROJECT, errors
from tasks.pipeline.cache_key import CacheKey, versions_of
from tasks.pipeline.code_key import code_digests
from tasks.pipeline.errors import RunError
from tasks.pipeline.fork_server import PATH, preloaded


def work(sender: Any, call: bytes, printed: Any, lock: Any = None) -> None:  # noqa: ARG001 (held, so that it stays locked)
    """Be a worker: call what the parent asks for, and send its result, or its error in plain types."""
    os.setsid()
    os.dup2(printed.fileno(), 2)
    os.dup2(2, 1)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    sys.path[:] = PATH
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
    plain = known(str(error)) if known else RunError(f"{type(error).__name__}: {error}{_place(error)}")
    for note in getattr(error, "__notes__", []) if known else [traceback.format_exc()]:
        plain.add_note(note)
    return plain


def _place(error: Exception) -> str:
    """Return the last line of a node's own code that an error has passed, if any."""
    frames = traceback.extract_tb(error.__traceback__)
    passed = [f"{frame.filename.removeprefix(f'{PROJECT}/')}, line {frame.lineno}" for frame in frames]
    of_a_node = [at for at in passed if at.startswith("tasks/") and not at.startswith("tasks/pipeline/")]
    return f" ({of_a_node[-1]})" if of_a_node else ""


def run_node(
    node: Any,
    network_module: str | None,
    cache_key: CacheKey,
    folder: Path,
    keywords: dict[str, Any],
    progress: Callable[..., None],
) -> dict[str, Any]:
    """Have a node fill a folder, and return its summary.

    Raises:
        RunError: what it runs on is not what the key says, or not any more; or its own.
    """
    modules = [name for name in (node.function.__module__, network_module) if name]
    keywords |= {"network_module": network_module and import_module(network_module), "progress": progress}
    _check(cache_key, modules)
    summary = node(folder, **{name: keywords[name] for name in node.parameters})
    _check(cache_key, modules)
    return summary


def _check(cache_key: CacheKey, modules: list[str]) -> None:
    """Raise RunError unless the code of these modules and the libraries are those of the key."""
    changed = [name for name, _ in code_digests(*modules).items() ^ cache_key.code.items()]
    for name, of in cache_key.versions.items():
        changed += [name] if {versions_of((name,))[name], preloaded.get(name, of)} != {of} else []
    if changed:
        raise RunError(f"the code has changed since the run began ({min(changed)}); run again")
