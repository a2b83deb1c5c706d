"""The command line over the flow: options derived from the settings, progress, the verdict, exit statuses.

0: the report stands. 1: the run failed. 2: what the user gave cannot be used. 130: stopped by Ctrl-C or SIGTERM.
"""

import argparse
import codecs
import contextlib
import io
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

from flows.actions import ACTIONS, FLAGS, run_command
from flows.environment import PREFECT_HOME, settle_environment
from flows.operations.crashed_runs import unreported
from flows.operations.notify import promote_winner
from flows.plan import Dag, outline, plan
from flows.result_table import summary
from tasks.data.dataset import FASHION_MNIST
from tasks.formatting import as_text, option_of, suggest
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError, UserError, ValidationFailed, describe
from tasks.pipeline.fork_server import start_server
from tasks.pipeline.progress import TerminalReporter, watchers
from tasks.pipeline.reading import printable
from tasks.pipeline.run_records import finalize_now, requested_again
from tasks.pipeline.store import Store
from tasks.pipeline.workers import stop_workers
from tasks.reporting.publish import latest, publish, publish_refusal
from tasks.settings.models import networks
from tasks.settings.options import RENAMED
from tasks.settings.presets import PRESETS
from tasks.settings.settings import PATH_OPTIONS, Settings, parse_settings
from tasks.training.tensorflow import environment

RUNS_KEPT = 10
SIGNS = {"−": "-", "–": "-", "’": "'", "·": "-", "→": "->", "…": "...", "×": "x"}  # where a terminal lacks one

_stop_requested = threading.Event()
_once = threading.Lock()


def main(dag: Dag, kind: type[Settings], arguments: list[str] | None = None) -> NoReturn:
    """Run the DAG with settings of this kind, as the arguments say, and exit."""
    codecs.register_error("plain", _in_plain_signs)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")
    settle_environment()
    logging.raiseExceptions = False  # Prefect writes such a failure to stderr without a line's end
    try:
        settings, actions = read_command(dag, kind, arguments)
        _on_signals(_interrupt)  # until here there is nothing to stop
        status = run_command(dag, settings, actions) if actions else run(dag, settings)
    except (RunError, UserError) as error:
        _fail(error)
    except BrokenPipeError:  # nobody reads on: all is done but for being told
        status = 0
    except OSError as error:
        _fail(RunError(describe(error)))
    except KeyboardInterrupt:
        _stop()
    _exit(status)


def read_command(dag: Dag, kind: type[Settings], arguments: list[str] | None = None) -> tuple[Settings, dict[str, Any]]:
    """Return the settings and the actions that the arguments name.

    Raises:
        UserError: something cannot be used.
    """
    options = read_options(arguments, kind)
    actions = {name: options.pop(name) for name in ACTIONS if name in options}
    settings = parse_settings(options, kind)
    outline(dag, settings)
    return settings, actions


def main_of_studies(studies: dict[str, tuple[Dag, type[Settings]]]) -> NoReturn:
    """Run the study that the first argument names."""
    given = next(iter(sys.argv[1:]), "none")
    if given in studies:
        main(*studies[given], sys.argv[2:])
    if given in ("-h", "--help"):
        rows = [f"{name:8}{(kind.__doc__ or '').partition(chr(10))[0]}" for name, (_, kind) in studies.items()]
        with contextlib.suppress(BrokenPipeError):  # nobody reads on
            print("\n".join(["usage: python flows/study.py STUDY [options]; --help after it tells these\n", *rows]))
        _exit(0)
    _fail(UserError(f"no study is called {given!r}{suggest(given, studies)}"))


def run(dag: Dag, settings: Settings) -> int:
    """Have the report, and print what it says; without Prefect or TensorFlow if everything stands."""
    to_tell = unreported(settings.data_dir, os.environ.get("PREFECT_API_URL"))
    Store(settings.data_dir).clean_up()
    ahead = plan(dag, settings)
    if isinstance(ahead.failed_check, ValidationFailed) and not to_tell:
        page = publish_refusal(ahead.failed_check.artifact, settings.reports_dir)
        raise RunError(f"{ahead.failed_check}; see {page}") from ahead.failed_check
    if ahead.complete and not to_tell:
        *_, artifact = ahead.kept.values()  # the last node's: the report
        with contextlib.suppress(OSError):  # it stands, though that it was asked for cannot be written down
            requested_again(settings.data_dir, ahead.kept, command=settings.command, recipe=settings.run_name)
        publish(artifact, settings.reports_dir)
        promote_winner(artifact, settings)
    else:
        if settings.engine == "local":
            start_server(ahead.libraries, environment())  # it imports them while Prefect is imported here
        artifact = run_flow(dag, settings)
    print(summary(artifact, latest(artifact, settings.reports_dir)))
    return 0


