"""A node as a Prefect task: on this machine, or sent to another one of a cluster."""

import traceback
from typing import Any

from prefect import Task, get_run_logger
from prefect.cache_policies import NO_CACHE
from prefect.runtime import deployment
from prefect.states import Completed, Failed
from prefect.tasks import exponential_backoff

from flows.engines import Submitter
from tasks.pipeline import PROJECT
from tasks.pipeline.errors import RunError, Unreachable, UserError, WorkerCrashed
from tasks.pipeline.node import Inputs, Node
from tasks.pipeline.progress import Event, log_reporter, to_all, watchers
from tasks.pipeline.workers import stopping
from tasks.settings import Settings


def as_task(
    node: Node, network: str | None, settings: Settings, afresh: str | None = None, run: str = ""
) -> Task[..., Any]:
    """Return the Prefect task that runs a node, though its artifact stands if there is a reason to do so."""
    label = node.label(network)
    submitter = None
    if settings.engine != "local":  # one arithmetic for all, whatever the other machines' processors
        submitter = Submitter(PROJECT, node.fingerprint(network))
        settings = settings.model_copy(update={"precision": settings.resolved().precision})

    def work(inputs: Inputs) -> Any:
        from flows.as_task import run_node  # a cluster is sent this function itself, and with it what it refers to

        return run_node(node, network, settings, afresh, run, inputs, submitter)

    return Task(
        work,
        name=label,
        task_run_name=label,
        description=node.function.__doc__,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=node.retries,
        retry_delay_seconds=exponential_backoff(backoff_factor=3),
        retry_jitter_factor=0.5,
        retry_condition_fn=_may_heal_unattended if deployment.id else _may_heal,
    )


def run_node(
    node: Node,
    network: str | None,
    settings: Settings,
    afresh: str | None,
    run: str,
    inputs: Inputs,
    submitter: Submitter | None = None,
) -> Any:
    """Run a node within a Prefect task, from elsewhere if there is a submitter; return the state that it ends in."""
    if stopping.is_set():
        return Failed(message="stopped")
    label = node.label(network)
    reporter = to_all(log_reporter(get_run_logger()), *watchers)
    fault: RunError | UserError
    try:
        if submitter:
            settings, inputs = submitter.localize(node, network, settings, inputs)
        artifact, made = node.run(settings, network, inputs, reporter, afresh, run)
    except (RunError, UserError) as error:
        fault, detail = error, "\n".join(getattr(error, "__notes__", []))
    except Exception as error:  # a fault in the node: shown whole, for whoever mends it
        fault, detail = RunError(f"{label}: {type(error).__name__}: {error}"), traceback.format_exc()
    else:
        return Completed(name="Completed" if made else "Cached", message=artifact.key, data=artifact)
    if not stopping.is_set():
        reporter(Event("failed", label, str(fault), detail=detail))
    return Failed(message=str(fault), data=fault)


def _may_heal(task: Any, run: Any, state: Any) -> bool:  # noqa: ARG001 (Prefect's signature)
    """Tell whether another try may help: after a killed worker, not after a failed validation or a fault in code."""
    return isinstance(fault_of(state), WorkerCrashed)


def _may_heal_unattended(task: Any, run: Any, state: Any) -> bool:  # noqa: ARG001
    """Tell it of a scheduled run: nobody waits for its word that the network is down, so it asks again later."""
    return isinstance(fault_of(state), WorkerCrashed | Unreachable)


def fault_of(state: Any) -> Any:
    """Return the exception that a failed state stands for."""
    return getattr(state.data, "result", state.data)
