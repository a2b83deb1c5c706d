"""Numbers and names as the page and the command line write them."""

import difflib
from datetime import datetime
from typing import Any

INTERVAL = "95\N{NO-BREAK SPACE}% interval"
SMALLEST = 1e-300  # what is smaller, computers take for nothing
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def count(number: int | None) -> str:
    """Return a number of things; none, such as of a size that varies, is any."""
    return "any" if number is None else f"{number:,}"


def percent(share: float, decimals: int = 2) -> str:
    """Return a share as per cent, the sign never on a line of its own."""
    return f"{100 * share:.{decimals}f}\N{NO-BREAK SPACE}%"


def points(share: float) -> str:
    """Return a difference of shares in percentage points with two decimals, with a real minus sign."""
    return signed(100 * share, 2)


def interval(low: float, high: float) -> str:
    """Return the interval of a difference of shares, in percentage points."""
    return f"{INTERVAL} {points(low)} to {points(high)}"


def signed(number: float, decimals: int) -> str:
    """Return a number with so many decimals and a real minus sign, none before a rounded zero."""
    return f"{round(number, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def in_unit(value: float, unit: str) -> str:
    """Return a figure with as many digits as its unit deserves; shares as per cent or points, bytes as megabytes."""
    if unit == "%":
        return percent(value)
    scale, decimals = {"points": (100, 2), "nats": (1, 4), "s": (1, 1), "ms": (1, 3), "bytes": (1e-6, 2)}.get(
        unit, (1, 0)
    )
    return f"{scale * value:,.{decimals}f}".replace("-", "−")


def p_value(p: float) -> str:
    """Return a p-value with two digits, a small one as a power of ten."""
    if p >= 0.001:
        return f"{p:.2g}"
    if p < SMALLEST:
        return "10⁻³⁰⁰ or less"
    digits, exponent = f"{p:.1e}".split("e")
    return f"{digits}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10{str(int(exponent)).translate(_RAISED)}"


def moment(of_time: str, to: str = "minutes") -> str:
    """Return a time in ISO 8601, such as a manifest has, to the minute or the second."""
    return datetime.fromisoformat(of_time).isoformat(" ", to).removesuffix("+00:00")


def caution(used: int | None, available: int, unrepeatable: str = "") -> str | None:
    """Return what a reader must know before believing a figure: what was left out, and which network is not repeatable.

    That can be the user's own alone.
    """
    told = []
    if used not in (None, available):
        shares = f"Only {used:,} of the {available:,} training images were used"
        told.append(f"{shares}: with all of them, accuracies and ranking may be others.")
    if unrepeatable:
        told.append(
            f"Results of {unrepeatable} are not reproducible: it draws without a seed, or keeps values that Keras does "
            "not know."
        )
    return " ".join(told) or None


def join_words(names: list[str]) -> str:
    """Return names as a sentence lists them."""
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
    """Return what to add to "no … is called …": the known name that is meant, perhaps, or all of them."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"
