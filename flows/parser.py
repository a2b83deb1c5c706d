"""The options of the command line, derived from the settings: parsed, and explained by `--help`."""

import argparse
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

from flows.arguments import read_arguments
from flows.result_table import table
from tasks.data.dataset import FASHION_MNIST
from tasks.formatting import as_text, option_of
from tasks.pipeline.errors import RunError, UserError
from tasks.settings.models import networks
from tasks.settings.options import GROUPS, RENAMED, facts_of
from tasks.settings.presets import PRESETS
from tasks.settings.settings import PATH_OPTIONS, Settings, parse_settings

WIDTH = 80
RUNS_KEPT = 10
FLAGS = {
    "plan": "dry run: what would run, and why",
    "verify": "check every artifact's checksums (exit 1 if one is damaged)",
    "status": "how the last run ended, and whether scheduled runs are happening (exit 1 if not)",
    "rollback": "restore the previous champion",
    "prune": f"list what none of the last RUNS runs used (default: {RUNS_KEPT})",
    "yes": "with --prune: delete it",
}
ACTIONS = tuple(FLAGS)
CHANGING = ("prune", "rollback", "yes")  # actions that change something: never suggested
METAVARS = {  # by JSON schema's name for what an option takes
    "boolean": "yes|no",
    "integer": "N",
    "number": "X",
    "string": "NAME",
    "array": "NAME,NAME",
    "path": "FOLDER",
}
EXIT_STATUSES = {
    "0": "success: the report is up to date, or nothing is wrong",
    str(RunError.exit_status): "the run failed, or --verify or --status found a problem",
    str(UserError.exit_status): "an option or an input cannot be used",
    "130": "stopped by Ctrl-C or SIGTERM",
}
EXAMPLES = """\
examples:
  python flows/main.py                              compare baseline and dropout
  python flows/main.py --preset smoke               does everything work?
  python flows/main.py --preset article             the article's own recipe
  python flows/main.py --network-file my.py:build   add a network of your own
  python flows/main.py --epochs 4 --plan            what would run, and why"""
WINNER = """\
winner:
  python flows/predict.py photo.png                 classify a picture
  python flows/export.py                            a folder to take elsewhere"""
STUDIES = """\
studies:
  python flows/study.py seeds                       is the difference real?
  python flows/study.py folds                       cross-validation
  python flows/study.py search                      tune hyper-parameters
"""


def read_command(kind: type[Settings], arguments: list[str] | None = None) -> tuple[Settings, dict[str, Any]]:
    """Return the settings and the actions that the command line names; as text, the settings themselves check them.

    Raises:
        UserError: an option is unknown, or its value cannot be used.
    """
    names = [name for name in (*kind.model_fields, *ACTIONS) if name not in (*kind.excluded, *CHANGING)]
    values = read_arguments(parser_of(kind), arguments, names, RENAMED)
    for name in ("dataset", "network_file", "recipe_file", *PATH_OPTIONS):
        given = values.get(name)
        if given and given != FASHION_MNIST.name and not given.startswith("~"):
            values[name] = str(Path.cwd() / given)
    actions = {name: values.pop(name) for name in ACTIONS if name in values}
    return parse_settings(values, kind), actions


def parser_of(kind: type[Settings]) -> argparse.ArgumentParser:
    """Return the parser of settings of this kind and of the actions."""
    statuses = "\n".join(["exit status:", *(f"  {status:<5}{meaning}" for status, meaning in EXIT_STATUSES.items())])
    parser = argparse.ArgumentParser(
        prog=kind.program,
        usage=f"{kind.program} [options]",
        description=textwrap.fill((kind.__doc__ or "").partition("\n")[0], WIDTH),
        epilog="\n\n".join([_presets(), *([EXAMPLES, WINNER, statuses, STUDIES] if kind is Settings else [statuses])]),
        exit_on_error=False,
        allow_abbrev=False,
        add_help=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, max_help_position=26, width=WIDTH - 1),
    )
    schema = kind.model_json_schema()["properties"]
    own = tuple(name for name in schema if name not in Settings.model_fields)
    about = {"recipe": "What you leave out is the network's own value, or else the preset's."}
    for title, names in {"this study": own, **GROUPS}.items():
        group = parser.add_argument_group(title, about.get(title))
        for name in filter(schema.__contains__, names):
            _add(group, name, kind, facts_of(schema[name]))
    instead = parser.add_argument_group("instead of running")
    for name, meaning in FLAGS.items():
        if name == "prune":
            instead.add_argument("--prune", type=_count, nargs="?", const=RUNS_KEPT, metavar="RUNS", help=meaning)
        else:
            instead.add_argument(f"--{name}", action="store_true", help=meaning)
    instead.add_argument("-h", "--help", action="help", help="show this help")
    return parser


def _add(group: Any, name: str, kind: type[Settings], facts: dict[str, Any]) -> None:
    field = kind.model_fields[name]
    default = "" if field.default is None else f" (default: {as_text(field.default)})"
    value = "FILE" if name.endswith("_file") else METAVARS[facts.get("format", facts["type"])]
    group.add_argument(
        option_of(name),
        *kind.aliases.get(name, ()),
        dest=name,
        metavar="|".join(facts.get("enum", ())) or value,
        help=f"{field.description}{default}".replace("%", "%%"),
    )


def _presets() -> str:
    """Return the table of presets, and what some networks have instead."""
    rows = [("", "images", "batch", "learning rate", "precision", "epochs")]
    for name, preset in PRESETS.items():
        images, rate = f"{preset.limit:,}" if preset.limit else "all", f"{preset.learning_rate} {preset.schedule}"
        epochs = ", ".join(str(network.epochs[name]) for network in networks().values())
        rows.append((name, images, str(preset.batch_size), rate, preset.precision, epochs))
    lines = [table(rows, "<>>"), f"(epochs: {', '.join(networks())})"]
    for name, network in networks().items():
        own = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in network.recipe.items())
        lines += [f"{name}: {own}"] if own else []
    return "presets:\n" + textwrap.indent("\n".join(lines), "  ")


def _count(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be 1 or more (got {text})")
    return int(text)
