import numpy as np
import pytest

from tasks.evaluation.intervals import mcnemar, paired_difference
from tasks.evaluation.metrics import measure
from tasks.evaluation.paired import ClassDifference, Predictions, _basic_bootstrap, compare_classes, differ


def probabilities(seed, labels, sharpness):
    """Return made-up probabilities of three classes: the sharper, the more often right."""
    logits = np.random.default_rng(seed).normal(size=(len(labels), 3)) + sharpness * np.eye(3)[labels]
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


LABELS = {
    split: np.random.default_rng(seed).integers(3, size=count)
    for seed, (split, count) in enumerate((("train", 4000), ("validation", 500), ("test", 1000)))
}
A, B = ({s: probabilities(seed, of, sharp) for s, of in LABELS.items()} for seed, sharp in ((7, 2.0), (8, 1.0)))


@pytest.fixture(scope="module")
def pair():
    return differ("a", Predictions.of(A, LABELS), "b", Predictions.of(B, LABELS))


def test_each_difference_is_that_of_the_two_networks_metrics_and_lies_within_its_interval(pair):
    def values(probabilities):
        measured = {split: measure(probabilities[split], of) for split, of in LABELS.items()}
        accuracies = {f"{split}_accuracy": of.accuracy.value for split, of in measured.items()}
        return accuracies | {
            "gap": accuracies["train_accuracy"] - accuracies["test_accuracy"],
            "cross_entropy": measured["test"].cross_entropy,
            "calibration_error": measured["test"].calibration.calibration_error,
        }

    a, b = values(A), values(B)
    accuracies = {"validation_accuracy": pair.validation.difference, "test_accuracy": pair.test.difference}
    found = accuracies | pair.differences
    assert {name: of.value for name, of in found.items()} == pytest.approx({name: a[name] - b[name] for name in a})
    assert all(of.low < of.value < of.high for of in found.values())


def test_a_network_does_not_differ_from_itself():
    same = Predictions.of(A, LABELS)
    alone = differ("a", same, "a", same)
    assert (alone.test.difference.value, alone.test.p) == (0.0, 1.0)
    assert alone.differences["calibration_error"].interval == (0.0, 0.0)
    classes = compare_classes(LABELS["test"], same, same)
    for row in classes:
        assert row.precision.low == -row.precision.high < 0 == row.precision.value == row.f1
    assert [row.p for row in classes] == [1.0] * 3


def test_a_classs_recall_is_compared_on_its_own_images():
    of_class = LABELS["test"] == 1
    right_a, right_b = (by["test"].argmax(axis=1)[of_class] == 1 for by in (A, B))
    counts = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    row = compare_classes(LABELS["test"], *(Predictions.of(of, LABELS) for of in (A, B)))[1]
    assert row.recall == paired_difference(*counts, int(of_class.sum()))
    assert row.p >= mcnemar(*counts)


def test_the_interval_of_a_calibration_difference_lies_as_far_below_as_draws_lie_above():
    found = _basic_bootstrap(np.array([1.0, *np.linspace(1, 3, 1001)]))
    assert (found.value, *found.interval) == pytest.approx((1.0, 2 - 2.95, 2 - 1.05))


def test_a_class_that_is_never_there_or_never_predicted_has_no_difference():
    labels = np.array([1, 2, 2, 1])
    predicted = (np.eye(3)[of] for of in ([2, 2, 2, 2], [2, 1, 2, 1]))
    both = [Predictions.of(dict.fromkeys(LABELS, of), dict.fromkeys(LABELS, labels)) for of in predicted]
    absent, never_predicted, _ = compare_classes(labels, *both)
    assert absent == ClassDifference(recall=None, precision=None, f1=None, p=1.0)
    assert never_predicted.precision is None
    assert never_predicted.f1 == pytest.approx(0 - 0.5)
