"""The server that workers are forked from; what it does first, in its own process, is in `preload.py`."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterable, Mapping
from multiprocessing import forkserver, util

from tasks.pipeline import PROJECT

HEAVY = {  # what is worth importing once for all workers, by distribution
    **{name: name.replace("-", "_") for name in ("great-expectations", "keras", "optuna", "pandas", "tensorflow")},
    "matplotlib": "matplotlib.figure",
    "pillow": "PIL.Image",
    "scipy": "scipy.special",
}
LIBRARIES, SOCKET_FOLDER = "FASHION_MNIST_PRELOAD", "FASHION_MNIST_SOCKET_FOLDER"
MATPLOTLIB = {"MPLBACKEND": "agg", "MPLCONFIGDIR": str(PROJECT / "data" / "matplotlib")}  # not the user's settings
ENVIRONMENT = {  # of this process from then on, of the server, and so of every worker
    "PYTHONPATH": str(PROJECT),
    "PYTHONSAFEPATH": "1",  # not what lies in the current folder
    "OPENBLAS_NUM_THREADS": "1",  # a process that forks has one thread
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait for one another leave the cores to others
    "GX_ANALYTICS_ENABLED": "false",
    "PYTHONWARNINGS": "ignore",  # what libraries warn of is for their developers
    "PYTHONOPTIMIZE": "",  # libraries rely on their assertions and docstrings
    **MATPLOTLIB,
}
PATH = [str(PROJECT), *filter(None, sys.path)]  # what a worker imports from, wherever its parent was started

preloaded: dict[str, str] = {}  # in the server and its workers: which version of each distribution has been imported
starting = threading.Lock()  # multiprocessing's own bookkeeping is not made for threads


def start_server(libraries: Iterable[str], environment: Mapping[str, str | None]) -> None:
    """Have a server that imports these distributions, in this environment besides its own, unless there is one."""
    for name, value in environment.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    os.environ[LIBRARIES] = ",".join(sorted({*libraries} & HEAVY.keys(), reverse=True))  # TensorFlow first
    ensure_server()


def ensure_server() -> None:
    """Have a server; where one dies, multiprocessing starts another one like it."""
    with starting:
        if forkserver._forkserver._forkserver_pid is not None:  # type: ignore[attr-defined]
            return
        multiprocessing.current_process().daemon = False  # as Dask's workers are, which may start no process then
        os.environ |= ENVIRONMENT | {SOCKET_FOLDER: util.get_temp_dir()}
        forkserver.set_forkserver_preload(["tasks.pipeline.preload"])
        # Ctrl-C reaches neither the server nor its forks. Not for every worker: a thread that unblocks a signal may
        # take one that was sent meanwhile, and the main thread, where Python handles it, would sleep on.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
