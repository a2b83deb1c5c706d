"""Serve: be a child process, the other end of `tasks/child.py`."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import runpy
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from tasks.errors import RunError, UserError
from tasks.progress import Progress

STAYS = (
    "tasks.serve",
    "tasks.child",
    "tasks.errors",
    "tasks.progress",
    "tasks.artifacts",
)  # code that a child does not read anew for its next job


def serve(work: Callable[[dict[str, Any], Progress], dict[str, Any]]) -> None:
    """Do the job that comes, answer, run the module that comes next; end at once if the parent goes."""
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


@contextlib.contextmanager
def not_importing(*packages: str) -> Iterator[None]:
    """Have these look as if they were not installed: Keras imports them where they are, which takes two seconds."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules |= dict.fromkeys(hidden)  # type: ignore[arg-type]  # None stands for what cannot be imported
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _outcome(
    work: Callable[[dict[str, Any], Progress], dict[str, Any]], job: dict[str, Any], tell: Progress
) -> dict[str, Any]:
    try:
        return {"result": work(job, tell)}
    except RunError as error:
        return {"error": str(error), "traceback": ""}
    except UserError as error:
        return {"user_error": str(error)}
    except OSError as error:
        return {"os_error": [error.errno, error.strerror or str(error), error.filename]}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}


def _hear_the_parent(jobs: queue.Queue[tuple[str, list[int]]]) -> None:
    with socket.socket(fileno=0) as parent:
        while True:
            message, descriptors, _, _ = socket.recv_fds(parent, 1, 2)
            if not message:
                os._exit(1)
            with os.fdopen(descriptors[0], encoding="utf-8") as file:
                file.seek(0)
                job = file.read()
            jobs.put((job, descriptors[1:]))  # with its file closed: what the job finds open is its own
