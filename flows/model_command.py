"""What the commands on a trained model share: which model, how their options are read, and how they end."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from flows.arguments import read_arguments
from tasks.formatting import option_of
from tasks.pipeline.errors import RunError, UserError, reason
from tasks.pipeline.reading import printable
from tasks.settings.options import Folder, facts_of

STOPPED = 130  # the exit status


class ModelOptions(BaseModel):
    """Which model a command is about."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    program: ClassVar[str]
    examples: ClassVar[str]
    positional: ClassVar[str] = ""  # the option whose values need no name

    model: str | None = Field(None, min_length=1)
    """a network of the newest comparison, or the name of a trained model; left out: the champion, else the winner"""
    champion: bool = False
    """the champion; refused where there is none"""
    data_dir: Folder = Field(Path("data"), validate_default=True)
    """folder for artifacts"""

    @model_validator(mode="after")
    def _one_model(self) -> ModelOptions:
        if self.model and self.champion:
            raise ValueError("give --model or --champion, not both")
        return self


Kind = TypeVar("Kind", bound=ModelOptions)


def main(work: Callable[[Kind], int], kind: type[Kind]) -> NoReturn:
    """Read the options, do the work, and exit with the status that it returns."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    _own_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where a terminal lacks a sign
    try:
        status = work(read_options(kind))
        sys.stdout.flush()
    except (RunError, UserError) as error:
        status = fail(error)
    except SystemExit as stopped:
        status = int(stopped.code or 0)
    except BrokenPipeError:  # whoever read the output has seen enough
        status = 0
    except OSError as error:
        status = fail(RunError(": ".join(filter(None, [error.filename, reason(error).lower()]))))
    sys.stderr.flush()
    os._exit(status)  # TensorFlow's threads are not waited for


def _own_streams() -> None:
    """Keep standard error for this command: what TensorFlow says as it starts goes nowhere, as to a closed stream."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(os.dup(nowhere), "w")
    sys.stderr = os.fdopen(os.dup(2 if sys.stderr else nowhere), "w", buffering=1)
    os.dup2(nowhere, 2)


def _stop(*_: Any) -> NoReturn:
    """End, with nothing half-written left behind."""
    raise SystemExit(STOPPED)


@contextmanager
def working(what: str, *, beside_output: bool = False) -> Iterator[Callable[[str], None]]:
    """Show at a terminal what is going on; give a function that says how far it is.

    `beside_output`: results are printed meanwhile, so nothing is shown where these go to the same terminal.
    """
    if not sys.stderr.isatty() or (beside_output and sys.stdout.isatty()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner

    spinner, console = Spinner("dots", what), Console(file=sys.stderr)
    # else Rich takes standard output too, wherever that goes
    with Live(spinner, console=console, transient=True, redirect_stdout=False, redirect_stderr=False):
        yield lambda text: spinner.update(text=text)


def fail(error: RunError | UserError) -> int:
    """Say what is wrong, and return the exit status."""
    sys.stdout.flush()
    print("error:", "\n".join(map(printable, str(error).split("\n"))), file=sys.stderr)
    return error.exit_status


def read_options(kind: type[Kind], arguments: list[str] | None = None) -> Kind:
    """Return the options that the command line gives.

    Raises:
        UserError: one is unknown, or its value cannot be used.
    """
    names = kind.model_json_schema()["properties"].keys() - {kind.positional}
    given = read_arguments(parser_of(kind), arguments, sorted(names), {})
    for name in ("data_dir", "output"):
        if given.get(name) and not given[name].startswith("~"):
            given[name] = str(Path(given[name]).resolve())
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = "".join(f"{option_of(str(part))} " for part in first["loc"][:1])
        got = f" (got {first['input']})" if first["type"] == "literal_error" else ""
        message = first["msg"].removeprefix("Value error, ").replace("Input should", "must").replace("'", "")
        raise UserError(f"{name}{message}{got}") from error


def parser_of(kind: type[ModelOptions]) -> argparse.ArgumentParser:
    """Return the parser of these options."""
    parser = argparse.ArgumentParser(
        prog=kind.program,
        usage=f"{kind.program} {f'{kind.positional.upper()} ' if kind.positional else ''}[options]",
        description=(kind.__doc__ or "").partition("\n")[0],
        epilog=kind.examples,
        exit_on_error=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, described in kind.model_json_schema()["properties"].items():
        facts, meaning = facts_of(described), described["description"].replace("%", "%%")
        how: dict[str, Any] = {"help": meaning}
        if facts["type"] == "boolean":
            how["action"] = "store_true"
        elif facts["type"] == "array" and name == kind.positional:
            how["nargs"] = "*"
        elif facts["type"] == "array":
            choices = facts["items"].get("enum")
            how |= {"action": "append", "metavar": "|".join(choices) if choices else name.upper()}
        else:
            how["metavar"] = "FOLDER" if facts.get("format") == "path" else "NAME"
        parser.add_argument(name if name == kind.positional else option_of(name), **how)
    return parser
