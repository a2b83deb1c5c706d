"""Child processes: where TensorFlow lives, so that the parent stays small and survives what kills a training.

The job goes to the child (`tasks/serve.py`) as JSON over a socket that is its standard input and then stays open: when
it closes, the parent is gone and the child ends. Lines of JSON come back: progress, then the result or an error. A
child that has done its job may be kept for another one, and one may be started early: both find TensorFlow started.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tasks.artifacts.identity import PROJECT
from tasks.errors import ChildDied, RunError, UserError
from tasks.progress import Progress

KEPT = 10  # seconds for which a child waits for another job
START = PROJECT / "tasks" / "start.py"  # what it has done by then, and does not do again
SILENCE = 600  # seconds without a word after which a child is taken to hang; a training speaks four times a second

stopping = threading.Event()  # set for good once this process's run is over: what fails from then on is no news
_running: set[subprocess.Popen[str]] = set()
_waiting: list[Process] = []  # children that have done their job, for another one
_early: list[Process] = []  # children that have had no job yet


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_places = threading.BoundedSemaphore(cores())


# What a node gets to run a module as a child: the module's name and the job in, the result out.
Child = Callable[..., dict[str, Any]]


def run_child(
    module: str,
    job: dict[str, Any],
    progress: Progress,
    lock: int | None = None,
    *,
    keep: bool = False,
    queued: Callable[[float], None] = lambda _: None,
) -> dict[str, Any]:
    """Run `python -m module` with this job, pass its progress on, and return its result.

    At most as many children as there are cores run at once; `queued` is told the seconds until it was this one's turn.
    The lock's file descriptor is held by the child too, so that what this process has locked stays so until the child
    is gone, if this process is killed.

    With `keep`, the process has had no job, and waits a while after this one for another, given without.

    Raises:
        RunError: the child says what went wrong, or it ended without a word.
        UserError: the child says what the user gave and cannot be used.
        ChildDied: a signal ended it, or it hung.
        OSError: what the child met when it read or wrote a file.

    What helps to find a fault, the child's traceback or its standard error, is in the exception's notes.
    """
    with _turn(queued), _process(module, keep) as child, _killed_when_silent(child.process) as heard:
        outcome = child.converse(job, lock, progress, heard)
        if "result" in outcome:
            child.kept = keep
            return outcome["result"]
        if not outcome:
            child.process.wait()  # how it ended by itself is the news
    if "os_error" in outcome:
        raise OSError(*outcome["os_error"])
    if "user_error" in outcome:
        raise UserError(outcome["user_error"])
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


@contextlib.contextmanager
def _turn(queued: Callable[[float], None]) -> Iterator[None]:
    asked = time.perf_counter()
    with _places:
        queued(time.perf_counter() - asked)
        yield


class Process:
    """A child process: the socket by which it gets its jobs, and what it prints."""

    def __init__(self, module: str) -> None:
        self.jobs, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.kept, self.starting, self.complaint = False, False, ""
        self.start = START.read_bytes()
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
            if self.starting and "error" not in message and "os_error" not in message:
                self.starting = "result" not in message  # what it tells before is not of this job, nor of its code
            elif "progress" in message:
                progress(*message["progress"])
            else:
                return message
        return {}

    def send(self, text: str, lock: int | None = None) -> None:
        """Send it a text, in a file, as a message has a largest size; if it is dead by then, it does not answer."""
        with os.fdopen(os.memfd_create("job"), "w", encoding="utf-8") as job:
            job.write(text)
            job.flush()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(self.jobs, [b"!"], [job.fileno(), *([] if lock is None else [lock])])

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
    """Have a child while the context lasts, one that is there already if it may be; after that it is kept or ends."""
    child = _one_of(_early if new else _waiting, module) or Process(module)
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


def start_early(module: str, job: dict[str, Any], count: int) -> None:
    """Have so many children, or one a core if those are fewer, do what precedes any job that is given with `keep`."""
    for _ in range(min(count, cores())):
        child = Process(module)
        child.starting = True
        child.send(json.dumps(job))
        _early.append(child)


def _one_of(children: list[Process], module: str) -> Process | None:
    with contextlib.suppress(IndexError):
        while (child := children.pop()).process.poll() is not None or child.start != START.read_bytes():
            child.end()  # it was killed meanwhile, or began with other code
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


def _how_it_ended(status: int) -> RunError:
    if status >= 0:
        return RunError(f"its process ended with status {status} and no result")
    name = signal.Signals(-status).name
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return ChildDied(f"its process was killed by {name}{hint}")
