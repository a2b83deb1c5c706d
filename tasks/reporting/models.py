"""The images that a page shows."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from tasks.evaluation.models import Count, Model, Share
from tasks.reporting.data import Run

SHOWN = 0.0005  # the least probability that is not shown as 0.0%


class Picture(Model):
    """An image of the data set."""

    file: Literal["train", "test"]
    index: Count = Field(description="its place in its IDX file")
    label: Count = Field(description="its class, by number")


class PredictedImage(Picture):
    """A test image, and what each network predicts."""

    predictions: dict[str, list[tuple[Count, Share]]] = Field(
        description="by network: its likeliest classes and their probabilities, three at most, the likeliest first"
    )


def predicted_images(run: Run, positions: Sequence[int] | np.ndarray) -> list[PredictedImage]:
    """Return the images at these positions of the test split, with each network's likeliest classes."""
    found = []
    for position in map(int, positions):
        predictions = {}
        for name, by_split in run.probabilities.items():
            row = by_split["test"][position]
            first, *others = np.argsort(-row, kind="stable")[:3]
            likeliest = [first, *(index for index in others if row[index] >= SHOWN)]
            predictions[name] = [(int(index), round(float(row[index]), 6)) for index in likeliest]
        index, label = int(run.places["test"][position]), int(run.labels[position])
        found.append(PredictedImage(file="test", index=index, label=label, predictions=predictions))
    return found
