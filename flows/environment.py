"""A command's environment: what of the user's counts, and what must not shape or break a run.

A run reports to the Prefect server that `PREFECT_API_URL` names. Nothing else of the user's Prefect is read, and
nothing is written there: what Prefect keeps lies in the project's `data/prefect/`.
"""

import os
import signal
import sys
import time
from importlib.util import find_spec

from tasks.pipeline import PROJECT
from tasks.pipeline.fork_server import MATPLOTLIB

BEGAN = time.monotonic()  # about when the command did
PREFECT_HOME = PROJECT / "data" / "prefect"
URL = "PREFECT_API_URL"
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
UNSET = (
    "PREFECT_PROFILES_PATH",
    "PREFECT_PROFILE",
    "all_proxy",  # desktops set one of a kind that httpx refuses, whatever it is asked
    "ALL_PROXY",
)


def prepare_python() -> None:
    """Start the command anew where the environment has Python import other code; exit where libraries are missing."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while there is nothing to stop, Ctrl-C just ends it
    if os.environ.pop("PYTHONPATH", None):
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 (no shell is wanted)
    if not find_spec("pydantic"):
        print("error: this Python lacks the needed libraries; `make run` installs them into .venv", file=sys.stderr)
        sys.exit(2)


def settle_environment() -> None:
    """Have in this process's environment what its parts and its children may rely on."""
    for name in (*UNSET, *(() if os.environ.get(URL) else (URL,))):
        os.environ.pop(name, None)
    spared = [part for name in ("no_proxy", "NO_PROXY") for part in os.environ.get(name, "").split(",") if part]
    direct = ",".join(dict.fromkeys([*spared, *THIS_MACHINE]))
    ours = {"PREFECT_HOME": str(PREFECT_HOME), "DO_NOT_TRACK": "1", "no_proxy": direct, "NO_PROXY": direct}
    os.environ.update(ours | MATPLOTLIB)
