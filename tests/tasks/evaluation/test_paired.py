import numpy as np
import pytest

from tasks.evaluation.intervals import mcnemar, paired_difference
from tasks.evaluation.metrics import measure
from tasks.evaluation.paired import Outcome, compare_classes, differ


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
    return differ(Outcome.of(A, LABELS), Outcome.of(B, LABELS))


def test_each_difference_is_that_of_the_two_networks_metrics(pair):
    a, b = ({split: measure(by[split], LABELS[split]) for split in LABELS} for by in (A, B))
    assert pair["difference"] == pytest.approx(a["test"]["accuracy"] - b["test"]["accuracy"])
    assert pair["validation_difference"] == pytest.approx(a["validation"]["accuracy"] - b["validation"]["accuracy"])
    for name in ("cross_entropy", "calibration_error"):
        assert pair[f"{name}_difference"] == pytest.approx(a["test"][name] - b["test"][name])
    gaps = [of["train"]["accuracy"] - of["test"]["accuracy"] for of in (a, b)]
    assert pair["gap_difference"] == pytest.approx(gaps[0] - gaps[1])


def test_each_difference_lies_within_its_interval(pair):
    names = [name.removesuffix("_interval") for name in pair if name.endswith("_interval")]
    assert len(names) == 6
    for name in names:
        low, high = pair[f"{name}_interval"]
        assert low < pair[name] < high


def test_the_other_way_round_every_difference_changes_its_sign(pair):
    back = differ(Outcome.of(B, LABELS), Outcome.of(A, LABELS))
    assert back["p"] == pair["p"]
    for name in ("difference", "gap_difference", "cross_entropy_difference", "calibration_error_difference"):
        assert back[name] == pytest.approx(-pair[name])
        assert back[f"{name}_interval"] == pytest.approx([-limit for limit in reversed(pair[f"{name}_interval"])])


def test_a_network_does_not_differ_from_itself():
    same = Outcome.of(A, LABELS)
    alone = differ(same, same)
    assert (alone["difference"], alone["p"], alone["calibration_error_difference_interval"]) == (0.0, 1.0, [0.0, 0.0])
    classes = compare_classes(LABELS["test"], same.called, same.called, 3)
    for row in classes:
        assert row["f1_interval"][0] == -row["f1_interval"][1] < 0 == row["f1"]
    assert [row["p"] for row in classes] == [1.0] * 3


def test_a_classs_recall_is_compared_on_its_own_images():
    of_class = LABELS["test"] == 1
    right_a, right_b = (by["test"].argmax(axis=1)[of_class] == 1 for by in (A, B))
    counts = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    difference, interval = paired_difference(*counts, int(of_class.sum()))
    row = compare_classes(LABELS["test"], *(by["test"].argmax(axis=1) for by in (A, B)), 3)[1]
    assert (row["recall"], row["recall_interval"]) == (difference, interval)
    assert row["p"] >= mcnemar(*counts)


@pytest.mark.parametrize("error", [0.02, 0.2])
def test_the_intervals_of_a_class_cover_the_true_differences_though_there_are_few_errors(error):
    """Two networks that err as often as each other, on 300 images of ten classes: no difference is true."""
    generator = np.random.default_rng(1)
    covered = {"precision": [], "f1": []}
    for _ in range(40):
        labels = generator.integers(10, size=300)
        a, b = (np.where(generator.random(300) < error, generator.integers(10, size=300), labels) for _ in "ab")
        for row in compare_classes(labels, a, b, 10):
            for score, of_score in covered.items():
                low, high = row[f"{score}_interval"]
                of_score.append(low < 0 < high)
    assert all(np.mean(of_score) > 0.95 for of_score in covered.values())


def test_the_interval_of_a_calibration_difference_covers_the_true_one_where_one_network_is_too_sure():
    """Of a network that is as sure as it is right, and one that is ten points surer in the same calls."""
    generator = np.random.default_rng(2)
    covered = []
    for _ in range(60):
        confidence = generator.uniform(0.55, 0.85, size=1000)
        labels = (generator.random(1000) > confidence).astype(int)
        calibrated, surer = (np.stack([sure, 1 - sure], axis=1) for sure in (confidence, confidence + 0.1))
        outcomes = [Outcome.of(dict.fromkeys(LABELS, of), dict.fromkeys(LABELS, labels)) for of in (surer, calibrated)]
        low, high = differ(*outcomes)["calibration_error_difference_interval"]
        covered.append(low < 0.1 < high)
    assert np.mean(covered) > 0.75, "with the percentiles of the draws it is hardly ever"


def test_a_class_that_is_never_there_or_never_said_has_no_difference():
    absent, never_said, _ = compare_classes(np.array([1, 2, 2, 1]), np.array([2, 2, 2, 2]), np.array([2, 1, 2, 1]), 3)
    assert absent == dict.fromkeys(
        ("recall", "recall_interval", "precision", "precision_interval", "f1", "f1_interval"), None
    ) | {"p": 1.0}
    assert never_said["precision"] is None
    assert never_said["f1"] == pytest.approx(0 - 0.5)
