"""Child processes: where TensorFlow lives, so that the parent stays small and survives what kills a training.

The job goes to the child as JSON over a socket that is its standard input and then stays open: when it closes, the
parent is gone and the child ends. Lines of JSON come back: progress, then the result or an error. A child that has done
its job may be kept for another one, which so finds TensorFlow started.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from tasks.artifacts.identity import PROJECT
from tasks.errors import ChildDied, RunError
from tasks.progress import Progress

KEPT = 10  # seconds for which a child waits for another job
STAYS = (
    "tasks.child",
    "tasks.errors",
    "tasks.progress",
    "tasks.artifacts",
)  # code that a kept child does not read anew
MESSAGE = 65_536  # bytes that a job has at most
SILENCE = 600  # seconds without a word after which a child is taken to hang; a training speaks four times a second

stopping = threading.Event()  # set for good once this process's run is over: what fails from then on is no news
_running: set[subprocess.Popen[str]] = set()
_waiting: list[Process] = []  # children that have done their job, for another one


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_places = threading.BoundedSemaphore(cores())


# What a node gets to run a module as a child: the module's name and the job in, the result out.
Child = Callable[..., dict[str, Any]]


def run_child(
    module: str, job: dict[str, Any], progress: Progress, lock: int | None = None, *, keep: bool = False
) -> dict[str, Any]:
    """Run `python -m module` with this job, pass its progress on, and return its result.

    At most as many children as there are cores run at once. The lock's file descriptor is held by the child too, so
    that what this process has locked stays so until the child is gone, if this process is killed.

    With `keep`, the process is a new one, and waits a while after its job for another one, given without.

    Raises:
        RunError: the child says what went wrong, or it ended without a word.
        ChildDied: a signal ended it, or it hung.
        OSError: what the child met when it read or wrote a file.

    What helps to find a fault, the child's traceback or its standard error, is in the exception's notes.
    """
    with _places, _process(module, keep) as child, _killed_when_silent(child.process) as heard:
        outcome = child.converse(job, lock, progress, heard)
        if "result" in outcome:
            child.kept = keep
            return outcome["result"]
        if not outcome:
            child.process.wait()  # how it ended by itself is the news
    if "os_error" in outcome:
        raise OSError(*outcome["os_error"])
    if "error" in outcome:
        error, detail = RunError(outcome["error"]), outcome["traceback"]
    elif stopping.is_set():
        error, detail = RunError("stopped"), ""
    elif heard.too_long_ago:
        error, detail = ChildDied(f"its process said nothing for {SILENCE} seconds, and was killed"), ""
    else:
        error, detail = _how_it_ended(child.process.returncode), child.complaint
    if detail:
        error.add_note(detail)
    raise error


class Process:
    """A child process: the socket by which it gets its jobs, and what it prints."""

    def __init__(self, module: str) -> None:
        self.jobs, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.kept, self.complaint = False, ""
        with its, tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", module],  # not what lies in the current folder
                stdin=its.fileno(),
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
                start_new_session=True,  # Ctrl-C reaches the parent alone, which stops its children
            )
            self.complaints = os.fdopen(os.dup(complaints.fileno()), errors="replace")
        _running.add(self.process)

    def converse(self, job: dict[str, Any], lock: int | None, progress: Progress, heard: Heard) -> dict[str, Any]:
        """Give the child its job and hear it out; `{}` if it ends without an answer."""
        self.send(json.dumps(job), lock)
        for line in self.process.stdout or ():
            heard.again()
            message = json.loads(line)
            if "progress" not in message:
                return message
            progress(*message["progress"])
        return {}

    def send(self, text: str, lock: int | None = None) -> None:
        """Send it a message; if it is dead before it can listen, what it does not answer tells so."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self.jobs, [text.encode()], [] if lock is None else [lock])

    def end(self) -> None:
        """Kill it, if it still lives, and read what it has complained of."""
        with self.jobs, self.complaints, self.process:
            self.process.kill()
            self.process.wait()
            self.complaints.seek(0)
            self.complaint = self.complaints.read()[-4000:]
        _running.discard(self.process)


