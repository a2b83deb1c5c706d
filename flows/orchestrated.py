"""The DAG as a Prefect flow: each node a task, kept artifacts shown as `Cached`.

The artifact store alone decides what stands; Prefect keeps no results of its own that could say otherwise. A node's
failure is returned as a state with one sentence, not raised, so that no log shows a traceback for what was foreseen.
"""

import contextlib
import traceback
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import Task, flow, get_run_logger
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.futures import PrefectFuture, as_completed
from prefect.runtime import flow_run
from prefect.states import Completed, Crashed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

import tasks.report.page  # noqa: F401 (what will run is what is here now, whatever is edited meanwhile)
from flows.main import dag
from flows.plan import downstream, labels
from tasks.artifacts.records import Record, dead, recorded
from tasks.artifacts.store import Store
from tasks.child import stop_children, stopping
from tasks.errors import ChildDied, DataRefused, RunError, UserError, sentence_of
from tasks.node import Inputs, Node
from tasks.progress import LogReporter, Several, watchers
from tasks.report.live import LivePage
from tasks.report.publish import publish, publish_refusal
from tasks.settings import Settings


@flow(
    name="fashion-mnist",
    task_runner=ThreadPoolTaskRunner(max_workers=32),  # type: ignore[arg-type]  # its threads wait for child processes
    persist_result=False,
)
def fashion_mnist(settings: Settings = Settings()) -> Any:  # noqa: B008 (frozen)
    """Download, validate, prepare, train the networks in parallel, evaluate, compare, report."""
    try:
        return run_all(settings)
    except OSError as error:
        fault = RunError(sentence_of(error))
        return Failed(message=str(fault), data=fault)


def run_all(settings: Settings) -> State:
    """Run what does not stand, as tasks of the flow run, and record it."""
    mark_the_dead(settings.data_dir)
    Store(settings.data_dir).sweep()
    afresh = downstream(settings)
    with recorded(settings.data_dir, command=settings.command, flow_run=str(flow_run.id)) as record:
        futures: dict[PrefectFuture[Any], str] = {}

        def run(node: Node, network: str | None = None, after: PrefectFuture[Any] | None = None, **inputs: Any) -> Any:
            label = node.label(network)
            task = as_task(node, network, settings, afresh.get(label), record.name)
            future = task.submit(inputs, wait_for=[after] if after else None)
            futures[future] = label
            return future

        with LivePage(settings.reports_dir, labels(settings)) as live:
            watchers.append(live)
            try:
                report = dag(run, settings)
                failed = wait_for(futures, record)
            except BaseException:  # cancelled, or told to end: the children must not work on for nobody
                stop_children()
                record.end("stopped")
                raise
            finally:
                watchers.remove(live)
            ended = _published(failed, report, settings, live)
        record.end("failed" if ended.is_failed() else "completed", (ended.is_failed() and ended.message) or "")
    return ended


def _published(failed: State | None, report: PrefectFuture[Any], settings: Settings, live: LivePage) -> State:
    """Put the page of the report, or of what was refused, into its place; return the state of the flow run."""
    live.end("failed" if failed else "")
    try:
        if not failed:
            page = publish(report.result(), settings.reports_dir)
            return Completed(message=f"report: {page}", data=report.result())
        fault = _fault_of(failed)
        if isinstance(fault, DataRefused):
            page = publish_refusal(fault.artifact, settings.reports_dir)
            fault = RunError(f"{fault}; see {page}")
            return Failed(message=str(fault), data=fault)
    except RunError as error:
        live.end("failed")
        failed = Failed(message=str(error), data=error)
    return failed


def wait_for(futures: dict[PrefectFuture[Any], str], record: Record) -> State | None:
    """Wait for all nodes and record how each ended; return the first failure."""
    failed: State | None = None
    for future in as_completed(list(futures)):
        future.wait()  # for the state itself: until then, it is what the server knows of it
        if future.state.is_completed():
            artifact = future.result()
            record.node(futures[future], artifact.key, future.state.name == "Cached", artifact.manifest["made"])
        elif not failed and (future.state.is_failed() or future.state.is_crashed()):
            failed = Failed(message=future.state.message, data=future.state.data)
    return failed


def mark_the_dead(data_dir: Path) -> None:
    """Tell the server of runs in this data folder that were killed: for it, they would run for ever."""
    for record in dead(data_dir):
        run = record.content["flow_run"]
        message = f"its process, pid {record.content['pid']} on {record.content['host']}, was killed"
        with get_client(sync_client=True) as client, contextlib.suppress(ObjectNotFound):  # it was another server's
            if run == str(flow_run.id):  # a worker has started it again
                record.told()
                continue
            known = client.read_flow_run(UUID(run))
            unfinished = TaskRunFilterState(type=TaskRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING]))
            tasks = client.read_task_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[known.id])),
                task_run_filter=TaskRunFilter(state=unfinished),
            )
            for task in tasks:
                client.set_task_run_state(task.id, Crashed(message=message), force=True)
            if known.state and not known.state.is_final():
                client.set_flow_run_state(known.id, Crashed(message=message), force=True)
            get_run_logger().info("run %s crashed: %s", known.name, message)
        record.told()


def as_task(
    node: Node, network: str | None, settings: Settings, afresh: str | None = None, run: str = ""
) -> Task[..., Any]:
    """Return the Prefect task that runs a node, though its artifact stands if there is a reason to do so."""
    label = node.label(network)

    def work(inputs: Inputs) -> Any:
        from flows.orchestrated import run_node  # Dask sends this function itself, and with it what it refers to

        return run_node(node, network, settings, afresh, run, inputs)

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


def run_node(node: Node, network: str | None, settings: Settings, afresh: str | None, run: str, inputs: Inputs) -> Any:
    """Run a node within a Prefect task, and return the state that it ends in."""
    if stopping.is_set():
        return Failed(message="stopped")
    label = node.label(network)
    reporter = Several(LogReporter(get_run_logger()), *watchers)
    fault: RunError | UserError
    try:
        artifact, made = node.run(settings, network, inputs, reporter, afresh, run)
    except (RunError, UserError) as error:
        fault, detail = error, "\n".join(getattr(error, "__notes__", []))
    except Exception as error:  # a fault in the node: shown whole, for whoever mends it
        fault, detail = RunError(f"{label}: {type(error).__name__}: {error}"), traceback.format_exc()
    else:
        return Completed(name="Completed" if made else "Cached", message=artifact.key, data=artifact)
    if not stopping.is_set():
        reporter.failed(label, str(fault), detail)
    return Failed(message=str(fault), data=fault)


def _may_heal(task: Any, run: Any, state: Any) -> bool:  # noqa: ARG001 (Prefect's signature)
    """Tell whether another try may help: after a killed child, not after a failed validation or a fault in the code."""
    return isinstance(_fault_of(state), ChildDied)


def _fault_of(state: Any) -> Any:
    return getattr(state.data, "result", state.data)
