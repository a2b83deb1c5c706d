"""How two networks differ on the same images, each difference with its 95 % interval."""

from dataclasses import dataclass

import numpy as np

from tasks.evaluation.intervals import difference_of, holm, mcnemar, paired_difference, paired_mean_difference
from tasks.evaluation.metrics import calibration_error, class_scores, confusion_of, distances_by_bin
from tasks.evaluation.models import Count, Difference, Estimate, Model, Share
from tasks.training.cross_entropy import per_sample_cross_entropy

BOOTSTRAP_SAMPLES = 2_000  # of the images, for the calibration error
SIGNIFICANT = 0.05  # the p-value that goes with 95% intervals


class PairedAccuracy(Model):
    """The difference of two networks' accuracies on the same images of one split, first minus second."""

    difference: Estimate
    only_first_correct: Count
    only_second_correct: Count
    p: Share  # McNemar's, exact

    @property
    def significant(self) -> bool:
        """Whether the interval excludes zero and McNemar's test agrees."""
        return self.difference.significant and self.p < SIGNIFICANT


class PairwiseResult(Model):
    """The differences of two networks' accuracies, first minus second."""

    first: str
    second: str
    validation: PairedAccuracy
    test: PairedAccuracy


class PairwiseDifferences(PairwiseResult):
    """Their other differences too, first minus second."""

    differences: dict[str, Estimate]  # train accuracy, gap, cross-entropy, calibration error


class ClassDifference(Model):
    """The differences of two networks' scores on one class; `p` is McNemar's for recall, adjusted (Holm)."""

    recall: Estimate | None
    precision: Estimate | None
    f1: Difference | None
    p: Share


@dataclass(frozen=True)
class Predictions:
    """What one network predicts of the images, and how well."""

    correct: dict[str, np.ndarray]  # by split: whether its first choice is the label (n)
    predicted: np.ndarray  # its first choice for each test image (n)
    cross_entropy: np.ndarray  # nats, for each test image (n)
    calibration_errors: np.ndarray  # of the test images, and of as many drawn from them (1 + draws)

    @classmethod
    def of(cls, probabilities: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> "Predictions":
        """Return the predictions of probabilities (n × classes) and labels (n), by split."""
        predicted = {split: by_split.argmax(axis=1) for split, by_split in probabilities.items()}
        return cls(
            correct={split: predicted[split] == labels[split] for split in labels},
            predicted=predicted["test"],
            cross_entropy=per_sample_cross_entropy(probabilities["test"], labels["test"]),
            calibration_errors=_drawn_calibration_errors(probabilities["test"], labels["test"]),
        )


def _drawn_calibration_errors(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the calibration error of the images, then of draws of as many: the same draws for every network."""
    bins, distances = distances_by_bin(probabilities, labels)
    generator = np.random.default_rng(0)
    drawn = (generator.integers(len(labels), size=len(labels)) for _ in range(BOOTSTRAP_SAMPLES))
    draws = [np.arange(len(labels)), *drawn]
    return np.array([calibration_error(bins[images], distances[images]) for images in draws])


def differ(first: str, a: Predictions, second: str, b: Predictions) -> PairwiseDifferences:
    """Return by how much the first network is above the second."""
    accuracy = {split: compare_correct(a.correct[split], b.correct[split]) for split in ("train", "validation", "test")}
    return PairwiseDifferences(
        first=first,
        second=second,
        validation=accuracy["validation"],
        test=accuracy["test"],
        differences={
            "train_accuracy": accuracy["train"].difference,
            "gap": difference_of(accuracy["train"].difference, accuracy["test"].difference),
            "cross_entropy": paired_mean_difference(a.cross_entropy, b.cross_entropy),
            "calibration_error": _basic_bootstrap(a.calibration_errors - b.calibration_errors),
        },
    )


def compare_correct(first: np.ndarray, second: np.ndarray) -> PairedAccuracy:
    """Return the difference of two networks' accuracies, by whether each is correct on the same images (n, bool)."""
    only_first, only_second = discordant(first, second)
    return PairedAccuracy(
        difference=paired_difference(only_first, only_second, len(first)),
        only_first_correct=only_first,
        only_second_correct=only_second,
        p=mcnemar(only_first, only_second),
    )


def _basic_bootstrap(values: np.ndarray) -> Estimate:
    """Return the first value and its 95 % interval by how far the others, of drawn images, lie from it.

    Not their percentiles: a sum of absolute values is larger in each draw than in what is drawn from. Davison and
    Hinkley, "Bootstrap Methods and their Application" (1997), section 2.4.
    """
    value, (low, high) = float(values[0]), np.percentile(values[1:], (2.5, 97.5)).tolist()
    return Estimate(value=value, low=2 * value - high, high=2 * value - low)


def discordant(correct_a: np.ndarray, correct_b: np.ndarray) -> tuple[int, int]:
    """Return on how many images only the first is correct, and only the second."""
    return int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum())


def compare_classes(labels: np.ndarray, a: np.ndarray, b: np.ndarray, classes: int) -> list[ClassDifference]:
    """Return, for each class, by how much the predictions `a` (n) are above `b` (n) in recall, precision and F1.

    Recall's interval and exact McNemar p-value are of the class's own images; `p` is adjusted for testing every
    class (Holm). Precision's interval is that of the difference of two independent estimates, which these are not:
    wider than necessary, and correct where there are few errors, of which draws show too little. `None`: undefined.
    """
    confusions = [confusion_of(labels, predicted, classes) for predicted in (a, b)]
    only = [discordant(a[labels == index] == index, b[labels == index] == index) for index in range(classes)]
    adjusted = holm([mcnemar(*of_class) for of_class in only])
    found = []
    for index, images in enumerate(np.bincount(labels, minlength=classes).tolist()):
        one, other = (class_scores(confusion, index) for confusion in confusions)
        found.append(
            ClassDifference(
                recall=paired_difference(*only[index], images) if images else None,
                precision=difference_of(one.precision, other.precision) if one.precision and other.precision else None,
                f1=None if one.f1 is None or other.f1 is None else one.f1 - other.f1,
                p=adjusted[index],
            )
        )
    return found
