"""Where they fail: which class is predicted as which, on which images, and how each class fares."""

from typing import Any

import numpy as np

from tasks.evaluation.metrics import ClassScores, confusion_of
from tasks.evaluation.models import Count, Model
from tasks.evaluation.paired import ClassDifference
from tasks.formatting import percent
from tasks.reporting.data import PredictedImage, Run

TITLE = "Where they fail"
LOOK_ALIKES = ("T-shirt/top", "Pullover", "Coat", "Shirt")
MOST_PICTURES = 1_500  # half a megabyte
CORRECT_OF_A_CLASS = 12
FRACTIONS = {"A quarter": 1 / 4, "A third": 1 / 3, "Half": 1 / 2, "Two thirds": 2 / 3, "Three quarters": 3 / 4}
NEAR = 0.02  # of a fraction: what is at most so far from it is called by its name
ALIKE = 0.1  # shares of networks that differ by no more are described by one share


class LookAlikes(Model):
    """The classes that are easily mixed up."""

    classes: list[str]
    errors: dict[str, Count]  # of each network, on these classes, predicting one for another
    of_errors: dict[str, Count]  # of all that it makes
    share: str | None  # of all errors of all networks, in words; none if the networks differ too much


class Numbers(Model):
    """Where each network fails on the test set."""

    confusion: dict[str, list[list[Count]]]  # by network: rows are true classes, columns predicted ones
    most_confused: Count  # the most frequent error of any network
    most_different: Count  # the largest difference below
    difference: list[list[int]] | None  # the confusion matrix of the winner minus that of the next
    only: dict[str, list[list[Count]]] | None  # of the first two networks: what only one of them predicts so
    classes: dict[str, list[ClassScores]]
    class_differences: list[ClassDifference]
    better: list[str]  # classes whose recall is significantly higher with the winner (adjusted p < 0.05)
    worse: list[str]
    largest: tuple[Count, Count, Count] | None  # the winner's most frequent error: true class, predicted, how often
    look_alikes: LookAlikes | None
    pictures: list[PredictedImage]
    correct_shown: Count  # of each class's images that a network predicts correctly: the least confident
    of_largest: list[PredictedImage]  # the most confident of the most frequent error


def numbers(run: Run) -> Numbers:
    """Gather where each network fails."""
    names, class_names = run.names, list(run.data_set.class_names)
    confusion = {name: run.metrics[name]["test"].confusion for name in names}
    first, second = (np.array(confusion[name]) for name in [*names, *names][:2])
    difference = first - second
    positions, correct_shown = choose_pictures(run)
    largest = _largest(confusion[names[0]])
    differences = zip(run.comparison.classes, class_names, strict=False)
    significant = [(of.recall.value, name) for of, name in differences if of.recall and of.p < 0.05]
    return Numbers(
        confusion=confusion,
        most_confused=max(1, *(int(_wrong(counts).max()) for counts in confusion.values())),
        most_different=max(1, int(np.abs(difference).max())),
        difference=difference.tolist() if run.pairs else None,
        only=_only(run, *names[:2]) if run.pairs else None,
        classes={name: run.metrics[name]["test"].classes for name in names},
        class_differences=run.comparison.classes,
        better=[class_name for difference, class_name in significant if difference > 0],
        worse=[class_name for difference, class_name in significant if difference < 0],
        largest=largest,
        look_alikes=_look_alikes(class_names, confusion),
        pictures=run.predicted_images(positions),
        correct_shown=correct_shown,
        of_largest=run.predicted_images(_cell(run, names[0], *largest[:2])[:8]) if largest else [],
    )


def _only(run: Run, one: str, other: str) -> dict[str, list[list[int]]]:
    differ, classes = run.predicted[one] != run.predicted[other], len(run.data_set.class_names)
    return {
        name: confusion_of(run.labels[differ], run.predicted[name][differ], classes).tolist() for name in (one, other)
    }


def _cell(run: Run, name: str, label: int, predicted: int) -> np.ndarray:
    """Return the positions of the test images that a network predicts so, the most confident first."""
    return run.most_confident((run.labels == label) & (run.predicted[name] == predicted), run.confidence[name])


def _wrong(confusion: Any) -> np.ndarray:
    """Return a confusion matrix without what is correct."""
    return np.array(confusion) - np.diag(np.diagonal(confusion))


def _largest(confusion: list[list[int]]) -> tuple[int, int, int] | None:
    wrong = _wrong(confusion)
    true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
    return (int(true), int(predicted), int(wrong.max())) if wrong.max() else None


def _look_alikes(class_names: list[str], confusion: dict[str, Any]) -> LookAlikes | None:
    if not set(LOOK_ALIKES) <= set(class_names):
        return None
    among = [class_names.index(name) for name in LOOK_ALIKES]
    errors = {name: int(_wrong(counts)[np.ix_(among, among)].sum()) for name, counts in confusion.items()}
    of_errors = {name: int(_wrong(counts).sum()) for name, counts in confusion.items()}
    return LookAlikes(classes=list(LOOK_ALIKES), errors=errors, of_errors=of_errors, share=in_words(errors, of_errors))


def in_words(errors: dict[str, int], of_errors: dict[str, int]) -> str | None:
    """Return the share of all errors that these are, if it is about the same for every network."""
    shares = [errors[name] / of_errors[name] for name in errors if of_errors[name]]
    if not shares or max(shares) - min(shares) > ALIKE:
        return None
    share = sum(errors.values()) / sum(of_errors.values())
    return next((words for words, of in FRACTIONS.items() if abs(share - of) <= NEAR), percent(share, 0))


def choose_pictures(run: Run) -> tuple[list[int], int]:
    """Return the positions of the test images to show, and how many of each class are correct, the least confident.

    Of the errors, the most confident of each cell of a matrix: as many of each cell as leave the page small.
    """
    unwanted = len(run.labels)
    rank = np.full(unwanted, unwanted)  # an image's best rank within its cell, over the networks
    for name in run.names:
        for label, predicted in sorted({*zip(run.labels.tolist(), run.predicted[name].tolist(), strict=True)}):
            cell = _cell(run, name, label, predicted)
            if label == predicted:
                cell = cell[::-1][:CORRECT_OF_A_CLASS]
            rank[cell] = np.minimum(rank[cell], np.arange(len(cell)))
    most = max(1, int(np.sort(rank)[MOST_PICTURES])) if unwanted > MOST_PICTURES else unwanted
    return np.flatnonzero(rank < most).tolist(), min(most, CORRECT_OF_A_CLASS)
