"""What a network's probabilities are worth, measured against the labels: accuracy, calibration, classes, rejection."""

from typing import Any

import numpy as np

from tasks.evaluation.intervals import f1_interval, paired_mean_difference, wilson_interval
from tasks.training.cross_entropy import per_sample_cross_entropy

BINS = 15
REJECTED = (0.01, 0.05, 0.10)  # shares of the images, the least sure ones


def measure(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the metrics of probabilities (n × classes) against labels (n).

    Accuracy with its 95 % Wilson interval, cross-entropy in nats, by how much the mean confidence is above accuracy
    with its 95 % interval, expected calibration error with its bins, accuracy without the least sure images, the
    confusion matrix (rows are true classes), and for each class precision, recall and F1 with their 95 % intervals;
    `None` where a class was never there or never said.
    """
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_of(labels, predicted, classes)
    hits = int(np.trace(confusion))
    too_sure, interval = paired_mean_difference(probabilities.max(axis=1).astype(float), predicted == labels)
    return {
        "images": len(labels),
        "accuracy": hits / len(labels),
        "accuracy_interval": wilson_interval(hits, len(labels)),
        "cross_entropy": float(per_sample_cross_entropy(probabilities, labels).mean()),
        "too_sure": too_sure,
        "too_sure_interval": interval,
        "calibration_error": calibration_error(probabilities, labels),
        "reliability": reliability(probabilities, labels),
        "rejection": [_without(share, probabilities, labels) for share in REJECTED],
        "confusion": confusion.tolist(),
        "classes": [class_metrics(confusion, index) for index in range(classes)],
    }


def confusion_of(labels: np.ndarray, called: np.ndarray, classes: int) -> np.ndarray:
    """Return how many images of each class (row) were called what (column)."""
    confusion = np.zeros((classes, classes), dtype=int)
    np.add.at(confusion, (labels, called), 1)
    return confusion


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> list[dict[str, Any]]:
    """Return, for each of 15 equal bins of confidence, its images, their mean confidence and their accuracy.

    Guo et al., "On Calibration of Modern Neural Networks" (2017), https://arxiv.org/abs/1706.04599, section 2.
    """
    bins, distances = distances_by_bin(probabilities, labels)
    confidence = probabilities.max(axis=1).astype(np.float64)
    counts = np.bincount(bins, minlength=BINS)
    sums = np.bincount(bins, weights=confidence, minlength=BINS)
    hits = np.rint(np.bincount(bins, weights=distances, minlength=BINS) + sums)
    return [
        {
            "low": index / BINS,
            "high": (index + 1) / BINS,
            "images": int(count),
            "confidence": float(sums[index] / count) if count else None,
            "accuracy": float(hits[index] / count) if count else None,
            "accuracy_interval": wilson_interval(int(hits[index]), int(count)) if count else None,
        }
        for index, count in enumerate(counts)
    ]


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected calibration error: the bins' distances of accuracy from confidence, weighted by images.

    Guo et al. (2017), equation 3.
    """
    bins, distances = distances_by_bin(probabilities, labels)
    return float(np.abs(np.bincount(bins, weights=distances)).sum() / len(labels))


def distances_by_bin(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each image's bin of confidence, whose upper end belongs to it, and right (1 or 0) less confidence."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    return np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1), right - confidence


def _without(share: float, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the accuracy on what is left when this share of the images, the least sure, is rejected.

    Of equally sure images at the limit, each is as likely to be rejected as another: their mean counts.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    rejected = min(round(share * len(labels)), len(labels) - 1)
    limit = np.sort(confidence)[rejected]
    surer, equal = confidence > limit, confidence == limit
    kept = len(labels) - rejected
    hits = right[surer].sum() + right[equal].mean() * (kept - surer.sum())
    return {"share": share, "images": kept, "accuracy": float(hits / kept)}


def class_metrics(confusion: np.ndarray, index: int) -> dict[str, Any]:
    """Return a class's images, and its precision, recall and F1 with their 95 % intervals; `None`: undefined."""
    hits, there, said = (int(n) for n in (confusion[index, index], confusion[index].sum(), confusion[:, index].sum()))
    return {
        "images": there,
        "precision": hits / said if said else None,
        "precision_interval": wilson_interval(hits, said) if said else None,
        "recall": hits / there if there else None,
        "recall_interval": wilson_interval(hits, there) if there else None,
        "f1": 2 * hits / (there + said) if there + said else None,
        "f1_interval": f1_interval(hits, there + said - 2 * hits) if there + said else None,
    }
