"""The command line over the flow: progress, the verdict, exit statuses (which `--help` explains)."""

import contextlib
import io
import logging
import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn

from rich.console import Console

from flows.environment import BEGAN, PREFECT_HOME, URL, settle_environment
from flows.operations.notify import promote_winner
from flows.parser import STUDIES, read_command
from flows.plan import Dag, outlook, plan
from flows.pruning import damaged, megabytes, prune
from flows.result_table import print_summary, table
from tasks.formatting import suggest
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.champions import roll_back
from tasks.pipeline.errors import RunError, UserError, describe
from tasks.pipeline.fork_server import start_server
from tasks.pipeline.progress import Event, Reporter, TerminalReporter, took, watchers
from tasks.pipeline.reading import printable
from tasks.pipeline.run_records import requested_again
from tasks.pipeline.store import Store
from tasks.pipeline.workers import stop_workers
from tasks.reporting.publish import latest, publish
from tasks.settings.settings import Settings
from tasks.training.tensorflow import environment

SERVER = "Prefect's server"
RESUME = "Finished steps are kept; run the same command to continue"
_stop_requested = threading.Event()
_once = threading.Lock()


def main(dag: Dag, kind: type[Settings], arguments: list[str] | None = None) -> NoReturn:
    """Run the DAG with settings of this kind, as the arguments say, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where a terminal lacks a sign
    settle_environment()
    logging.raiseExceptions = False  # Prefect writes such a failure to stderr without a line's end
    try:
        settings, actions = read_command(kind, arguments)
        _on_signals(_interrupt)  # until here there is nothing to stop
        status = run_command(dag, settings, actions) if actions else run(dag, settings)
    except (RunError, UserError) as error:
        _fail(error)
    except OSError as error:
        _fail(RunError(describe(error)))
    except KeyboardInterrupt:
        _stop()
    _exit(status)


def main_of_studies(studies: dict[str, tuple[Dag, type[Settings]]]) -> NoReturn:
    """Run the study that the first argument names; without one, print which there are."""
    given = next(iter(sys.argv[1:]), "")
    if given in studies:
        main(*studies[given], sys.argv[2:])
    if given not in ("", "-h", "--help"):
        _fail(UserError(f"unknown study {given}{suggest(given, studies)}"))
    usage = (
        f"usage: python flows/study.py STUDY [options]\n\n{STUDIES}\nIts options: python flows/study.py seeds --help"
    )
    print(usage, file=sys.stdout if given else sys.stderr)
    _exit(0 if given else UserError.exit_status)


def run_command(dag: Dag, settings: Settings, actions: dict[str, Any]) -> int:
    """Do the action that the command line names, and return the exit status.

    Raises:
        UserError: it names actions that do not go together.
        RunError: a run is active, or nothing can be read.
    """
    wrong: list[str] = []
    match sorted(actions):
        case ["plan"]:
            planned = plan(dag, settings)
            lines = [table(planned.steps), "", outlook(planned, settings)]
        case ["verify"]:
            wrong, summary = damaged(settings.data_dir)
            lines = [*wrong, summary]
        case ["status"]:
            from flows.operations.status import status

            rows, wrong = status(settings)
            lines = [table(rows), *wrong]
        case ["rollback"]:
            again, was = roll_back(settings.data_dir)
            lines = [f"Champion restored: {again.network} ({again.recipe}). It replaces {was.network} ({was.recipe})."]
        case ["prune"] | ["prune", "yes"]:
            removing = "yes" in actions
            items = prune(settings.data_dir, settings.reports_dir, actions["prune"], delete=removing)
            found = [(megabytes(item.bytes), os.path.relpath(item.path), item.why) for item in items]
            size = megabytes(sum(item.bytes for item in items))
            count = f"{len(items)} {'deleted' if removing else 'to delete'}, {size}"
            hint = "; add --yes to delete them" if items and not removing else ""
            lines = list(filter(None, [table(found, ">"), count + hint]))
        case _:
            raise UserError("give one of --plan, --verify, --status, --rollback and --prune; --yes only with --prune")
    print("\n".join(lines))
    return 1 if wrong else 0


def run(dag: Dag, settings: Settings) -> int:
    """Have the report, and print what it says; without Prefect or TensorFlow if everything is up to date."""
    Store(settings.data_dir).clean_up()
    ahead = plan(dag, settings)
    if ahead.complete:
        *_, artifact = ahead.kept.values()  # the last node's: the report
        with contextlib.suppress(OSError):  # it is there, though that it was requested cannot be recorded
            requested_again(settings.data_dir, ahead.kept, command=settings.command, recipe=settings.run_name)
        publish(artifact, settings.reports_dir)
        promote_winner(artifact, settings)
    else:
        if settings.engine == "local":
            start_server(ahead.libraries, environment())  # it imports them while Prefect is imported here
        artifact = run_flow(dag, settings)
    page, seconds = latest(artifact, settings.reports_dir), time.monotonic() - BEGAN
    print_summary(artifact, settings, page, seconds, ahead.complete, Console())
    return 0


def run_flow(dag: Dag, settings: Settings) -> Artifact:
    """Run the Prefect flow, showing its progress, and return the report.

    Raises:
        RunError: a node failed, or Prefect itself.
        UserError: a node met something that the user gave and that cannot be used.
    """
    with contextlib.ExitStack() as stack:
        reporter: Reporter = _print_event
        if sys.stderr.isatty():
            os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
            watchers.append(reporter := stack.enter_context(TerminalReporter()))
        configured, began = os.environ.get(URL), time.monotonic()
        how = f"connecting to {configured}" if configured else "starting (first run: about 10 s)"
        reporter(Event("started", SERVER, how))  # importing Prefect alone takes seconds
        from flows.orchestration.ephemeral_server import prefect_api

        stack.enter_context(prefect_api(PREFECT_HOME))
        from flows.orchestration.flow import as_flow

        reporter(Event("ended", SERVER, took(time.monotonic() - began, "ready")))
        try:
            state: Any = as_flow(dag, type(settings))(settings, return_state=True)
            result = state.result(raise_on_failure=False)
        except Exception as error:  # not of a node's making: those come back as a state
            result = error
    if _stop_requested.is_set():
        raise KeyboardInterrupt  # Prefect may have made a state of it
    if isinstance(result, Artifact):
        return result
    if isinstance(result, RunError | UserError | OSError):
        raise result
    what = next(iter(str(result).splitlines()), "no details")
    raise RunError(f"the run broke off ({type(result).__name__}: {what}). {RESUME}")


def _print_event(event: Event) -> None:
    """Print an event where there is neither a terminal nor a log yet."""
    print(f"{event.label}: {event.note}", file=sys.stderr, flush=True)


def _on_signals(handler: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _interrupt(*_: Any) -> NoReturn:
    """End the run within two seconds: workers at once, then what Prefect still has to send to its server."""
    _on_signals(signal.SIG_IGN)
    _stop_requested.set()
    stop_workers()
    threading.Timer(1.5, _stop).start()
    raise KeyboardInterrupt


def _fail(error: RunError | UserError) -> NoReturn:
    _on_signals(signal.SIG_IGN)
    print("error:", "\n".join(map(printable, str(error).split("\n"))), file=sys.stderr)
    _exit(error.exit_status)


def _stop() -> NoReturn:
    _once.acquire()  # the timer and the main thread may both come here; the first one leaves
    try:
        print(f"stopped. {RESUME}", file=sys.stderr)
    finally:
        _exit(130)


def _exit(status: int) -> NoReturn:
    """Exit without waiting for threads that are still at work."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:  # whether anybody reads it or not
        os._exit(status)
