"""A node as a Prefect task: on this machine, or on another one of a cluster."""

import traceback
from functools import partial
from typing import Any

from prefect import Task, get_run_logger
from prefect.cache_policies import NO_CACHE
from prefect.runtime import deployment
from prefect.states import Completed, Failed
from prefect.tasks import exponential_backoff

from flows.orchestration.task_runners import Submitter, localize
from tasks.pipeline import PROJECT
from tasks.pipeline.errors import RunError, Unreachable, UserError, WorkerCrashed
from tasks.pipeline.node import Inputs, Node
from tasks.pipeline.progress import Event, log_reporter
from tasks.pipeline.workers import stopping
from tasks.settings.settings import Settings


def as_task(node: Node, network: str | None, settings: Settings, **how: str | None) -> Task[..., Any]:
    """Return the Prefect task that runs a node; `how` goes to `Node.run`."""
    label, submitter = node.label(network), None
    if settings.engine != "local":  # one arithmetic for all, whatever the other machines' processors
        submitter = (PROJECT, node.fingerprint(settings, network))
        settings = settings.model_copy(update={"precision": settings.resolved()["precision"]})
    # Another try may help after a killed worker, and a run that nobody waits for where the network is down.
    retryable = WorkerCrashed | Unreachable if deployment.id else WorkerCrashed
    return Task(
        partial(run_node, node, network, settings, submitter, how),
        name=label,
        task_run_name=label,
        description=node.function.__doc__,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=node.retries,
        retry_delay_seconds=exponential_backoff(backoff_factor=3),
        retry_jitter_factor=0.5,
        retry_condition_fn=lambda task, run, state: isinstance(exception_of(state), retryable),  # noqa: ARG005
    )


def run_node(
    node: Node, network: str | None, settings: Settings, submitter: Submitter | None, how: Any, inputs: Inputs
) -> Any:
    """Run a node within a Prefect task, perhaps on another machine than its submitter; return the state it ends in."""
    label, reporter = node.label(network), log_reporter(get_run_logger())
    try:
        if submitter:
            settings, inputs = localize(submitter, node, network, settings, inputs)
        artifact, made = node.run(settings, network, inputs, reporter, **how)
        return Completed(name="Completed" if made else "Cached", message=artifact.key, data=artifact)
    except (RunError, UserError) as error:
        failure: Exception = error
        detail = "\n".join(getattr(error, "__notes__", []))
    except Exception as error:  # a bug in the node: its traceback is for whoever mends it
        failure, detail = RunError(f"{label}: {type(error).__name__}: {error}"), traceback.format_exc()
    if not stopping.is_set():
        reporter(Event("failed", label, str(failure), detail=detail))
    return failed(failure)


def failed(error: Exception) -> Any:
    """Return the failed state that carries an exception."""
    return Failed(message=str(error), data=error)


def exception_of(state: Any) -> Any:
    """Return the exception that a failed state carries."""
    return getattr(state.data, "result", state.data)
