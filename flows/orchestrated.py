"""The DAG as a Prefect flow: each node a task, kept artifacts shown as `Cached`.

The artifact store alone decides what stands; Prefect keeps no results of its own that could say otherwise. A node's
failure is returned as a state with one sentence, not raised, so that no log shows a traceback for what was foreseen.
"""

import traceback
from typing import Any

from prefect import Task, flow, get_run_logger
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.main import dag
from tasks.artifacts.store import sweep
from tasks.child import stop_children, stopping
from tasks.errors import ChildDied, RunError, UserError
from tasks.node import Inputs, Node
from tasks.progress import LogReporter, Several, watchers
from tasks.report import publish
from tasks.settings import Settings


@flow(
    name="fashion-mnist",
    task_runner=ThreadPoolTaskRunner(max_workers=32),  # type: ignore[arg-type]  # its threads wait for child processes
    persist_result=False,
)
def fashion_mnist(settings: Settings = Settings()) -> Any:  # noqa: B008 (frozen)
    """Download, validate, prepare, train the networks in parallel, evaluate, compare, report."""
    sweep(settings.data_dir, settings.reports_dir)
    futures: list[PrefectFuture[Any]] = []

    def run(node: Node, network: str | None = None, after: PrefectFuture[Any] | None = None, **inputs: Any) -> Any:
        futures.append(as_task(node, network, settings).submit(inputs, wait_for=[after] if after else None))
        return futures[-1]

    report = dag(run, settings)
    try:
        for future in futures:
            future.wait()
            if future.state.is_failed() or future.state.is_crashed():
                return Failed(message=future.state.message, data=future.state.data)
    except BaseException:  # cancelled, or told to end: the children must not work on for nobody
        stop_children()
        raise
    try:
        page = publish(report.result(), settings.reports_dir)
    except RunError as error:
        return Failed(message=str(error), data=error)
    return Completed(message=f"report: {page}", data=report.result())


def as_task(node: Node, network: str | None, settings: Settings) -> Task[..., Any]:
    """Return the Prefect task that runs a node."""
    label = node.label(network)

    def work(inputs: Inputs) -> Any:
        if stopping.is_set():
            return Failed(message="stopped")
        reporter = Several(LogReporter(get_run_logger()), *watchers)
        fault: RunError | UserError
        try:
            artifact, stood = node.run(settings, network, inputs, reporter)
        except (RunError, UserError) as error:
            fault, detail = error, "\n".join(getattr(error, "__notes__", []))
        except Exception as error:  # a fault in the node: shown whole, for whoever mends it
            fault, detail = RunError(f"{label}: {type(error).__name__}: {error}"), traceback.format_exc()
        else:
            return Completed(name="Cached" if stood else "Completed", message=artifact.key, data=artifact)
        if not stopping.is_set():
            reporter.failed(label, str(fault), detail)
        return Failed(message=str(fault), data=fault)

    return Task(
        work,
        name=label,
        task_run_name=label,
        description=node.function.__doc__,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=node.retries,
        retry_delay_seconds=2,
        retry_condition_fn=_may_heal,
    )


def _may_heal(task: Any, run: Any, state: Any) -> bool:  # noqa: ARG001 (Prefect's signature)
    """Tell whether another try may help: after a killed child, not after a failed validation or a fault in the code."""
    return isinstance(getattr(state.data, "result", state.data), ChildDied)
