import pytest

from tasks.evaluation.article import OVERFITTING_GAP, hold_claim, overfitting_reduction
from tasks.evaluation.comparison import NetworkResult
from tasks.evaluation.models import Estimate
from tasks.evaluation.paired import PairwiseDifferences


def estimate(value, half):
    return Estimate(value=value, low=value - half, high=value + half)


def result(gap, running_gap):
    accuracy = {split: estimate(0.9, 0.01) for split in ("train", "validation", "test")}
    return NetworkResult(accuracy=accuracy, gap=gap, running_accuracy=0.9, running_gap=running_gap, parameters=1000)


def test_overfitting_begins_midway_between_the_articles_two_gaps():
    assert pytest.approx((0.0689 + 0.0095) / 2) == OVERFITTING_GAP


@pytest.mark.parametrize(
    ("network", "gap", "half", "outcome"),
    [
        ("baseline", 0.08, 0.006, "agrees"),
        ("baseline", 0.01, 0.006, "disagrees"),
        ("baseline", 0.04, 0.09, "cannot be told"),
        ("dropout", 0.01, 0.006, "agrees"),
        ("dropout", 0.08, 0.006, "disagrees"),
        ("dropout", 0.04, 0.09, "cannot be told"),
        ("dropout", -0.25, 0.01, "cannot be told"),
    ],
)
def test_the_articles_claim_is_held_against_the_gap(network, gap, half, outcome):
    claim = hold_claim(network, result(estimate(gap, half), estimate(gap, half)))
    assert (claim.network, claim.outcome) == (network, outcome)
    assert claim.claim == {"baseline": "baseline overfits", "dropout": "dropout does not overfit"}[network]
    assert "we call one above 3.92 overfitting" in claim.measured


def test_without_any_epoch_the_claim_cannot_be_told():
    assert hold_claim("dropout", result(estimate(0.1, 0.01), None)).outcome == "cannot be told"


def answer(first, difference, half, gap, gap_half):
    second = {"baseline": "dropout", "dropout": "baseline"}[first]
    pair = PairwiseDifferences.model_construct(
        first=first, second=second, differences={"gap": estimate(difference, half)}
    )
    baselines = gap + (difference if first == "baseline" else -difference)
    gaps = {"dropout": estimate(gap, gap_half), "baseline": estimate(baselines, gap_half)}
    return overfitting_reduction({name: result(of, of) for name, of in gaps.items()}, [pair])


@pytest.mark.parametrize(
    ("difference", "half", "gap", "gap_half", "begins"),
    [
        (
            *(0.03, 0.01, 0.02, 0.01),
            "In part, here: the dropout network’s gap is 3.00 points smaller than baseline’s "
            "(95 % interval 2.00 to 4.00): "
            "2.00 points (1.00 to 3.00) instead of 5.00 points (4.00 to 6.00). It is smaller, and not gone.",
        ),
        (0.03, 0.01, 0.001, 0.01, "Here, as far as can be told, yes: the dropout network’s gap is 3.00 points smaller"),
        (0.01, 0.02, 0.02, 0.01, "That cannot be told: the dropout network’s gap is 1.00 points smaller"),
        (
            *(-0.03, 0.01, 0.06, 0.01),
            "Not here: the dropout network’s gap is 3.00 points larger than baseline’s (95 % interval 2.00 to 4.00): ",
        ),
        (0.03, 0.01, -0.025, 0.01, "As far as can be told, baseline has no overfitting to cure here: the dropout"),
    ],
)
def test_whether_dropout_reduces_the_overfitting_is_told_with_its_interval(difference, half, gap, gap_half, begins):
    found = answer("baseline", difference, half, gap, gap_half)
    assert found.replace("\N{NO-BREAK SPACE}", " ").startswith(begins)


def test_the_answer_does_not_ask_which_network_is_kept():
    assert answer("baseline", 0.03, 0.01, 0.02, 0.01) == answer("dropout", -0.03, 0.01, 0.02, 0.01)


def test_without_both_networks_there_is_no_answer():
    assert overfitting_reduction({"dropout": result(estimate(0.01, 0.01), None)}, []) is None
