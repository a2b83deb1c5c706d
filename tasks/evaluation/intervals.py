"""How sure an accuracy is, and a difference of two: intervals and a test, each by its published method."""

from collections.abc import Sequence
from math import hypot, inf, sqrt

import numpy as np

from tasks.evaluation.models import Estimate

NORMAL_95 = 1.959963984540054  # two-sided 95 % quantile of the standard normal distribution


def proportion(share: float, count: int) -> Estimate:
    """Return a share of so many images with its 95 % score interval; Wilson, JASA 22 (1927), 209."""
    hits, squared = round(share * count), NORMAL_95**2
    middle = (hits + squared / 2) / (count + squared)
    half = NORMAL_95 * sqrt(hits * (count - hits) / count + squared / 4) / (count + squared)
    return Estimate(value=share, low=max(0.0, middle - half), high=min(1.0, middle + half))


def difference_of(first: Estimate, second: Estimate) -> Estimate:
    """Return the difference of two independent estimates, and its 95 % interval, from theirs.

    The distances to their limits add up in squares: Newcombe, Statistics in Medicine 17 (1998), 873, method 10 for
    accuracies on different images; for estimates in general, Zou and Donner, Statistics in Medicine 27 (2008), 1693.
    """
    difference = first.value - second.value
    below = hypot(first.value - first.low, second.high - second.value)
    above = hypot(first.high - first.value, second.value - second.low)
    return Estimate(value=difference, low=difference - below, high=difference + above)


def paired_difference(only_first: int, only_second: int, count: int) -> Estimate:
    """Return the difference of two accuracies on the same images, and its 95 % interval.

    The Wald interval for paired proportions with Agresti and Min's half counts, Statistics in Medicine 24 (2005), 729.
    """
    difference = (only_first - only_second) / count
    first, second, total = only_first + 0.5, only_second + 0.5, count + 2
    middle = (first - second) / total
    half = NORMAL_95 * sqrt(first + second - (first - second) ** 2 / total) / total
    return Estimate(value=difference, low=max(-1.0, middle - half), high=min(1.0, middle + half))


def paired_mean_difference(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Return the difference of two means over the same images (n), and its 95 % interval, normal: n is large."""
    differences = first - second
    mean = float(differences.mean())
    deviation = float(differences.std(ddof=1)) if len(differences) > 1 else inf
    half = NORMAL_95 * deviation / sqrt(len(differences))
    return Estimate(value=mean, low=mean - half, high=mean + half)


def t_interval(values: np.ndarray, shared: float = 0.0) -> Estimate:
    """Return the mean of values from few trainings (n), and its 95 % interval; Student, Biometrika 6 (1908), 1.

    What k-fold trainings have in common makes their values alike, and the interval too narrow: with `shared`, the
    images of a validation fold for each training image, it is widened after Nadeau and Bengio, Machine Learning 52
    (2003), 239. Values that are all the same say nothing of how far others would lie: the interval is infinite.
    """
    from scipy.special import stdtrit

    count = len(values)
    deviation = float(values.std(ddof=1)) if np.ptp(values) else inf
    half = float(stdtrit(count - 1, 0.975)) * deviation * sqrt(1 / count + shared)
    mean = float(values.mean())
    return Estimate(value=mean, low=mean - half, high=mean + half)


def required_sample_size(mean: float, deviation: float, at_most: int = 1_000) -> int | None:
    """Return how many pairs of trainings show a difference as it was found; `None` if more than `at_most` or unknown.

    The fewest of which a two-sided paired t-test at 5 % finds it with a probability of 80 %: Cohen, "Statistical Power
    Analysis for the Behavioral Sciences" (1988), chapter 2.
    """
    from scipy.special import nctdtr, stdtrit

    if not mean or not deviation:
        return None
    counts = np.arange(2, at_most + 1)
    shift = np.abs(mean) / deviation * np.sqrt(counts)
    power = 1 - nctdtr(counts - 1, np.minimum(shift, 100), stdtrit(counts - 1, 0.975))
    enough = np.flatnonzero(power >= 0.8)
    return int(counts[enough[0]]) if len(enough) else None


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test; 1 where the two never differ.

    McNemar, Psychometrika 12 (1947): the discordant images are a fair coin's throws if the two are equally accurate.
    """
    from scipy.special import bdtr  # scipy.stats takes half a second to import

    return min(1.0, 2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for how many there are; Holm, Scandinavian Journal of Statistics 6 (1979), 65."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
