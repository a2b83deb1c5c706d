"""A child process for the tests of `tasks.child`: does what its job names."""

import os
import signal
import threading
from pathlib import Path

from tasks.serve import serve

from tasks.pipeline.errors import RunError


def work(job, progress):
    if job["do"] == "answer":
        print("a library's chatter")
        for done in job.get("done", [1]):
            progress(done, 2, "half", True)
        return {"sum": sum(job["numbers"])}
    if job["do"] == "tell":
        descriptors = [path for path in Path("/proc/self/fd").iterdir() if path.exists()]
        return {"pid": os.getpid(), "module": "a_child", "open": [str(path.readlink()) for path in descriptors]}
    if job["do"] == "mark":
        from tasks import wording

        found, wording.mark = hasattr(wording, "mark"), True
        return {"found": found, "pid": os.getpid()}
    if job["do"] == "refuse":
        raise RunError("the numbers do not add up")
    if job["do"] == "break":
        raise ZeroDivisionError("a fault in the code")
    if job["do"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    progress(0, 1, str(os.getpid()), True)
    threading.Event().wait()
    return {}


if __name__ == "__main__":
    serve(work)
