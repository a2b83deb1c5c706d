import json
import math

import numpy as np
import pytest

from tasks.evaluate import calibration_error, measure
from tasks.statistics import wilson_interval

# Five images of three classes: the first choices are 0, 0, 1, 1, 0, and class 2 is never said.
PROBABILITIES = np.array(
    [[0.50, 0.25, 0.25], [0.75, 0.25, 0.00], [0.25, 0.50, 0.25], [0.00, 1.00, 0.00], [0.50, 0.25, 0.25]], np.float32
)
LABELS = np.array([0, 1, 1, 1, 2], np.uint8)


def test_accuracy_is_the_share_of_first_choices_that_are_right():
    measured = measure(PROBABILITIES, LABELS)
    assert measured["images"] == 5
    assert measured["accuracy"] == 3 / 5
    assert measured["accuracy_interval"] == wilson_interval(3, 5)


def test_the_confusion_matrix_has_true_classes_as_rows():
    assert measure(PROBABILITIES, LABELS)["confusion"] == [[1, 0, 0], [1, 2, 0], [1, 0, 0]]


def test_cross_entropy_is_the_mean_surprise_in_nats():
    # The labels' probabilities are 1/2, 1/4, 1/2, 1, 1/4: ln 2 · (1 + 2 + 1 + 0 + 2) / 5.
    assert measure(PROBABILITIES, LABELS)["cross_entropy"] == pytest.approx(6 / 5 * math.log(2))


def test_a_label_held_for_impossible_costs_much_but_not_everything():
    certain = np.array([[1.0, 0.0]], np.float32)
    assert measure(certain, np.array([1]))["cross_entropy"] == pytest.approx(126 * math.log(2))


def test_each_class_has_its_precision_recall_and_f1():
    first, second, third = measure(PROBABILITIES, LABELS)["classes"]
    assert first == {"images": 1, "precision": 1 / 3, "recall": 1.0, "f1": 2 / 4}
    assert second == {"images": 3, "precision": 1.0, "recall": 2 / 3, "f1": 4 / 5}
    assert third == {"images": 1, "precision": None, "recall": 0.0, "f1": 0.0}


def test_a_class_that_is_neither_there_nor_said_has_no_figures():
    _, second, third = measure(PROBABILITIES[:1], LABELS[:1])["classes"]
    nothing = {"images": 0, "precision": None, "recall": None, "f1": None}
    assert (second, third) == (nothing, nothing)


def test_the_metrics_can_be_written_as_json():
    measured = measure(PROBABILITIES, LABELS)
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured


def test_the_calibration_error_weighs_each_bins_distance_by_its_images():
    # Bin 14 of 15 (0.867–0.933): two images at 0.90, one right: |1 − 1.8|. Bin 11: one right at 0.70: |1 − 0.70|.
    # Bin 9: one wrong at 0.55: |0 − 0.55|. In all (0.80 + 0.30 + 0.55) / 4.
    confidence = np.array([0.90, 0.90, 0.70, 0.55])
    probabilities = np.column_stack([confidence, 1 - confidence])
    assert calibration_error(probabilities, np.array([0, 1, 0, 1])) == pytest.approx(1.65 / 4)


def test_over_and_underconfidence_in_one_bin_cancel_and_in_two_bins_do_not():
    def error(*confidence):
        return calibration_error(np.column_stack([confidence, 1 - np.array(confidence)]), np.array([0, 1]))

    assert error(0.51, 0.52) == pytest.approx(0.03 / 2)  # |1 − 1.03|
    assert error(0.51, 0.99) == pytest.approx((0.49 + 0.99) / 2)


def test_what_is_always_sure_and_right_is_calibrated():
    assert calibration_error(np.eye(3, dtype=np.float32), np.arange(3)) == 0.0
