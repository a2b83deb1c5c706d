"""Outliers: images unlike those that the network has learned from, by statistics that 99.9% of those stay within.

An image can be unlike them in ways that these statistics do not show.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tasks.evaluation.models import Model

LIT = 12  # gray levels of 255, about 5%: a pixel that is brighter is part of the object
TAILS = (0.0005, 0.9995)  # quantiles between which 99.9% lie
BACKGROUND = "background's gray level"
STATISTICS = {  # what is measured of an image, and how its value is written
    BACKGROUND: "{:.0f}",  # the median of the outermost pixels
    "mean gray level": "{:.0f}",
    "contrast": "{:.0f}",  # the mean difference of neighboring pixels, in gray levels
    "object's share of the image": "{:.0%}",  # of pixels that are lit
    "object's longer side": "{:.0f} pixels",  # of the smallest box around all lit pixels
    "object's distance from the center": "{:.1f} pixels",  # of that box, along the axis where it is larger
}


class Outlier(Model):
    """A statistic of an image that lies outside of the training images' range."""

    what: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it as a list has it: background's gray level 131 (range 0 to 7)."""
        value, low, high = map(STATISTICS[self.what].format, (self.value, self.low, self.high))
        return f"{self.what} {value} (range {low.removesuffix(' pixels')} to {high})"


class TrainingRanges(NamedTuple):
    """The range of each statistic over the training images."""

    limits: dict[str, tuple[float, float]]

    @classmethod
    def of(cls, images: np.ndarray) -> TrainingRanges:
        """Return what is usual among training images, uint8 (n, height, width)."""
        found = statistics_of(images)
        limits = {what: np.quantile(values, TAILS).tolist() for what, values in found.items()}
        return cls({what: (low, high) for what, (low, high) in limits.items()})

    def outliers(self, images: np.ndarray) -> list[list[Outlier]]:
        """Return, for each of these images, uint8 (n, height, width), what is unusual about it."""
        found = statistics_of(images)
        each = ([self.outlier(what, values[place]) for what, values in found.items()] for place in range(len(images)))
        return [[*filter(None, of_image)] for of_image in each]

    def outlier(self, what: str, value: float) -> Outlier | None:
        """Return what is unusual about a value of a statistic; nothing, if it is within the range."""
        low, high = self.limits[what]
        return None if low <= value <= high else Outlier(what=what, value=value, low=low, high=high)


def statistics_of(images: np.ndarray) -> dict[str, np.ndarray]:
    """Return each statistic of images, uint8 (n, height, width), as float64 (n)."""
    lit = np.asarray(images > LIT)
    boxes = [_extent(np.any(lit, axis=axis)) for axis in (2, 1)]
    found = [
        np.median(border_of(images), axis=1),
        images.mean(axis=(1, 2)),
        (_differences(images[:, 1:], images[:, :-1]) + _differences(images[:, :, 1:], images[:, :, :-1])) / 2,
        lit.mean(axis=(1, 2)),
        np.max([last - first + 1 for first, last, _ in boxes], axis=0),
        np.max([abs(first + last - length + 1) / 2 for first, last, length in boxes], axis=0),
    ]
    return {what: np.asarray(values, float) for what, values in zip(STATISTICS, found, strict=True)}


def border_of(images: np.ndarray) -> np.ndarray:
    """Return the outermost pixels of images (n, height, width), each once (n, pixels)."""
    sides = (images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1])
    return np.concatenate(sides, axis=1)


def _differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (np.maximum(one, other) - np.minimum(one, other)).mean(axis=(1, 2))  # of unsigned bytes


def _extent(lit: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the first and the last that is lit of each row (n, length), and the length; all of it where none is."""
    length = lit.shape[1]
    return lit.argmax(axis=1), length - 1 - lit[:, ::-1].argmax(axis=1), length
