"""How two networks differ on the same images, each difference with its 95 % interval."""

from dataclasses import dataclass

import numpy as np

from tasks.evaluation.intervals import difference_of, holm, mcnemar, paired_difference, paired_mean_difference
from tasks.evaluation.metrics import bins_of, calibration_error, class_scores, confusion_of
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
    classes: int
    cross_entropy: np.ndarray  # nats, for each test image (n)
    calibration_errors: np.ndarray  # of the test images, and of as many drawn from them (1 + draws)

    @classmethod
    def of(cls, probabilities: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> "Predictions":
        """Return the predictions of probabilities (n × classes) and labels (n), by split."""
        correct = {split: probabilities[split].argmax(axis=1) == of_split for split, of_split in labels.items()}
        test = probabilities["test"]
        return cls(
            correct=correct,
            predicted=test.argmax(axis=1),
            classes=test.shape[1],
            cross_entropy=per_sample_cross_entropy(test, labels["test"]),
            calibration_errors=_drawn_calibration_errors(test.max(axis=1).astype(float), correct["test"]),
        )


def _drawn_calibration_errors(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Return the calibration error of the images, then of draws of as many: the same draws for every network."""
    bins, distances, count = bins_of(confidence), correct - confidence, len(correct)
    generator = np.random.default_rng(0)
    draws = [np.arange(count), *(generator.integers(count, size=count) for _ in range(BOOTSTRAP_SAMPLES))]
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
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
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


def compare_classes(labels: np.ndarray, first: Predictions, second: Predictions) -> list[ClassDifference]:
    """Return, for each class, by how much the first network is above the second in recall, precision and F1.

    Recall's interval and exact McNemar p-value are of the class's own images; `p` is adjusted for testing every
    class (Holm). Precision's interval is that of the difference of two independent estimates, which these are not:
    wider than necessary, and correct where there are few errors, of which draws show too little. `None`: undefined.
    """
    confusions = [confusion_of(labels, of.predicted, of.classes) for of in (first, second)]
    of_class = (labels == index for index in range(first.classes))
    both = [(first.correct["test"][images], second.correct["test"][images]) for images in of_class]
    recalls = [compare_correct(*correct) if len(correct[0]) else None for correct in both]
    found = []
    for index, (recall, p) in enumerate(zip(recalls, holm([of.p if of else 1.0 for of in recalls]), strict=True)):
        one, other = (class_scores(confusion, index) for confusion in confusions)
        found.append(
            ClassDifference(
                recall=recall.difference if recall else None,
                precision=difference_of(one.precision, other.precision) if one.precision and other.precision else None,
                f1=None if one.f1 is None or other.f1 is None else one.f1 - other.f1,
                p=p,
            )
        )
    return found
