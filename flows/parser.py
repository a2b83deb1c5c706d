"""The options of the command line, derived from the settings: parsed, and explained by `--help`."""

import argparse
import textwrap
from functools import partial
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

from flows.actions import ACTIONS, FLAGS, RUNS_KEPT
from tasks.data.dataset import FASHION_MNIST
from tasks.formatting import as_text, count, nearest, option_of
from tasks.pipeline.errors import RunError, UserError
from tasks.settings.models import networks
from tasks.settings.options import GROUPS, RENAMED
from tasks.settings.presets import PRESETS
from tasks.settings.settings import PATH_OPTIONS, Settings

WIDTH = 80
CHANGING = ("prune", "rollback", "yes")  # actions that change something: never suggested
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
STUDIES = """\
studies:
  python flows/study.py seeds                       is the difference real?
  python flows/study.py folds                       cross-validation
  python flows/study.py search                      tune hyper-parameters
"""


def read_options(arguments: list[str] | None = None, kind: type[Settings] = Settings) -> dict[str, Any]:
    """Return the settings and actions that the command line names; as text, the settings themselves check them.

    Raises:
        UserError: an option is unknown, or has no value.
    """
    known, unknown = _parser(kind).parse_known_args(arguments)
    if unknown:
        wrong = unknown[0].partition("=")[0]
        if new := RENAMED.get(wrong.strip("-").replace("-", "_")):
            raise UserError(f"{wrong} is now {option_of(new)}")
        near = [option_of(name).strip("-") for name in (*_fields(kind), *ACTIONS) if name not in CHANGING]
        meant = nearest(wrong.strip("-"), near)
        unknown_one = f"unknown option {wrong}" if wrong.startswith("-") else f"unexpected argument {wrong}"
        raise UserError(unknown_one + (f". Did you mean --{meant}?" if meant else "; see --help"))
    values = vars(known)
    for name in ("dataset", "network_file", "recipe_file", *PATH_OPTIONS):
        given = values.get(name)
        if given and given != FASHION_MNIST.name and not given.startswith("~"):
            values[name] = str(Path.cwd() / given)
    return values


def _fields(kind: type[Settings]) -> list[str]:
    return [name for name in kind.model_fields if name not in kind.excluded]


def _parser(kind: type[Settings]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=kind.program,
        usage=f"{kind.program} [options]",
        description=textwrap.fill((kind.__doc__ or "").partition("\n")[0], WIDTH),
        epilog=_epilog(kind),
        allow_abbrev=False,
        add_help=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, max_help_position=26, width=WIDTH - 1),
    )
    own = [name for name in _fields(kind) if not any(name in names for names in GROUPS.values())]
    about = {"recipe": "What you leave out is the network's own value, or else the preset's."}
    for title, names in {"this study": tuple(own), **GROUPS}.items():
        group = parser.add_argument_group(title, about.get(title))
        for name in (name for name in names if name not in kind.excluded):
            _add(group, name, kind)
    instead = parser.add_argument_group("instead of running")
    for name, meaning in FLAGS.items():
        if name == "prune":
            instead.add_argument("--prune", type=_count, nargs="?", const=RUNS_KEPT, metavar="RUNS", help=meaning)
        else:
            instead.add_argument(f"--{name}", action="store_true", help=meaning)
    instead.add_argument("-h", "--help", action="help", help="show this help")
    return parser


def _add(group: Any, name: str, kind: type[Settings]) -> None:
    field = kind.model_fields[name]
    default = "" if field.default is None else f" (default: {as_text(field.default)})"
    group.add_argument(
        option_of(name),
        *kind.aliases.get(name, ()),
        dest=name,
        metavar="FILE" if name.endswith("_file") else _metavar(field.annotation),
        help=f"{field.description}{default}".replace("%", "%%"),
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise what argparse says, as `--epochs: expected one argument`."""
        raise UserError(f"{message.removeprefix('argument ')}; see --help")


def _epilog(kind: type[Settings]) -> str:
    """Return presets, examples and exit statuses."""
    presets = "\n".join(["presets:", *_presets()])
    statuses = "\n".join(["exit status:", *(f"  {status:<5}{meaning}" for status, meaning in EXIT_STATUSES.items())])
    return "\n\n".join([presets, EXAMPLES, statuses, STUDIES] if kind is Settings else [presets, statuses])


def _presets() -> list[str]:
    """Return the table of presets, and what one network has instead."""
    lines = [f"  {'':8}{'images':>7}{'batch':>7}  {'learning rate':17}{'precision':11}epochs"]
    for name, preset in PRESETS.items():
        images = count(preset.limit) if preset.limit else "all"
        rate = f"{preset.learning_rate} {preset.schedule}"
        epochs = ", ".join(str(network.epochs[name]) for network in networks().values())
        lines.append(f"  {name:8}{images:>7}{preset.batch_size:>7}  {rate:17}{preset.precision:11}{epochs}")
    own = {name: network.recipe for name, network in networks().items() if network.recipe}
    exceptions = [
        f"  {name}: " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in recipe.items())
        for name, recipe in own.items()
    ]
    return [*lines, f"  (epochs: {', '.join(networks())})", *exceptions]


def _count(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be 1 or more (got {text})")
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
