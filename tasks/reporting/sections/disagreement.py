"""Where they disagree: what only one of two predicts correctly, likely label issues, the article's two images."""

import numpy as np
from pydantic import Field

from tasks.evaluation.models import Count, Model, Share
from tasks.reporting.data import Run
from tasks.reporting.models import Picture, PredictedImage, predicted_images

TITLE = "Where they disagree"
SHOWN = 12
MIN_CONFIDENCE = 0.9  # with which all must agree on another class than the label, for a label issue
ARTICLE_IMAGES = (("train", 220, None), ("test", 88, 0.99879))  # the two that the article looks at, and its p(label)
MIN_PROBABILITY = 0.001  # that any network gives a class, for the class to be shown


class ImageGroup(Model):
    """Test images with something in common: how many there are, and some of them, the most confident first."""

    count: Count
    pictures: list[PredictedImage]


class ArticleImage(Picture):
    """One of the article's two images, and what the networks make of it, where this run used it."""

    split: str | None = Field(description="which split it belongs to in this run; none if the run left it out")
    published: Share | None = Field(description="the article's probability of the label")
    classes: list[Count] = Field(description="those that any network finds possible, the most probable first")
    probabilities: dict[str, list[Share]] = Field(description="by network: of these classes")


class Numbers(Model):
    """Where the winner and the next one disagree; where all agree against the label."""

    first: str
    second: str | None
    both_correct: Count
    both_wrong: Count
    only_first: ImageGroup | None
    only_second: ImageGroup | None
    label_issues: ImageGroup
    min_confidence: Share
    min_probability: Share
    articles: list[ArticleImage]


def numbers(run: Run) -> Numbers:
    """Gather where they disagree."""
    first, *others = run.names
    second = others[0] if others else first
    correct = {name: run.predicted[name] == run.labels for name in run.names}
    predicted, confidence = np.stack(list(run.predicted.values())), np.stack(list(run.confidence.values()))
    label_issues = (
        (predicted == predicted[0]).all(axis=0) & ~correct[first] & (confidence >= MIN_CONFIDENCE).all(axis=0)
    )
    return Numbers(
        first=first,
        second=second if others else None,
        both_correct=int((correct[first] & correct[second]).sum()),
        both_wrong=int((~correct[first] & ~correct[second]).sum()),
        only_first=_group(run, correct[first] & ~correct[second], run.confidence[first]) if others else None,
        only_second=_group(run, correct[second] & ~correct[first], run.confidence[second]) if others else None,
        label_issues=_group(run, label_issues, confidence.min(axis=0)),
        min_confidence=MIN_CONFIDENCE,
        min_probability=MIN_PROBABILITY,
        articles=[_article_image(run, *of) for of in ARTICLE_IMAGES] if run.is_fashion_mnist else [],
    )


def _group(run: Run, chosen: np.ndarray, confidence: np.ndarray) -> ImageGroup:
    positions = np.flatnonzero(chosen)
    most_confident = positions[np.argsort(-confidence[positions], kind="stable")][:SHOWN]
    return ImageGroup(count=len(positions), pictures=predicted_images(run, most_confident))


def _article_image(run: Run, file: str, index: int, published: float | None) -> ArticleImage:
    split, classes, probabilities = None, [], {}
    for of_file in ("test",) if file == "test" else ("train", "validation"):
        place = np.flatnonzero(run.places[of_file] == index)
        if len(place):
            split = of_file
            found = {name: by[of_file][place[0]] for name, by in run.probabilities.items()}
            highest = np.max(list(found.values()), axis=0)
            classes = [i for i in np.argsort(-highest, kind="stable").tolist() if highest[i] >= MIN_PROBABILITY]
            probabilities = {name: row[classes].tolist() for name, row in found.items()}
    label = int(run.file_labels[file][index])
    predicted = {"split": split, "classes": classes, "probabilities": probabilities}
    return ArticleImage(file=file, index=index, label=label, published=published, **predicted)
