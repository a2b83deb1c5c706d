"""The server that workers are forked from: how it is started, and what it does first, in its own process.

It imports once what its workers would each import by themselves. It gets its orders by the environment, as
multiprocessing hands it nothing but this module's name. A library that cannot be imported is left out: the worker that
needs it meets the fault itself, and reports it.
"""

import atexit
import contextlib
import gc
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import version
from multiprocessing import forkserver

from tasks.pipeline import PROJECT

HEAVY = {  # what is worth importing once for all workers, by distribution
    **{name: name.replace("-", "_") for name in ("great-expectations", "keras", "optuna", "pandas", "tensorflow")},
    "matplotlib": "matplotlib.figure",
    "pillow": "PIL.Image",
    "scipy": "scipy.special",
}
LONGEST_TMPDIR = 75  # characters; with what multiprocessing adds, the 107 that a socket's path may have
LIBRARIES, SOCKET_FOLDER = "FASHION_MNIST_PRELOAD", "FASHION_MNIST_SOCKET_FOLDER"
MATPLOTLIB = {"MPLBACKEND": "agg", "MPLCONFIGDIR": str(PROJECT / "data" / "matplotlib")}  # not the user's settings
ENVIRONMENT = {  # of the server, and so of every worker
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

_environment: dict[str, str | None] = {**ENVIRONMENT, LIBRARIES: ""}  # of the server
preloaded: dict[str, str] = {}  # in the server and its workers: which version of each distribution has been imported
starting = threading.Lock()  # multiprocessing's own bookkeeping is not made for threads


def start_server(libraries: Iterable[str], environment: Mapping[str, str | None]) -> None:
    """Have a server that imports these distributions, in this environment besides its own, unless there is one."""
    heavy = sorted({*libraries} & HEAVY.keys(), reverse=True)  # TensorFlow first
    _environment.update({**environment, LIBRARIES: ",".join(heavy)})
    ensure_server()


def ensure_server() -> None:
    """Have a server: that which runs, or another one like it."""
    with starting:
        if _is_running():
            return
        multiprocessing.current_process().daemon = False  # as Dask's workers are, which may start no process then
        before = dict(os.environ)
        # Ctrl-C reaches neither the server nor its forks. Not for every worker: a thread that unblocks a signal may
        # take one that was sent meanwhile, and the main thread, where Python handles it, would sleep on.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            short = len(tempfile.gettempdir()) <= LONGEST_TMPDIR
            folder = tempfile.mkdtemp(prefix="pymp-", dir=None if short else "/tmp")  # noqa: S108
            # Where multiprocessing puts its sockets: by itself it would take TMPDIR, however long.
            multiprocessing.current_process()._config["tempdir"] = folder  # type: ignore[attr-defined]
            for name, value in {**_environment, SOCKET_FOLDER: folder}.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
            forkserver.set_forkserver_preload([__name__])
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
            os.environ |= before


def _is_running() -> bool:
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    ended = os.WEXITED | os.WNOHANG | os.WNOWAIT  # multiprocessing itself collects its status
    return server is not None and os.waitid(os.P_PID, server, ended) is None


if LIBRARIES in os.environ:  # this is the server
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a worker has a file of its own for what libraries print
    os.dup2(2, 1)
    atexit.register(shutil.rmtree, os.environ.pop(SOCKET_FOLDER), ignore_errors=True)
    import_module("tasks.pipeline.node")
    for library in filter(None, os.environ.pop(LIBRARIES).split(",")):
        with contextlib.suppress(Exception):
            import_module(HEAVY[library])
            preloaded[library] = version(library)
    gc.freeze()  # the collector would touch, and so copy, what workers share
