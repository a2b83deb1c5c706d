"""The data: samples of each class, how many there are, and what was validated."""

import numpy as np

from tasks.data.splits import SPLITS
from tasks.evaluation.models import Count, Model
from tasks.reporting.data import Picture, Run

TITLE = "The data"
OF_EACH_CLASS = 12


class ClassCount(Model):
    """A class, its images by split, and some of the training file's."""

    name: str
    images: dict[str, Count]
    pictures: list[Picture]


class Expectation(Model, extra="ignore"):
    """What of a check's result the page shows."""

    sentence: str
    severity: str
    success: bool
    failure: str | None
    observed: bool | float | str | None


class Numbers(Model):
    """What the data is."""

    name: str
    license: str
    link: str | None
    citation: str | None
    counts: dict[str, Count]  # images in the files
    classes: list[ClassCount]
    expectations: list[Expectation]


def numbers(run: Run) -> Numbers:
    """Gather what the data is."""
    labels = {split: run.file_labels["test" if split == "test" else "train"][run.places[split]] for split in SPLITS}
    counts = {split: np.bincount(of_split, minlength=10).tolist() for split, of_split in labels.items()}
    return Numbers(
        **run.data_set.model_dump(include={"name", "license", "link", "citation", "counts"}),
        classes=[
            ClassCount(
                name=name,
                images={split: of_split[index] for split, of_split in counts.items()},
                pictures=[
                    Picture(file="train", index=int(place), label=index)
                    for place in np.flatnonzero(run.file_labels["train"] == index)[:OF_EACH_CLASS]
                ],
            )
            for index, name in enumerate(run.data_set.class_names)
        ],
        expectations=[Expectation(**result) for result in run.expectations],
    )
