"""Predictions: what a model says of images, how often it is right when it is as sure as that, and what is unusual."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from tasks.evaluation.metrics import Bin, bins_of
from tasks.evaluation.models import Model, Share
from tasks.evaluation.predictions import Predict
from tasks.serving.inputs import GivenImage
from tasks.serving.outliers import Outlier, TrainingRanges
from tasks.serving.selection import SelectedModel

BATCH = 1_000  # images that are predicted together


class Prediction(Model):
    """What a model says of an image."""

    image: str
    predicted: str
    probability: Share
    runner_up: str
    runner_up_probability: Share
    probabilities: dict[str, Share]  # by class
    at_this_confidence: Bin | None  # of test images; none of an outlier, or where no test image has such a probability
    label: str | None  # what it is, if that is known
    done: list[str]  # to the picture, before
    outliers: list[Outlier]  # the training images


def predict_images(
    images: Iterable[GivenImage], predict: Predict, selected: SelectedModel, ranges: TrainingRanges
) -> Iterator[tuple[GivenImage, Prediction]]:
    """Yield each image with what the model says of it, some images at a time."""
    names = selected.data_set.class_names
    bins = {int(bins_of(np.array([of.confidence]))[0]): of for of in selected.metrics["test"].calibration.bins}
    remaining = iter(images)
    while batch := list(islice(remaining, BATCH)):
        pixels = np.stack([image.pixels for image in batch])[..., np.newaxis]
        probabilities = np.concatenate(list(predict(pixels))).astype(float)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :2].tolist()
        places = bins_of(probabilities.max(axis=1)).tolist()
        measured = ranges.outliers(np.stack([image.gray for image in batch]))
        for index, image in enumerate(batch):
            each = dict(zip(names, probabilities[index].clip(0, 1).tolist(), strict=True))
            first, second = (names[of] for of in order[index])
            outliers = [*({of.what: of for of in (*measured[index], *image.outliers)}).values()]
            yield (
                image,
                Prediction(
                    image=image.name,
                    predicted=first,
                    probability=each[first],
                    runner_up=second,
                    runner_up_probability=each[second],
                    probabilities=each,
                    at_this_confidence=None if outliers else bins.get(places[index]),
                    label=None if image.label is None else names[image.label],
                    done=list(image.done),
                    outliers=outliers,
                ),
            )
