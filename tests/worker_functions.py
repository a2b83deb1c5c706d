"""What tests have workers do: functions of a module, and nodes, as a worker imports both by name."""

import os
import signal
import sys
import threading
from pathlib import Path

from tasks.pipeline.errors import RunError
from tasks.pipeline.node import node


class Unpicklable(Exception):
    """An error of a library that the parent does not import."""

    def __reduce__(self):
        raise TypeError("cannot be pickled")


def add(numbers, progress):
    print("a library's chatter")
    progress(1, 2, "half", True)
    return {"sum": sum(numbers)}


def tell(progress):
    """Say what this process is like."""
    descriptors = [path for path in Path("/proc/self/fd").iterdir() if path.exists()]
    return {
        "open": [str(path.readlink()) for path in descriptors],
        "main": getattr(sys.modules["__main__"], "__file__", None),
        "server_threads": len(list(Path(f"/proc/{os.getppid()}/task").iterdir())),
        "imported": [name for name in ("tensorflow", "great_expectations", "matplotlib") if name in sys.modules],
    }


def fail(how, progress):
    """End by this error, in this way or by this signal."""
    print("last words", file=sys.stderr, flush=True)
    if isinstance(how, Exception):
        raise how
    if how == "unpicklable":
        raise Unpicklable("of a library")
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), how)


def wait(progress):
    """Report one's process, and that of a child of one's own, and wait for ever."""
    child = os.fork()
    if not child:
        threading.Event().wait()
    progress(os.getpid(), child, "", True)
    threading.Event().wait()


@node(not_in_key=("data_dir",))
def count(output, *, seed, data_dir, progress):
    progress(1, 2, str(data_dir.name), False)
    (output / "count.txt").write_text(str(seed))
    return {"count": seed, "measured": {"seconds": 1.0}}


@node()
def double(output, *, count, network):
    (output / "double.txt").write_text(str(2 * count.summary["count"]))
    return {"of": network, "given": sorted(count.manifest)}


@node(key_on_provenance=True)
def describe(output, *, count):
    return {"seconds": count.measured["seconds"]}


@node()
def alter_input(output, *, count):
    (count.folder / "count.txt").write_text("9")
    return {}


@node(retries=1)
def divide(output, *, seed):
    return {"share": 1 / seed}


@node(retries=1)
def give_reasons(output):
    error = RunError("the numbers do not add up")
    error.add_note("at line 3")
    raise error


@node()
def die(output):
    os.kill(os.getpid(), signal.SIGKILL)
