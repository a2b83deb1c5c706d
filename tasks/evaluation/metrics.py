"""What a network's probabilities are worth, measured against the labels: accuracy, calibration, classes, rejection."""

import numpy as np

from tasks.evaluation.intervals import paired_mean_difference, proportion
from tasks.evaluation.models import Count, Estimate, Model, Share
from tasks.training.cross_entropy import per_sample_cross_entropy

BINS = 15
REJECTION_RATES = (0.01, 0.05, 0.10)  # shares of the images, the least confident ones


class Bin(Model):
    """The images whose confidence lies between two limits."""

    low: Share
    high: Share
    images: Count
    confidence: Share
    accuracy: Estimate


class Rejection(Model):
    """The accuracy on what is left without the least confident images."""

    rate: Share  # of the images, that is rejected
    images: Count
    accuracy: Estimate


class Calibration(Model):
    """How well a network's confidence agrees with its accuracy."""

    accuracy: Share
    mean_confidence: Share
    overconfidence: Estimate  # mean confidence minus accuracy
    calibration_error: Share
    bins: list[Bin]
    rejection: list[Rejection]


class ClassScores(Model):
    """A network's scores on one class; `None` where it has no images, or is never predicted."""

    recall: Estimate | None
    precision: Estimate | None
    f1: Share | None


class Metrics(Model):
    """A network's results on the images of a split."""

    images: Count
    accuracy: Estimate
    cross_entropy: float  # nats
    calibration: Calibration
    confusion: list[list[Count]]  # rows are true classes, columns predicted ones
    classes: list[ClassScores]


def measure(probabilities: np.ndarray, labels: np.ndarray) -> Metrics:
    """Return the metrics of probabilities (n × classes) against labels (n)."""
    classes, predicted = probabilities.shape[1], probabilities.argmax(axis=1)
    confusion = confusion_of(labels, predicted, classes)
    return Metrics(
        images=len(labels),
        accuracy=proportion(np.trace(confusion) / len(labels), len(labels)),
        cross_entropy=per_sample_cross_entropy(probabilities, labels).mean(),
        calibration=calibrate(probabilities.max(axis=1).astype(float), predicted == labels),
        confusion=confusion.tolist(),
        classes=[class_scores(confusion, index) for index in range(classes)],
    )


def confusion_of(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return how many images of each class (row) were predicted as which (column)."""
    confusion = np.zeros((classes, classes), dtype=int)
    np.add.at(confusion, (labels, predicted), 1)
    return confusion


def calibrate(confidence: np.ndarray, correct: np.ndarray) -> Calibration:
    """Return the calibration of first choices by their probability (n), and by whether they are correct (n, bool)."""
    return Calibration(
        accuracy=correct.mean(),
        mean_confidence=confidence.mean(),
        overconfidence=paired_mean_difference(confidence, correct),
        calibration_error=calibration_error(bins_of(confidence), correct - confidence),
        bins=reliability(confidence, correct),
        rejection=[accuracy_at_rejection(rate, confidence, correct) for rate in REJECTION_RATES],
    )


def bins_of(confidence: np.ndarray) -> np.ndarray:
    """Return each image's bin of confidence, of 15 equal ones, whose upper end belongs to it."""
    return np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)


def calibration_error(bins: np.ndarray, distances: np.ndarray) -> float:
    """Return the expected calibration error: the bins' distances of accuracy from confidence, weighted by images.

    Guo et al., "On Calibration of Modern Neural Networks" (2017), https://arxiv.org/abs/1706.04599, equation 3.
    """
    return float(np.abs(np.bincount(bins, weights=distances)).sum() / len(bins))


def reliability(confidence: np.ndarray, correct: np.ndarray) -> list[Bin]:
    """Return, for each bin of confidence that holds images, their mean confidence and their accuracy."""
    bins = bins_of(confidence)
    counts, sums, hits = (np.bincount(bins, weights=of).tolist() for of in (None, confidence, correct))
    return [
        Bin(
            low=index / BINS,
            high=(index + 1) / BINS,
            images=count,
            confidence=sums[index] / count,
            accuracy=proportion(hits[index] / count, count),
        )
        for index, count in enumerate(counts)
        if count
    ]


def accuracy_at_rejection(rate: float, confidence: np.ndarray, correct: np.ndarray) -> Rejection:
    """Return the accuracy on what is left when this share of the images, the least confident, is rejected.

    Of equally confident images at the limit, each is as likely to be rejected as another: their mean counts.
    """
    rejected = min(round(rate * len(correct)), len(correct) - 1)
    limit = np.sort(confidence)[rejected]
    above, equal = confidence > limit, confidence == limit
    left = len(correct) - rejected
    hits = correct[above].sum() + correct[equal].mean() * (left - above.sum())
    return Rejection(rate=rate, images=left, accuracy=proportion(hits / left, left))


def class_scores(confusion: np.ndarray, index: int) -> ClassScores:
    """Return the recall, precision and F1 of a class."""
    hits, images, predicted = confusion[index, index], int(confusion[index].sum()), int(confusion[:, index].sum())
    return ClassScores(
        recall=proportion(hits / images, images) if images else None,
        precision=proportion(hits / predicted, predicted) if predicted else None,
        f1=2 * hits / (images + predicted) if images + predicted else None,
    )
