import pytest

from tasks.evaluation.article import check_claim, overfitting_reduction
from tasks.evaluation.comparison import NetworkResult
from tasks.evaluation.models import Estimate
from tasks.evaluation.paired import PairwiseDifferences


def estimate(value, half):
    return Estimate(value=value, low=value - half, high=value + half)


def result(gap, running_gap):
    accuracy = {split: estimate(0.9, 0.01) for split in ("train", "validation", "test")}
    return NetworkResult(accuracy=accuracy, gap=gap, running_accuracy=0.9, running_gap=running_gap, parameters=1000)


@pytest.mark.parametrize(
    ("network", "gap", "half", "outcome"),
    [
        ("baseline", 0.08, 0.006, "reproduced"),
        ("baseline", 0.01, 0.006, "not reproduced"),
        ("baseline", 0.04, 0.09, "undecided"),
        ("dropout", 0.01, 0.006, "reproduced"),
        ("dropout", 0.08, 0.006, "not reproduced"),
        ("dropout", -0.25, 0.01, "undecided"),
    ],
)
def test_the_articles_claim_is_checked_by_the_gap_during_training(network, gap, half, outcome):
    claim = check_claim(network, result(estimate(gap, half), estimate(gap, half)))
    assert (claim.network, claim.outcome) == (network, outcome)
    assert claim.claim == {"baseline": "baseline overfits", "dropout": "dropout does not overfit"}[network]
    assert claim.measured.startswith(f"its gap during training was {100 * gap:.2f} points (95%".replace("-", "−"))


@pytest.mark.parametrize(
    ("difference", "half", "gap", "gap_half", "begins"),
    [
        (
            *(0.03, 0.01, 0.02, 0.01),
            "Partly: dropout’s gap is smaller, but not gone. Train − test gap in points: dropout 2.00, baseline 5.00; "
            "dropout’s is smaller by 3.00 (95% CI 2.00 to 4.00).",
        ),
        (0.03, 0.01, 0.001, 0.01, "Yes: dropout’s gap is smaller, and what is left of it is within noise. Train"),
        (0.01, 0.02, 0.02, 0.01, "No difference found: it is within noise. Train"),
        (-0.03, 0.01, 0.06, 0.01, "No: dropout’s gap is larger. Train"),
        (0.03, 0.01, -0.025, 0.01, "Baseline shows no measurable overfitting in this run, so there is nothing for"),
    ],
)
def test_whether_dropout_reduces_overfitting_is_answered_with_an_interval(difference, half, gap, gap_half, begins):
    gaps = {"dropout": estimate(gap, gap_half), "baseline": estimate(gap + difference, gap_half)}
    results, smaller = {name: result(of, of) for name, of in gaps.items()}, estimate(difference, half)
    for first, second, by in (("baseline", "dropout", smaller), ("dropout", "baseline", -smaller)):
        pair = PairwiseDifferences.model_construct(first=first, second=second, differences={"gap": by})
        found = overfitting_reduction(results, [pair])
        assert found.replace("\N{NO-BREAK SPACE}", " ").startswith(begins)
