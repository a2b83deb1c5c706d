import pytest

from tasks.evaluation.models import Estimate
from tasks.evaluation.rule import choose, headline

BIG, SMALL = 2_076_554, 503_690
SIGNIFICANT, NOISE = Estimate(value=0.01, low=0.002, high=0.018), Estimate(value=0.01, low=-0.01, high=0.03)


def chosen(accuracy, parameters, tied_with_best=()):
    """Return the choice where only these candidates are not significantly worse than the most accurate."""
    return choose(accuracy, parameters, lambda _, other: NOISE if other in tied_with_best else SIGNIFICANT)


@pytest.mark.parametrize(
    ("accuracy", "parameters", "tied", "says"),
    [
        (
            {"baseline": 0.92, "dropout": 0.93, "logistic": 0.84},
            {"baseline": BIG, "dropout": SMALL, "logistic": 7850},
            [],
            "Keep the dropout network: 93.00% on validation, next best baseline 92.00%.",
        ),
        (
            {"baseline": 0.655, "dropout": 0.60},
            {"baseline": BIG, "dropout": SMALL},
            ["dropout"],
            "Tie: E cannot tell baseline and dropout apart. Keep the dropout network for its size "
            "(0.50 M against 2.1 M parameters).",
        ),
        (
            {"wide": 0.93, "baseline": 0.92, "dropout": 0.91},
            {"wide": BIG + 500_000, "baseline": BIG, "dropout": SMALL},
            ["baseline", "dropout"],
            "Tie: E cannot tell wide, baseline and dropout apart. Keep the dropout network for its size "
            "(0.50 M against wide’s 2.6 M parameters).",
        ),
        (
            {"baseline": 0.60, "dropout": 0.61},
            {"baseline": BIG, "dropout": SMALL},
            ["baseline"],
            "Tie: E cannot tell dropout and baseline apart. Keep the dropout network, the most accurate "
            "and the smallest.",
        ),
        (
            {"xgboost": 0.91, "dropout": 0.90},
            {"xgboost": BIG, "dropout": SMALL},
            ["dropout"],
            "Tie: E cannot tell xgboost and dropout apart. Keep the xgboost model, the most accurate: sizes of "
            "trees and networks do not compare.",
        ),
    ],
    ids=["clear", "smaller", "smaller of three", "smallest itself", "trees"],
)
def test_the_most_accurate_wins_and_in_a_tie_the_smallest(accuracy, parameters, tied, says):
    choice = chosen(accuracy, parameters, tied)
    others = sorted(accuracy.keys() - {choice.winner}, key=accuracy.get, reverse=True)
    assert choice.ranking == [choice.winner, *others]
    assert f"eep the {choice.winner} " in says
    assert sorted(choice.tied) == sorted([max(accuracy, key=accuracy.get), *tied] if tied else [])
    assert headline(choice, accuracy, parameters, "E").replace("\N{NO-BREAK SPACE}", " ") == says


def test_the_order_in_which_candidates_are_given_changes_nothing():
    accuracy = {"second": 0.918, "first": 0.920, "third": 0.918}
    sizes = dict.fromkeys(accuracy, 10)
    assert chosen(accuracy, sizes) == chosen(dict(reversed(accuracy.items())), sizes)
