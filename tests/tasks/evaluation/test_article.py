import pytest

from tasks.evaluation.article import OVERFITTING_GAP, cure, hold_claim


def row(gap, half):
    interval = [gap - half, gap + half]
    return {"gap": gap, "gap_interval": interval, "running_gap": gap, "running_gap_interval": interval}


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
    claim = hold_claim(network, row(gap, half))
    assert (claim["network"], claim["outcome"]) == (network, outcome)
    assert claim["claim"] == {"baseline": "baseline overfits", "dropout": "dropout does not overfit"}[network]
    assert "we call one above 3.92 overfitting" in claim["measured"]


def test_without_any_epoch_the_claim_cannot_be_told():
    assert hold_claim("dropout", {"running_gap": None})["outcome"] == "cannot be told"


def answer(first, difference, half, gap, gap_half):
    second = {"baseline": "dropout", "dropout": "baseline"}[first]
    pair = {"first": first, "second": second, "gap_difference": difference}
    pair["gap_difference_interval"] = [difference - half, difference + half]
    baselines = gap + (difference if first == "baseline" else -difference)
    return cure({"dropout": row(gap, gap_half), "baseline": row(baselines, gap_half)}, [pair])


@pytest.mark.parametrize(
    ("difference", "half", "gap", "gap_half", "begins"),
    [
        (0.03, 0.01, 0.02, 0.01, "In part, here: the dropout network’s gap is 3.00 points smaller"),
        (0.03, 0.01, 0.001, 0.01, "Here, as far as can be told, yes: the dropout network’s gap is 3.00 points smaller"),
        (0.01, 0.02, 0.02, 0.01, "That cannot be told: the dropout network’s gap is 1.00 points smaller"),
        (
            *(-0.03, 0.01, 0.06, 0.01),
            "Not here: the dropout network’s gap is 3.00 points larger than baseline’s (95 % interval 2.00 to 4.00): ",
        ),
        (0.03, 0.01, -0.025, 0.01, "As far as can be told, baseline has no overfitting to cure here: the dropout"),
    ],
)
def test_whether_dropout_cures_the_overfitting_is_told_with_its_interval(difference, half, gap, gap_half, begins):
    told = answer("baseline", difference, half, gap, gap_half)
    assert told["answer"].replace("\N{NO-BREAK SPACE}", " ").startswith(begins)
    assert told["gap_difference_interval"] == pytest.approx([difference - half, difference + half])


def test_the_answer_does_not_ask_which_network_is_kept():
    one, other = answer("baseline", 0.03, 0.01, 0.02, 0.01), answer("dropout", -0.03, 0.01, 0.02, 0.01)
    assert one["answer"] == other["answer"]
    assert one["gap_difference_interval"] == pytest.approx(other["gap_difference_interval"])


def test_without_both_networks_there_is_no_answer():
    assert cure({"dropout": row(0.01, 0.01)}, []) is None
