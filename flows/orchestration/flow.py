"""The DAG as a Prefect flow: each node a task, reused artifacts shown as `Cached`.

The artifact store alone decides what is up to date; Prefect keeps no results that could disagree. An expected failure
is returned as a state with one sentence, not raised, so that no log shows a traceback for it.
"""

import os
from pathlib import Path
from typing import Any

from prefect import Flow, flow, flow_engine, get_run_logger
from prefect.client.schemas.objects import FlowRun, State
from prefect.concurrency._leases import maintain_concurrency_lease
from prefect.futures import PrefectFuture, as_completed
from prefect.runtime import deployment
from prefect.runtime import flow_run as this_run
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed
from prefect.utilities.timeout import timeout

from flows.environment import URL
from flows.operations.notify import notify, notify_of_failure, promote_winner
from flows.orchestration.server_reporting import ProgressArtifacts, await_server, show_result
from flows.orchestration.task import as_task, exception_of, failed
from flows.orchestration.task_runners import Engine
from flows.plan import Dag, ForcedReruns, flatten, plan
from flows.pruning import retain
from tasks.pipeline import PROJECT
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError, UserError, ValidationFailed, describe
from tasks.pipeline.fork_server import start_server
from tasks.pipeline.node import Node
from tasks.pipeline.progress import watching
from tasks.pipeline.provenance import commit
from tasks.pipeline.run_records import Record, last_completed, recorded
from tasks.pipeline.store import Store
from tasks.pipeline.workers import stop_workers
from tasks.reporting.live import LivePage
from tasks.reporting.publish import publish, publish_refusal
from tasks.settings.settings import Settings
from tasks.training.tensorflow import environment


class TimeLimitReached(TimeoutError):
    """The run has taken as long as it may."""


# Prefect would end a run that loses its slot, its server being away for minutes. Two at once do no harm here: each
# artifact has one maker.
flow_engine.maintain_concurrency_lease = lambda lease, seconds, **_: maintain_concurrency_lease(lease, seconds)


def as_flow(dag: Dag, kind: type[Settings]) -> Flow[..., Any]:
    """Return the Prefect flow that runs a DAG with settings of this kind."""
    default = kind()

    def run(settings: Settings = default) -> Any:
        try:
            report, page = run_all(dag, settings)
            return Completed(message=f"report: {page}", data=report)
        except (RunError, UserError) as error:
            return failed(error)
        except OSError as error:
            return failed(RunError(describe(error)))

    run.__annotations__["settings"] = kind  # what Prefect checks parameters by
    return flow(
        name=kind.flow,
        description=(kind.__doc__ or "").partition("\n")[0],
        # until its result has a key
        flow_run_name=lambda: kind.model_validate(this_run.parameters.get("settings", {})).run_name,
        persist_result=False,
        on_failure=[on_failure],
        on_crashed=[on_failure],
    )(run)


def on_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 (Prefect's)
    """Notify: Prefect calls this for a run that failed or crashed; where its process was killed, in the worker."""
    notify_of_failure(os.environ.get(URL, ""), flow_run.name, str(flow_run.id), f"{state.name}: {state.message}")


def run_all(dag: Dag, settings: Settings) -> tuple[Artifact, Path]:
    """Run the nodes that are not up to date, record the run, and announce its result; return the report and its page.

    Raises:
        RunError, UserError: a node failed, or the run took too long.
    """
    log, server = get_run_logger(), os.environ.get(URL, "")  # of a server that outlives the run
    places = (settings.data_dir, settings.reports_dir, server or f"{PREFECT_API_URL.value()} (while this run lasts)")
    log.info("Code: %s (%s). Data: %s. Reports: %s. Prefect server: %s.", PROJECT, commit(), *places)
    ahead = plan(dag, settings)
    live = LivePage(settings.reports_dir, [label for label, *_ in ahead.steps])
    Store(settings.data_dir).clean_up()
    if deployment.id and settings.engine == "local":
        start_server(ahead.libraries, environment())
    before = last_completed(settings.data_dir, settings.command)
    try:
        with recorded(settings.data_dir, command=settings.command, recipe=settings.run_name) as record:
            try:
                report, page = run_nodes(dag, settings, record, live)
            except ValidationFailed as error:
                raise RunError(f"{error}; see {publish_refusal(error.artifact, settings.reports_dir)}") from error
            record.end("completed", keep=report.summary["winner"])
    finally:
        if deployment.id:
            await_server()
    if settings.keep_runs:
        log.info("%s", retain(settings))
    announce_result(report, settings, before)
    return report, page


def run_nodes(dag: Dag, settings: Settings, record: Record, live: LivePage) -> tuple[Artifact, Path]:
    """Run every node as a task, and publish the report; return it and its page.

    Raises:
        RunError, UserError: a node failed, or the run took too long.
    """
    forced, engine = ForcedReruns(settings.force), Engine(settings)
    futures: dict[PrefectFuture[Any], str] = {}  # each with its node's label

    def run(node: Node, network: str | None = None, after: PrefectFuture[Any] | None = None, **inputs: Any) -> Any:
        reason = forced.reason(node, network, [futures[given] for given in flatten(inputs, PrefectFuture)])
        task = as_task(node, network, settings, force_reason=reason, run_name=record.path.stem)
        future = engine.submit(task, inputs, after)
        futures[future] = node.label(network)
        return future

    hours, shown = settings.time_limit, [ProgressArtifacts()] if os.environ.get(URL) else []
    with watching(live, *shown), engine:
        try:
            with timeout(hours and 3600 * hours, TimeLimitReached):
                report = dag(run, settings)
                failure = wait_for(futures, record)
        except TimeLimitReached:
            stop_workers()
            failure = RunError(f"stopped after {hours:g} hours (--time-limit); finished steps are kept")
        except BaseException:  # cancelled, or terminated: nothing must work on for nobody
            stop_workers()
            record.end("stopped")  # now: what ends after that may take longer than the process is given
            raise
        if failure:
            raise failure
        live.end()
        artifact = engine.store.fetch(report.result())
        for future, label in futures.items():  # what later runs quote, and what they challenge
            if label == "compare_trainings" or (settings.challenge and label.startswith("evaluate[")):
                engine.store.fetch(future.result())
        return artifact, publish(artifact, settings.reports_dir)


def wait_for(futures: dict[PrefectFuture[Any], str], record: Record) -> Exception | None:
    """Wait for all nodes and record how each ended; return the first failure."""
    failure: Exception | None = None
    for future in as_completed(list(futures)):
        future.wait()  # for the state itself: until then, it is what the server knows of it
        state = future.state
        if state.is_completed():
            artifact = future.result()
            record.node(futures[future], artifact.key, state.name == "Cached", artifact.manifest["made"])
        elif not failure and (state.is_failed() or state.is_crashed()):
            error = exception_of(state)
            failure = error if isinstance(error, RunError | UserError) else RunError(state.message)
    return failure


def announce_result(artifact: Artifact, settings: Settings, before: Record | None) -> None:
    """Show the result on a server that is kept, and notify if the verdict keeps another network than before."""
    link = show_result(settings, artifact)
    kept, keep = before and before.content.get("keep"), artifact.summary["winner"]
    if kept and kept != keep:
        text = f"The verdict changed: keep {keep} instead of {kept} ({settings.run_name}). {link}"
        notify("verdict changed", text, keep=keep, report=link)
    promote_winner(artifact, settings, link)
