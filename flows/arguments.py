"""Reading a command line: what cannot be understood is refused in one sentence."""

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

from tasks.formatting import nearest, option_of
from tasks.pipeline.errors import UserError


def read_arguments(
    parser: argparse.ArgumentParser, arguments: list[str] | None, names: Iterable[str], renamed: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the arguments give, as text; `names` may be suggested, `renamed` has new names by old ones.

    Raises:
        UserError: one is unknown, or lacks its value.
    """
    try:
        known, unknown = parser.parse_known_intermixed_args(arguments)
    except argparse.ArgumentError as error:
        raise UserError(f"{str(error).removeprefix('argument ')}; see --help") from error
    if unknown:
        wrong = unknown[0].partition("=")[0]
        if new := renamed.get(wrong.strip("-").replace("-", "_")):
            raise UserError(f"{wrong} is now {option_of(new)}")
        meant = nearest(wrong, map(option_of, names))
        what = "unknown option" if wrong.startswith("-") else "unexpected argument"
        raise UserError(f"{what} {wrong}" + (f". Did you mean {meant}?" if meant else "; see --help"))
    return vars(known)
