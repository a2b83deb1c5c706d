"""Child processes: where TensorFlow lives, so that the parent stays small and survives what kills a training.

The job goes to the child as one line of JSON on its standard input, which then stays open: when it closes, the parent
is gone and the child ends. Lines of JSON come back: progress, then the result or an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import IO, Any

from tasks.artifacts.identity import PROJECT
from tasks.errors import ChildDied, RunError
from tasks.progress import Progress

SILENCE = 600  # seconds without a word after which a child is taken to hang; a training speaks four times a second

stopping = threading.Event()  # set for good once this process's run is over: what fails from then on is no news
_running: set[subprocess.Popen[str]] = set()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_places = threading.BoundedSemaphore(cores())


# What a node gets to run a module as a child: the module's name and the job in, the result out.
Child = Callable[[str, dict[str, Any]], dict[str, Any]]


def run_child(module: str, job: dict[str, Any], progress: Progress, lock: int | None = None) -> dict[str, Any]:
    """Run `python -m module` with this job, pass its progress on, and return its result.

    At most as many children as there are cores run at once. The lock's file descriptor stays open in the child, so that
    what this process has locked stays so until the child is gone too, if this process is killed.

    Raises:
        RunError: the child says what went wrong, or it ended without a word.
        ChildDied: a signal ended it, or it hung.
        OSError: what the child met when it read or wrote a file.

    What helps to find a fault, the child's traceback or its standard error, is in the exception's notes.
    """
    with _places, tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        with _started(module, complaints, lock) as child, _killed_when_silent(child) as heard:
            outcome = _converse(child, job, progress, heard)
            if not outcome:
                child.wait()  # how it ended by itself is the news
        if "result" in outcome:
            return outcome["result"]
        if "os_error" in outcome:
            raise OSError(*outcome["os_error"])
        if "error" in outcome:
            error, detail = RunError(outcome["error"]), outcome["traceback"]
        elif stopping.is_set():
            error, detail = RunError("stopped"), ""
        elif heard.too_long_ago:
            error, detail = ChildDied(f"its process said nothing for {SILENCE} seconds, and was killed"), ""
        else:
            complaints.seek(0)
            error, detail = _how_it_ended(child.returncode), complaints.read()[-4000:]
    if detail:
        error.add_note(detail)
    raise error


@contextlib.contextmanager
def _started(module: str, complaints: IO[str], lock: int | None) -> Iterator[subprocess.Popen[str]]:
    """Have a child process while the context lasts; it is killed after that."""
    with stoppable(
        subprocess.Popen(
            [sys.executable, "-P", "-m", module],  # not what lies in the current folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            pass_fds=[] if lock is None else [lock],
            start_new_session=True,  # Ctrl-C reaches the parent alone, which stops its children
        )
    ) as child:
        yield child


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
    """Be the child: read the job, do the work, answer; end at once if the parent goes."""
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to standard error, so that each line of the answer is JSON

    def tell(*told: Any) -> None:
        answers.write(json.dumps({"progress": told}) + "\n")

    outcome: dict[str, Any]
    try:
        outcome = {"result": work(job, tell)}
    except RunError as error:
        outcome = {"error": str(error), "traceback": ""}
    except OSError as error:
        outcome = {"os_error": [error.errno, error.strerror or str(error), error.filename]}
    except Exception as error:
        outcome = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    answers.write(json.dumps(outcome) + "\n")
    answers.close()


def _converse(child: subprocess.Popen[str], job: dict[str, Any], progress: Progress, heard: Heard) -> dict[str, Any]:
    """Give the child its job and hear it out; `{}` if it ends without an answer."""
    to_child, from_child = _pipes(child)
    try:
        to_child.write(json.dumps(job) + "\n")
        to_child.flush()
    except BrokenPipeError:  # it died before it could listen: the loop below finds no answer
        with contextlib.suppress(BrokenPipeError):  # what it did not hear would be sent once more
            to_child.close()
    for line in from_child:
        heard.again()
        message = json.loads(line)
        if "progress" not in message:
            return message
        progress(*message["progress"])
    return {}


def _pipes(child: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if child.stdin is None or child.stdout is None:
        raise AssertionError("a child is started with pipes")
    return child.stdin, child.stdout


def _how_it_ended(status: int) -> RunError:
    if status >= 0:
        return RunError(f"its process ended with status {status} and no result")
    name = signal.Signals(-status).name
    hint = " (out of memory?)" if name == "SIGKILL" else ""
    return ChildDied(f"its process was killed by {name}{hint}")


def _end_with_the_parent() -> None:
    sys.stdin.read()
    os._exit(1)