@contextlib.contextmanager
def _process(module: str, new: bool) -> Iterator[Process]:
    """Have a child while the context lasts: a kept one where it need not be new; it is ended or kept after that."""
    child = Process(module) if new else _waiting_process(module) or Process(module)
    try:
        if stopping.is_set():
            raise RunError("stopped")
        yield child
    finally:
        if child.kept and not stopping.is_set():
            _waiting.append(child)
            ending = threading.Timer(KEPT, _end_waiting, [child])
            ending.daemon = True
            ending.start()
        else:
            child.end()


def _waiting_process(module: str) -> Process | None:
    with contextlib.suppress(IndexError):
        child = _waiting.pop()
        child.kept = False
        child.send(module)
        return child
    return None


def _end_waiting(child: Process) -> None:
    with contextlib.suppress(ValueError):  # it has another job
        _waiting.remove(child)
        child.end()


class Heard:
    """When a child was last heard."""

    def __init__(self) -> None:
        self.again()

    def again(self) -> None:
        """Remember that it was heard now."""
        self.last = time.monotonic()

    @property
    def too_long_ago(self) -> bool:
        """Whether it must be taken to hang."""
        return time.monotonic() - self.last > SILENCE


@contextlib.contextmanager
def _killed_when_silent(child: subprocess.Popen[str]) -> Iterator[Heard]:
    """Kill a child that hangs: what waits for it would wait for ever."""
    heard, over = Heard(), threading.Event()

    def watch() -> None:
        while not over.wait(min(SILENCE / 4, 5)):
            if heard.too_long_ago:
                child.kill()
                return

    threading.Thread(target=watch, name="silence", daemon=True).start()
    try:
        yield heard
    finally:
        over.set()


@contextlib.contextmanager
def stoppable(child: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Have a process that is killed when the context ends, or the run.

    Raises:
        RunError: the run is over already.
    """
    with child:
        _running.add(child)
        try:
            if stopping.is_set():
                raise RunError("stopped")
            yield child
        finally:
            child.kill()
            _running.discard(child)


def stop_children() -> None:
    """Kill every child now and let no more live: the run is over."""
    stopping.set()
    for child in list(_running):
        child.kill()


def serve(work: Callable[[dict[str, Any], Progress], dict[str, Any]]) -> None:
    """Be the child: do the job that comes, answer, run the module that comes next; end at once if the parent goes."""
    _works.append(work)
    if len(_works) > 1:
        return  # run by the loop below, for the next job
    jobs: queue.Queue[tuple[str, list[int]]] = queue.Queue()
    threading.Thread(target=_hear_the_parent, args=[jobs], daemon=True).start()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to standard error, so that each line of the answer is JSON

    def tell(*told: Any) -> None:
        answers.write(json.dumps({"progress": told}) + "\n")

    while True:
        job, locks = jobs.get()
        outcome = _outcome(_works[-1], json.loads(job), tell)
        for lock in locks:
            os.close(lock)
        answers.write(json.dumps(outcome) + "\n")
        module, _ = jobs.get()
        _forget_the_code()
        runpy.run_module(module, run_name="__main__")


_works: list[Callable[[dict[str, Any], Progress], dict[str, Any]]] = []  # of each module that this child has run


def _forget_the_code() -> None:
    """Have the next job read the code anew, as its key tells of what is there now; what shapes no result stays."""
    for name in [name for name in sys.modules if name.startswith("tasks.") and not name.startswith(STAYS)]:
        parent, _, last = name.rpartition(".")
        if parent in sys.modules:
            vars(sys.modules[parent]).pop(last, None)  # where `from tasks import …` would find it
        del sys.modules[name]
    importlib.invalidate_caches()


def _outcome(
    work: Callable[[dict[str, Any], Progress], dict[str, Any]], job: dict[str, Any], tell: Progress
) -> dict[str, Any]:
    try:
        return {"result": work(job, tell)}
    except RunError as error:
        return {"error": str(error), "traceback": ""}
    except OSError as error:
        return {"os_error": [error.errno, error.strerror or str(error), error.filename]}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}


def _hear_the_parent(jobs: queue.Queue[tuple[str, list[int]]]) -> None:
    with socket.socket(fileno=0) as parent:
        while True:
            message, descriptors, _, _ = socket.recv_fds(parent, MESSAGE, 1)
            if not message:
                os._exit(1)
            jobs.put((message.decode(), descriptors))


def _how_it_ended(status: int) -> RunError:
    if status >= 0:
        return RunError(f"its process ended with status {status} and no result")
    name = signal.Signals(-status).name
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return ChildDied(f"its process was killed by {name}{hint}")
