"""How two networks differ on the same images, each difference with its 95 % interval."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.evaluation.intervals import (
    Estimate,
    difference_of,
    holm,
    mcnemar,
    paired_difference,
    paired_mean_difference,
)
from tasks.evaluation.metrics import class_metrics, confusion_of, distances_by_bin
from tasks.training.cross_entropy import per_sample_cross_entropy

DRAWS = 500  # of the images, for the calibration error


@dataclass(frozen=True)
class Outcome:
    """What one network did with the images."""

    right: dict[str, np.ndarray]  # by split: whether its first choice is the label (n)
    called: np.ndarray  # its first choice for each test image (n)
    cross_entropy: np.ndarray  # nats, for each test image (n)
    calibration_errors: np.ndarray  # of the test images, and of as many drawn from them (1 + draws)

    @classmethod
    def of(cls, probabilities: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> "Outcome":
        """Return the outcome of probabilities (n × classes) and labels (n), by split."""
        called = {split: by_split.argmax(axis=1) for split, by_split in probabilities.items()}
        return cls(
            right={split: called[split] == labels[split] for split in labels},
            called=called["test"],
            cross_entropy=per_sample_cross_entropy(probabilities["test"], labels["test"]),
            calibration_errors=_drawn_calibration_errors(probabilities["test"], labels["test"]),
        )


def _drawn_calibration_errors(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the calibration error of the images, then of draws of as many: the same draws for every network."""
    bins, distances = distances_by_bin(probabilities, labels)
    generator = np.random.default_rng(0)
    draws = [np.arange(len(labels)), *(generator.integers(len(labels), size=len(labels)) for _ in range(DRAWS))]
    sums = [np.bincount(bins[images], weights=distances[images]) for images in draws]
    return np.array([np.abs(of_draw).sum() for of_draw in sums]) / len(labels)


def differ(a: Outcome, b: Outcome) -> dict[str, Any]:
    """Return by how much the first is above the second."""
    only_a, only_b = discordant(a.right["test"], b.right["test"])
    accuracy = {
        split: paired_difference(*discordant(a.right[split], b.right[split]), len(a.right[split])) for split in a.right
    }
    calibration = a.calibration_errors - b.calibration_errors
    estimates: dict[str, Estimate] = {
        "difference": accuracy["test"],
        "validation_difference": accuracy["validation"],
        "train_difference": accuracy["train"],
        "gap_difference": difference_of(accuracy["train"], accuracy["test"]),
        "cross_entropy_difference": paired_mean_difference(a.cross_entropy, b.cross_entropy),
        "calibration_error_difference": _basic_bootstrap(calibration),
    }
    return {
        "only_first_right": only_a,
        "only_second_right": only_b,
        "p": mcnemar(only_a, only_b),
        **{name: value for name, (value, _) in estimates.items()},
        **{f"{name}_interval": interval for name, (_, interval) in estimates.items()},
    }


def _basic_bootstrap(values: np.ndarray) -> Estimate:
    """Return the first value and its 95 % interval by how far the others, of drawn images, lie from it.

    Not their percentiles: a sum of absolute values is larger in each draw than in what is drawn from. Davison and
    Hinkley, "Bootstrap Methods and their Application" (1997), section 2.4.
    """
    value, (low, high) = float(values[0]), np.percentile(values[1:], (2.5, 97.5)).tolist()
    return value, [2 * value - high, 2 * value - low]


def discordant(right_a: np.ndarray, right_b: np.ndarray) -> tuple[int, int]:
    """Return how many images only the first has right, and only the second."""
    return int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())


def compare_classes(labels: np.ndarray, a: np.ndarray, b: np.ndarray, classes: int) -> list[dict[str, Any]]:
    """Return, for each class, by how much the calls `a` (n) are above `b` (n) in precision, recall and F1.

    Recall's interval and exact McNemar p-value are of the class's own images; `p` is adjusted for asking about every
    class (Holm). The others' intervals are those of the difference of two independent estimates, which these are not:
    wider than need be, and right where there are few errors, of which draws show too little. `None`: undefined.
    """
    of_a, of_b = (confusion_of(labels, called, classes) for called in (a, b))
    only = [discordant(a[labels == index] == index, b[labels == index] == index) for index in range(classes)]
    adjusted = holm([mcnemar(*of_class) for of_class in only])
    found: list[dict[str, Any]] = []
    for index, there in enumerate(np.bincount(labels, minlength=classes).tolist()):
        recall, interval = paired_difference(*only[index], there) if there else (None, None)
        row: dict[str, Any] = {"recall": recall, "recall_interval": interval, "p": adjusted[index]}
        one, other = class_metrics(of_a, index), class_metrics(of_b, index)
        for score in ("precision", "f1"):
            both = [(of[score], of[f"{score}_interval"]) for of in (one, other)]
            defined = one[score] is not None and other[score] is not None
            row[score], row[f"{score}_interval"] = difference_of(*both) if defined else (None, None)
        found.append(row)
    return found
