import math

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss, precision_recall_fscore_support

from tasks.evaluation.intervals import proportion
from tasks.evaluation.metrics import BINS, ClassScores, measure

# Five images of three classes: the first choices are 0, 0, 1, 1, 0, and class 2 is never said.
PROBABILITIES = np.array(
    [[0.50, 0.25, 0.25], [0.75, 0.25, 0.00], [0.25, 0.50, 0.25], [0.00, 1.00, 0.00], [0.50, 0.25, 0.25]], np.float32
)
LABELS = np.array([0, 1, 1, 1, 2], np.uint8)


def test_accuracy_is_the_share_of_first_choices_that_are_correct_and_the_confusion_matrix_has_true_classes_as_rows():
    measured = measure(PROBABILITIES, LABELS)
    assert measured.images == 5
    assert measured.accuracy == proportion(3 / 5, 5)
    assert measured.confusion == [[1, 0, 0], [1, 2, 0], [1, 0, 0]]


def test_a_label_held_for_impossible_costs_much_but_not_everything():
    certain = np.array([[1.0, 0.0]], np.float32)
    assert measure(certain, np.array([1])).cross_entropy == pytest.approx(126 * math.log(2))


def test_a_class_that_is_neither_there_nor_said_has_no_figures():
    _, second, third = measure(PROBABILITIES[:1], LABELS[:1]).classes
    assert second == third == ClassScores(recall=None, precision=None, f1=None)


@pytest.fixture
def many():
    """Probabilities of ten classes that are right more often the surer they are, and labels."""
    generator = np.random.default_rng(3)
    labels = generator.integers(10, size=3000)
    logits = generator.normal(size=(3000, 10)) + 2.5 * np.eye(10)[labels]
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32), labels


def test_precision_recall_f1_and_cross_entropy_are_scikit_learns(many):
    probabilities, labels = many
    theirs = precision_recall_fscore_support(labels, probabilities.argmax(axis=1))
    ours = measure(probabilities, labels)
    scores = [(of.precision.value, of.recall.value, of.f1) for of in ours.classes]
    assert np.transpose(scores) == pytest.approx(np.array(theirs[:3]))
    assert ours.cross_entropy == pytest.approx(log_loss(labels, probabilities), rel=1e-4)


def test_the_bins_are_those_of_scikit_learns_calibration_curve(many):
    probabilities, labels = many
    right, sure = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    accuracy, confidence = calibration_curve(right, sure, n_bins=BINS)
    found = measure(probabilities, labels).calibration
    bins = found.bins
    assert len(bins) < BINS, "those without images are left out"
    assert sum(of_bin.images for of_bin in bins) == 3000
    assert all(of_bin.low < of_bin.confidence <= of_bin.high for of_bin in bins)
    assert [of_bin.accuracy.value for of_bin in bins] == pytest.approx(accuracy.tolist())
    assert [of_bin.confidence for of_bin in bins] == pytest.approx(confidence.tolist())
    distances = np.abs(accuracy - confidence)
    assert found.calibration_error == pytest.approx(np.average(distances, weights=[of_bin.images for of_bin in bins]))


def test_rejecting_the_least_confident_leaves_the_accuracy_of_the_others(many):
    probabilities, labels = many
    order = np.argsort(probabilities.max(axis=1))
    right = (probabilities.argmax(axis=1) == labels)[order]
    rejections = measure(probabilities, labels).calibration.rejection
    assert [rejection.images for rejection in rejections] == [2970, 2850, 2700]
    assert [rejection.accuracy.value for rejection in rejections] == [
        pytest.approx(right[rejected:].mean()) for rejected in (30, 150, 300)
    ]


def test_of_equally_confident_images_none_is_more_likely_to_be_rejected():
    constant = np.tile(np.array([[0.7, 0.3]], np.float32), (100, 1))
    labels = np.repeat([0, 1], [60, 40])
    for rejection in measure(constant, labels).calibration.rejection:
        assert rejection.accuracy.value == pytest.approx(0.6)
