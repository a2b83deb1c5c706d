"""Where they fail: which class is taken for which, on which images, and how each class fares."""

from typing import Any

import numpy as np

from tasks.evaluation.metrics import confusion_of
from tasks.reporting.data import Run
from tasks.reporting.models import Count, Estimate, Judged, Model, Share, judged

TITLE = "Where they fail"
LOOK_ALIKES = ("T-shirt/top", "Pullover", "Coat", "Shirt")
MOST_PICTURES = 2_000  # about a megabyte
OF_A_CELL = (10_000, 100, 50, 25, 12, 6, 3, 1)  # pictures of one cell of a matrix: as many as there is room for
RIGHT_OF_A_CLASS = 12


class ClassScores(Model):
    """How one network does on one class; nothing where it was never there or never said."""

    recall: Estimate | None
    precision: Estimate | None
    f1: Estimate | None


class ClassDifference(ClassScores):
    """By how much the network to keep is above the next on one class; `p` is McNemar's for recall, adjusted (Holm)."""

    p: Share


class LookAlikes(Model):
    """The classes that are easily taken for one another."""

    classes: list[str]
    errors: dict[str, Count]  # of each network, on these classes, taking one for another
    of_errors: dict[str, Count]  # of all that it makes


class Numbers(Model):
    """Where each network fails on the test set."""

    class_names: list[str]
    confusion: dict[str, list[list[Count]]]  # by network: rows are true classes, columns what they were called
    most_confused: Count  # the most frequent error of any network
    most_different: Count  # the largest difference below
    difference: list[list[int]] | None  # the confusion matrix of the network to keep less that of the next
    only: dict[str, list[list[Count]]] | None  # of the first two networks: what is called so by one and not the other
    classes: dict[str, list[ClassScores]]
    class_differences: list[ClassDifference]
    better: list[str]  # classes whose recall is clearly higher with the network to keep (adjusted p < 0.05)
    worse: list[str]
    largest: (
        tuple[Count, Count, Count] | None
    )  # true class, called, how often: the network to keep's most frequent error
    look_alikes: LookAlikes | None
    pictures: list[Judged]
    right_shown: Count  # of the images that a network has right, of each class: the least sure
    of_largest: list[Judged]  # those of the most frequent error that are called so most surely


def numbers(run: Run) -> Numbers:
    """Gather where each network fails."""
    names, class_names = run.names, list(run.data_set.class_names)
    confusion = {name: run.metrics[name]["test"]["confusion"] for name in names}
    difference = np.subtract(*(confusion[name] for name in [*names, *names][:2]))
    positions, right_shown = choose_pictures(run)
    largest = _largest(confusion[names[0]])
    differences = [ClassDifference.from_row(row) for row in run.comparison["classes"]]
    clear = [(d.recall.value, c) for d, c in zip(differences, class_names, strict=False) if d.recall and d.p < 0.05]
    return Numbers(
        class_names=class_names,
        confusion=confusion,
        most_confused=max(1, *(int(_wrong(counts).max()) for counts in confusion.values())),
        most_different=max(1, int(np.abs(difference).max())),
        difference=difference.tolist() if run.pairs else None,
        only=_only(run, *names[:2]) if run.pairs else None,
        classes={name: [ClassScores.from_row(row) for row in run.metrics[name]["test"]["classes"]] for name in names},
        class_differences=differences,
        better=[class_name for difference, class_name in clear if difference > 0],
        worse=[class_name for difference, class_name in clear if difference < 0],
        largest=largest,
        look_alikes=_look_alikes(class_names, confusion),
        pictures=judged(run, positions),
        right_shown=right_shown,
        of_largest=judged(run, _surest(run, names[0], *largest[:2])[:9]) if largest else [],
    )


def _only(run: Run, one: str, other: str) -> dict[str, list[list[int]]]:
    differ, classes = run.called[one] != run.called[other], len(run.data_set.class_names)
    return {name: confusion_of(run.labels[differ], run.called[name][differ], classes).tolist() for name in (one, other)}


def _surest(run: Run, name: str, label: int, called: int) -> np.ndarray:
    """Return the positions of the test images that a network calls so, the surest first."""
    positions = np.flatnonzero((run.labels == label) & (run.called[name] == called))
    return positions[np.argsort(-run.confidence[name][positions], kind="stable")]


def _wrong(confusion: Any) -> np.ndarray:
    """Return a confusion matrix without what is right."""
    return np.array(confusion) - np.diag(np.diagonal(confusion))


def _largest(confusion: list[list[int]]) -> tuple[int, int, int] | None:
    wrong = _wrong(confusion)
    true, called = np.unravel_index(wrong.argmax(), wrong.shape)
    return (int(true), int(called), int(wrong.max())) if wrong.max() else None


def _look_alikes(class_names: list[str], confusion: dict[str, Any]) -> LookAlikes | None:
    if not set(LOOK_ALIKES) <= set(class_names):
        return None
    among = [class_names.index(name) for name in LOOK_ALIKES]
    errors, of_errors = {}, {}
    for name, counts in confusion.items():
        wrong = _wrong(counts)
        errors[name], of_errors[name] = int(wrong[np.ix_(among, among)].sum()), int(wrong.sum())
    return LookAlikes(classes=list(LOOK_ALIKES), errors=errors, of_errors=of_errors)


def choose_pictures(run: Run) -> tuple[list[int], int]:
    """Return the positions of the test images to show, and how many of each class are right, the least sure.

    Of the errors, the surest of each cell: as many as leave the page small.
    """
    for most in OF_A_CELL:
        chosen: set[int] = set()
        for name in run.names:
            for label, called in sorted({*zip(run.labels.tolist(), run.called[name].tolist(), strict=True)}):
                cell = _surest(run, name, label, called)
                chosen.update((cell[:most] if label != called else cell[-min(most, RIGHT_OF_A_CLASS) :]).tolist())
        if len(chosen) <= MOST_PICTURES:
            break
    return sorted(chosen), min(most, RIGHT_OF_A_CLASS)
