"""Engines: what runs the tasks, by Prefect's task runners. This machine, a Dask cluster or a Ray cluster.

On a cluster a task runs on whatever machine is free. Each has this project (with the same code, or the run fails),
reaches the Prefect server, and shares the data folder or the store that the settings name. A scheduler that loses a
machine runs its tasks again elsewhere; what they find in the store is reused. When the run is stopped, a training on a
Dask worker runs to its end and is kept; Ray kills it, and its checkpoint is kept.
"""

import contextvars
import logging
import os
import socket
from pathlib import Path
from typing import Any, Self

from prefect import Task, get_run_logger
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.environment import URL
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.fork_server import HEAVY, start_server
from tasks.pipeline.node import Inputs, Node, map_artifacts, store_of
from tasks.pipeline.progress import Event, log_reporter, took
from tasks.pipeline.provenance import cores
from tasks.pipeline.workers import stopping
from tasks.settings.settings import Settings
from tasks.training.tensorflow import environment

CONNECT_TIMEOUT = 10  # seconds

Submitter = tuple[Path, dict[str, dict[str, str]]]  # the project that sends a task, its code and library versions


class Engine:
    """Runs tasks while the context lasts: in threads of this process, which wait for workers, or on other machines."""

    def __init__(self, settings: Settings) -> None:
        if settings.scheduler and not os.environ.get(URL):
            raise UserError("--scheduler needs a Prefect server that its machines reach: set PREFECT_API_URL to one")
        self.settings, self.store, self.is_local = settings, store_of(settings), settings.engine == "local"
        start = {"local": lambda _: ThreadPoolTaskRunner(max_workers=32), "dask": _dask, "ray": _ray}[settings.engine]
        self.runner: TaskRunner[Any] = start(settings.scheduler)

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            RunError: it does not start, or its scheduler does not answer.
        """
        engine, where = self.settings.engine, self.settings.scheduler or "this machine"
        self.reporter = log_reporter(get_run_logger())
        if not self.is_local:
            self.reporter(Event("started", engine, f"connecting to {where}"))
        try:
            self.runner.__enter__()
            getattr(self.runner, "client", None)  # a Dask runner connects at the first access
        except Exception as error:  # each engine has exceptions of its own
            said = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise RunError(
                f"{engine} at {where} does not answer ({said}); start it, or give another --scheduler"
            ) from error
        return self

    def __exit__(self, *how: Any) -> None:
        self.runner.__exit__(*how)

    def submit(self, task: Task[..., Any], inputs: Any, after: Any) -> PrefectFuture[Any]:
        """Have a task run when its inputs are there, which another machine finds in the store, and what it is after."""
        given = {"inputs": map_artifacts(self.store.fetch, inputs)}
        future = self.runner.submit(task, given, wait_for=[after] if after else None)
        if not self.is_local:
            known = contextvars.copy_context()  # the thread that calls back would not know the run's server
            future.add_done_callback(lambda done: known.run(self._report, task.name, done))
        return future

    def _report(self, label: str, future: PrefectFuture[Any]) -> None:
        future.wait()
        state = future.state
        if state.is_completed():
            how = "cached" if state.name == "Cached" else took(future.result().manifest["made"]["seconds"])
            self.reporter(Event("ended", label, how))
        elif not stopping.is_set():
            self.reporter(Event("failed", label, state.message or str(state.name)))


def _dask(scheduler: str | None) -> TaskRunner[Any]:
    """Return the task runner of a scheduler, or of a worker for each core of this machine."""
    from prefect_dask import DaskTaskRunner

    logging.getLogger("distributed").setLevel(logging.ERROR)  # below that it logs what goes well
    here = {"n_workers": cores(), "threads_per_worker": 1, "memory_limit": 0}  # nodes' processes are not counted
    cluster = {**here, "dashboard_address": None, "silence_logs": logging.ERROR}
    if scheduler:
        return DaskTaskRunner(address=scheduler, client_kwargs={"timeout": CONNECT_TIMEOUT})
    return DaskTaskRunner(cluster_kwargs=cluster)


def _ray(scheduler: str | None) -> TaskRunner[Any]:
    """Return the task runner of a cluster, or of this machine's cores, which no other reaches."""
    if not scheduler:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # read on import; it listens on all else
    from prefect_ray import RayTaskRunner

    here = {} if scheduler else {"num_cpus": cores(), "include_dashboard": False}
    return RayTaskRunner(address=scheduler or "local", init_kwargs={"log_to_driver": False, **here})


def localize(
    submitter: Submitter, node: Node, network: str | None, settings: Settings, inputs: Inputs
) -> tuple[Settings, Inputs]:
    """Return the submitter's settings and input artifacts as they are on this machine.

    Raises:
        RunError: its code or its libraries differ, or an input cannot be fetched.
    """
    project, fingerprint = submitter
    for what, mine in node.fingerprint(settings, network).items():
        differing = sorted({name for name, _ in fingerprint[what].items() ^ mine.items()})
        if differing:
            raise RunError(
                f"{socket.gethostname()} has different {what} from this run ({', '.join(differing)}); update it, "
                "restart its worker, and run again"
            )
    here = settings.relocated(project)
    start_server(HEAVY, environment())  # once, for whatever nodes this machine gets
    return here, map_artifacts(store_of(here).fetch, inputs)
