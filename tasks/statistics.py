"""How sure an accuracy is, and a difference of two: intervals and a test, each by its published method."""

from math import hypot, sqrt
from typing import Any

NORMAL_95 = 1.959964  # two-sided 95 % quantile of the standard normal distribution


def wilson_interval(hits: int, count: int) -> list[float]:
    """Return the 95 % Wilson score interval of a proportion; Wilson, JASA 22 (1927), by scipy's `binomtest`."""
    from scipy.stats import binomtest

    interval = binomtest(hits, count).proportion_ci(confidence_level=0.95, method="wilson")
    return [float(interval.low), float(interval.high)]


def unpaired_difference(first: dict[str, Any], second: dict[str, Any]) -> tuple[float, list[float]]:
    """Return the difference of two accuracies on different images, and its 95 % interval.

    From their Wilson intervals: method 10 of Newcombe, Statistics in Medicine 17 (1998), 873.
    """
    (first_low, first_high), (second_low, second_high) = first["accuracy_interval"], second["accuracy_interval"]
    below = hypot(first["accuracy"] - first_low, second_high - second["accuracy"])
    above = hypot(first_high - first["accuracy"], second["accuracy"] - second_low)
    difference = first["accuracy"] - second["accuracy"]
    return difference, [difference - below, difference + above]


def paired_difference(only_first: int, only_second: int, count: int) -> tuple[float, list[float]]:
    """Return the difference of two accuracies on the same images, and its 95 % interval.

    The Wald interval for paired proportions with Agresti and Min's half counts, Statistics in Medicine 24 (2005), 729.
    """
    difference = (only_first - only_second) / count
    first, second, total = only_first + 0.5, only_second + 0.5, count + 2
    middle = (first - second) / total
    half = NORMAL_95 * sqrt(first + second - (first - second) ** 2 / total) / total
    return difference, [middle - half, middle + half]


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test; 1 where the two never differ.

    McNemar, Psychometrika 12 (1947): the discordant images are a fair coin's throws if the two are equally accurate.
    """
    from scipy.stats import binomtest

    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0
