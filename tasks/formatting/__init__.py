"""Numbers and names as the page and the command line write them."""

import difflib
from datetime import datetime
from typing import Any

SPACE = "\N{NO-BREAK SPACE}"  # between a number and its unit
LISTED = 4  # names at most, before "and 5 others"


def count(number: int | None) -> str:
    """Return a number of things; none, such as of a size that varies, is any."""
    return "any" if number is None else f"{number:,}"


def percent(share: float, decimals: int = 2) -> str:
    """Return a share as per cent."""
    return f"{100 * share:.{decimals}f}%"


def size(number: float) -> str:
    """Return a large number rounded: 18.6 M, 0.49 M, 29 k, 4,972."""
    if number >= 100_000:
        return f"{number / 1e6:.{1 if number >= 1e6 else 2}f}{SPACE}M"
    return f"{number / 1e3:.0f}{SPACE}k" if number >= 10_000 else f"{number:,.0f}"


def times(ratio: float) -> str:
    """Return a ratio: 0.24×, 6.0×, 25×."""
    return f"{ratio:.{2 if ratio < 1 else 1 if ratio < 10 else 0}f}×"


def duration(seconds: float) -> str:
    """Return a time as people say it: 8 min 12 s, 2 h 5 min, 4.3 s."""
    if seconds < 60:
        return f"{seconds:.1f}{SPACE}s" if seconds < 9.95 else f"{seconds:.0f}{SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min")] if hours else [(minutes, "min"), (rest, "s")]
    return SPACE.join(f"{number}{SPACE}{unit}" for number, unit in parts)


def points(share: float) -> str:
    """Return a difference of shares in percentage points with two decimals, with a real minus sign."""
    return signed(100 * share, 2)


def interval(low: float, high: float) -> str:
    """Return the interval of a difference of shares, in percentage points."""
    return f"95%{SPACE}CI {points(low)} to {points(high)}"


def signed(number: float, decimals: int) -> str:
    """Return a number with so many decimals and a real minus sign, none before a rounded zero."""
    return f"{round(number, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def in_unit(value: float, unit: str) -> str:
    """Return a figure with as many digits as its unit deserves; shares as per cent or points, bytes as megabytes."""
    if unit == "%":
        return percent(value)
    if unit == "s":
        return duration(value)
    if not unit:
        return size(value)
    scale, decimals = {"points": (100, 2), "nats": (1, 4), "ms": (1, 3), "bytes": (1e-6, 2)}[unit]
    return f"{scale * value:,.{decimals}f}".replace("-", "−")


def p_value(p: float) -> str:
    """Return a p-value for a sentence or a cell: p = 0.24, p < 0.001."""
    return f"p{SPACE}<{SPACE}0.001" if p < 0.001 else f"p{SPACE}={SPACE}{p:.2g}"


def moment(of_time: str, to: str = "minutes") -> str:
    """Return a time in ISO 8601, such as a manifest has, to the minute or the second."""
    return datetime.fromisoformat(of_time).isoformat(" ", to).removesuffix("+00:00")


def caution(used: int | None, available: int, unrepeatable: str = "", *, subject: str = "This run") -> str | None:
    """Return what may undercut every number: that images were left out, that a user's own network is not repeatable."""
    found = []
    if used not in (None, available):
        found.append(
            f"{subject} used only {used:,} of the {available:,} training images; with all of them, accuracies and "
            "ranking could change."
        )
    if unrepeatable:
        found.append(
            f"Results of {unrepeatable} are not reproducible: it uses randomness without a seed, or state that Keras "
            "does not track."
        )
    return " ".join(found) or None


def join_words(names: list[str], most: int = LISTED) -> str:
    """Return names as a sentence lists them, so many at most."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} others"]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def option_of(name: str) -> str:
    """Return a setting's name as the command line spells it."""
    return f"--{name.replace('_', '-')}"


def as_text(value: Any) -> str:
    """Return a setting's value as the command line spells it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return ",".join(value) if isinstance(value, tuple) else str(value)


def as_options(settings: dict[str, Any]) -> list[str]:
    """Return settings as the command line takes them."""
    return [text for name, value in settings.items() for text in (option_of(name), as_text(value))]


def suggest(name: str, known: Any) -> str:
    """Return what to add to "unknown …": the known name that is near, or all of them."""
    close = nearest(name, known)
    return f". Did you mean {close}?" if close else f"; choose from {', '.join(known)}"


def nearest(name: str, known: Any) -> str | None:
    """Return the known name that a typing error may have turned into this one, if there is one."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.8)), None)
