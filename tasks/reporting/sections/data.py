"""The data: samples of each class, how many there are, what was validated, and whether train and test differ."""

import numpy as np

from tasks.data.idx import IMAGES_CHUNK
from tasks.data.splits import SPLITS
from tasks.evaluation.models import Count, Model
from tasks.reporting.data import Run
from tasks.reporting.models import Picture

TITLE = "The data"
OF_EACH_CLASS = 12
LEVELS = 256  # of gray


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


class Brightness(Model):
    """Grey levels, 0 to 255, of all pixels of an IDX file."""

    mean: float
    deviation: float


class Numbers(Model):
    """What the data is."""

    name: str
    license: str
    link: str | None
    citation: str | None
    counts: dict[str, Count]  # images in the files
    classes: list[ClassCount]
    expectations: list[Expectation]
    brightness: dict[str, Brightness]


def numbers(run: Run) -> Numbers:
    """Gather what the data is."""
    labels = {split: run.file_labels["test" if split == "test" else "train"][run.places[split]] for split in SPLITS}
    counts = {split: np.bincount(of_split, minlength=10).tolist() for split, of_split in labels.items()}
    return Numbers(
        name=run.data_set.name,
        license=run.data_set.license,
        link=run.data_set.link,
        citation=run.data_set.citation,
        counts=run.data_set.counts,
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
        brightness={file: _brightness(images) for file, images in run.images.items()},
    )


def _brightness(images: np.ndarray) -> Brightness:
    """Measure it by how many pixels have which level: NumPy's own deviation makes a float64 of each pixel first."""
    counts = np.zeros(LEVELS, np.int64)
    for start in range(0, len(images), IMAGES_CHUNK):
        counts += np.bincount(images[start : start + IMAGES_CHUNK].ravel(), minlength=LEVELS)
    levels = np.arange(LEVELS)
    mean = np.average(levels, weights=counts)
    return Brightness(mean=float(mean), deviation=float(np.average((levels - mean) ** 2, weights=counts) ** 0.5))
