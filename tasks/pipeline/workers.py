"""Workers: every node runs in a process of its own, forked from one server that has imported the heavy libraries.

The server is multiprocessing's fork server. A worker has a pipe for progress and its result, a file for what is printed
in it, and its parent's lock. It is killed, with all that it has started, when it is silent for too long, when the run
is stopped, and when its parent is gone. It runs on the code and the libraries that its node's key was made of: before
and after, those on the disk are compared with the key, and if they have changed meanwhile, the result is refused.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from importlib import import_module
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from tasks.pipeline import PROJECT, errors
from tasks.pipeline.cache_key import CacheKey, versions_of
from tasks.pipeline.code_key import code_digests
from tasks.pipeline.errors import RunError, WorkerCrashed
from tasks.pipeline.fork_server import PATH, ensure_server, preloaded, starting
from tasks.pipeline.provenance import cores

CONTEXT = multiprocessing.get_context("forkserver")
TIMEOUT = 600  # seconds without a word after which a worker is taken to hang; a training reports four times a second
SERVER_DIED = 255  # a worker's exit status then

stopping = threading.Event()  # set for good once this process's run is over: what fails after that is not reported
_stop_receiver, _stop_sender = CONTEXT.Pipe(duplex=False)  # wakes whoever waits for a worker then
slots = threading.BoundedSemaphore(cores())  # for whoever is about to have a worker


def run(
    function: Callable[..., Any],
    *arguments: Any,
    lock: int | None = None,
    progress: Callable[..., None],
) -> Any:
    """Call a function of a module in a worker, with these arguments and `progress`; return its result.

    The lock's descriptor is held by the worker too, so that what this process has locked stays so until the worker is
    gone.

    Raises:
        RunError, UserError, OSError: as the function; another error of its is a RunError that names it.
        WorkerCrashed: a signal ended the process, or it hung.

    What helps to find a fault, a traceback or what was printed, is in the exception's notes.
    """
    with tempfile.TemporaryFile() as printed, contextlib.ExitStack() as stack:
        receiver, sender = CONTEXT.Pipe(duplex=False)
        numbers = [printed.fileno(), *([] if lock is None else [lock])]
        inherited = [stack.enter_context(Connection(os.dup(number))) for number in numbers]  # sent as descriptors
        process = CONTEXT.Process(target=work, args=(sender, pickle.dumps((function, arguments)), *inherited))
        with receiver:
            with sender:
                _start(process)
            try:
                kind, outcome = _listen(receiver, process, progress)
            finally:
                status = _end(process)
        if kind == "result":
            return outcome
        if kind == "error":
            raise outcome
        failure = _how_it_ended(kind, status)
        printed.seek(max(0, printed.seek(0, os.SEEK_END) - 4000))
        if last_words := printed.read().decode(errors="replace").strip():
            failure.add_note(last_words)
        raise failure


def stop_workers() -> None:
    """Have every worker killed now, and let none start any more: the run is over."""
    stopping.set()
    _stop_sender.send(None)  # which nobody receives: it stays to be seen


def _start(process: BaseProcess) -> None:
    if stopping.is_set():
        raise RunError("stopped")
    ensure_server()
    with starting:
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")  # not imported again
        try:
            process.start()
        except (EOFError, ConnectionError, FileNotFoundError) as error:  # its socket goes with it
            raise WorkerCrashed("the server that forks the workers died") from error
        finally:
            sys.modules["__main__"] = main


def _listen(receiver: Any, process: BaseProcess, progress: Callable[..., None]) -> tuple[str, Any]:
    """Pass progress on; return what else the worker sends, `ended` if it sends nothing, `silent` if it hangs."""
    while ready := connection.wait([receiver, process.sentinel, _stop_receiver], TIMEOUT):
        try:
            if receiver not in ready or stopping.is_set():  # what it has started may still hold the pipe
                return "ended", None
            kind, message = receiver.recv()
        except (EOFError, OSError):  # it is about to end; how it does may be the news
            connection.wait([process.sentinel], TIMEOUT)
            return "ended", None
        if kind != "progress":
            return kind, message
        progress(*message)
    return "silent", None


def _end(process: BaseProcess) -> int:
    """Kill a worker and what it has started, though it may have ended itself, and return its exit status."""
    process.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # type: ignore[arg-type]
    connection.wait([process.sentinel])
    with starting:
        process.join()
        status = process.exitcode or 0
        process.close()
    return status


def _how_it_ended(kind: str, status: int) -> RunError:
    if stopping.is_set():
        return RunError("stopped")
    if kind == "silent":
        return WorkerCrashed(f"its process did not report for {TIMEOUT} seconds and was killed")
    if status == SERVER_DIED:
        return WorkerCrashed("the server that forks the workers died")
    if status >= 0:
        return RunError(f"its process exited with status {status} and no result")
    name = signal.Signals(-status).name
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return WorkerCrashed(f"its process was killed by {name}{hint}")


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
    node: Any, cache_key: CacheKey, folder: Path, keywords: dict[str, Any], progress: Callable[..., None]
) -> dict[str, Any]:
    """Have a node fill a folder, and return its summary.

    Raises:
        RunError: what it runs on is not what the key says, or not any more; or its own.
    """
    modules = node.modules(keywords["network"])
    keywords |= {"network_module": import_module(modules[-1]), "progress": progress}
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