def read_options(arguments: list[str] | None = None, kind: type[Settings] = Settings) -> dict[str, Any]:
    """Return the settings and actions that the command line names; as text, the settings themselves check them.

    Raises:
        UserError: an option is unknown, or has no value.
    """
    known, unknown = _parser(kind).parse_known_args(arguments)
    if unknown:
        option = unknown[0].partition("=")[0]
        renamed = {option_of(old): option_of(new) for old, new in RENAMED.items()}
        if option in renamed:
            raise UserError(f"{option} is called {renamed[option]} now")
        options = [option_of(name) for name in (*kind.model_fields, *ACTIONS) if name not in kind.excluded]
        raise UserError(f"no option is called {unknown[0]!r}{suggest(unknown[0], options)}")
    values = vars(known)
    for name in ("dataset", "network_file", "recipe_file", *PATH_OPTIONS):
        given = values.get(name)
        if given and given != FASHION_MNIST.name and not given.startswith("~"):
            values[name] = str(Path.cwd() / given)
    return values


def _parser(kind: type[Settings]) -> argparse.ArgumentParser:
    usual = {name: network.recipe for name, network in networks().items() if network.recipe}
    usual |= {f"preset {name}": preset._asdict() for name, preset in PRESETS.items()}
    parser = _Parser(
        prog=kind.program,
        description=(kind.__doc__ or "").partition("\n")[0],
        epilog="A setting that is left out is the network's own, or the preset's. "
        + "; ".join(f"{name}: {', '.join(f'{k} {v}' for k, v in of.items() if v)}" for name, of in usual.items()),
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    for name, field in kind.model_fields.items():
        if name in kind.excluded:
            continue
        default = field.default
        shown = "the preset's" if name in PRESETS["fast"]._fields or name == "epochs" else as_text(default)
        parser.add_argument(
            option_of(name),
            *kind.aliases.get(name, ()),
            dest=name,
            metavar="FILE" if name.endswith("_file") else _metavar(field.annotation),
            help=f"{field.description} (default: {shown})".replace("%", "%%"),
        )
    instead = parser.add_argument_group("instead of running")
    for name, meaning in FLAGS.items():
        instead.add_argument(f"--{name}", action="store_true", help=meaning)
    instead.add_argument(
        "--prune",
        type=_count,
        nargs="?",
        const=RUNS_KEPT,
        metavar="RUNS",
        help=f"list what none of the last RUNS runs needs (default: {RUNS_KEPT})",
    )
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see --help")


def run_flow(dag: Dag, settings: Settings) -> Artifact:
    """Run the Prefect flow, showing its progress, and return the report.

    Raises:
        RunError: a node failed, or Prefect itself.
        UserError: a node met something that the user gave and that cannot be used.
    """
    with contextlib.ExitStack() as stack:
        if sys.stderr.isatty():
            os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
            watchers.append(stack.enter_context(TerminalReporter()))
        from flows.orchestration.ephemeral_server import prefect_api

        wait_for_the_server = stack.enter_context(prefect_api(PREFECT_HOME))
        from flows.orchestration.flow import as_flow

        wait_for_the_server()  # which has started while Prefect was imported here
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
    what = next(iter(str(result).splitlines()), "no more is known")
    raise RunError(
        f"the run broke off ({type(result).__name__}: {what}); what was finished is kept, run the same command to go on"
    )


def _in_plain_signs(error: Any) -> tuple[str, int]:
    """Return signs that every terminal has for those that this one lacks, and where to go on."""
    return "".join(SIGNS.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


def _on_signals(handler: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _interrupt(*_: Any) -> NoReturn:
    """End the run within two seconds: workers at once, then what Prefect still wants to tell its server."""
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
        finalize_now("stopped")
        print("stopped; what was finished is kept, run the same command to go on", file=sys.stderr)
    finally:
        _exit(130)


def _exit(status: int) -> NoReturn:
    """Exit without waiting for threads that are still at work."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:  # whether anybody reads it or not
        os._exit(status)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of runs")
    return int(text)


def _metavar(annotation: Any) -> str:
    options = [annotation, *get_args(annotation)]
    choices = next((get_args(option) for option in options if get_origin(option) is Literal), None)
    if choices:
        return "|".join(choices)
    kinds = {bool: "yes|no", int: "N", float: "X", Path: "FOLDER", str: "NAME"}
    if get_origin(annotation) is tuple:
        return "NAME,NAME"
    return next(kinds[option] for option in options if option in kinds)
