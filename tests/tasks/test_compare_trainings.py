import numpy as np
import pytest
from scipy import stats

from tasks.compare_trainings import compare_over

BIG, SMALL = 2_000_000, 500_000


def compared(kind="seed", test=None, **validation):
    """Compare networks by their accuracies on validation and test images; the first is the bigger one."""
    measured = {name: {"validation": of} | ({"test": test[name]} if test else {}) for name, of in validation.items()}
    members = [f"{kind} {number}" for number, _ in enumerate(next(iter(validation.values())))]
    return compare_over(kind, members, measured, dict(zip(validation, (BIG, SMALL), strict=False)))


def said(study):
    return [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in study.verdict]


CLEAR = {"first": [0.92, 0.93, 0.94], "second": [0.90, 0.911, 0.919]}
UNCLEAR = {"first": [0.92, 0.93, 0.94], "second": [0.93, 0.92, 0.935]}


def test_the_higher_mean_wins_where_the_pairs_differences_are_clear_of_zero():
    study = compared(**CLEAR)
    assert (study.winner, study.tied) == ("first", [])
    assert said(study) == [
        "Keep the first network: 93.00% on validation, second 91.00%.",
        "On validation first is higher than second in 3 of 3 seeds, on average by 2.00 points (95% CI 1.75 to 2.25).",
    ]


def test_in_a_tie_the_smaller_is_kept_and_how_many_seeds_would_show_the_difference_is_said():
    study = compared(**UNCLEAR)
    assert (study.winner, study.tied) == ("second", ["first", "second"])
    assert said(study)[0] == (
        "Tie: 3 seeds cannot tell first and second apart. Keep the second network for its size (0.50 M against 2.0 M "
        "parameters)."
    )
    assert said(study)[1] == "Mean validation accuracy: first 93.00%, second 92.83%."
    required = study.pairs[0].accuracy["validation"].required
    assert said(study)[2] == f"If the true difference is as large as measured, about {required} seeds would show it."


@pytest.mark.parametrize("by", [0.0, 0.0009, 0.1])
def test_differences_that_are_all_the_same_tell_nothing_apart(by):
    second = [0.82, 0.83, 0.84]
    study = compared(first=[value + by for value in second], second=second)
    assert (study.winner, sorted(study.tied)) == ("second", ["first", "second"])
    found = study.pairs[0].accuracy["validation"]
    assert (found.mean.interval, found.deviation, found.required) == ((-1.0, 1.0), 0.0, None)
    assert not any("would show it" in sentence for sentence in study.verdict)


def test_trainings_with_the_same_seed_are_compared_and_the_interval_is_scipys():
    found = compared(**UNCLEAR).pairs[0].accuracy["validation"]
    expected = stats.ttest_rel([0.93, 0.92, 0.935], [0.92, 0.93, 0.94]).confidence_interval(0.95)
    assert found.mean.interval == pytest.approx((expected.low, expected.high))
    assert found.values == pytest.approx([0.01, -0.01, -0.005])
    assert found.better == 1


def test_the_test_set_decides_nothing_and_what_it_shows_is_said():
    study = compared(test={"first": [0.80, 0.81, 0.82], "second": [0.90, 0.91, 0.925]}, **CLEAR)
    assert study.winner == "first"
    assert said(study)[-1].startswith("On the test set first averages 10.17 points (95% CI 9.")
    assert study.warning.startswith("The test set contradicts this choice: second scores significantly higher there.")


def test_what_folds_have_in_common_widens_the_interval_as_nadeau_and_bengio_say():
    seeds, folds = (compared(kind, **CLEAR).pairs[0].accuracy["validation"] for kind in ("seed", "fold"))
    wider = np.ptp(folds.mean.interval) / np.ptp(seeds.mean.interval)
    assert wider == pytest.approx(np.sqrt((1 / 3 + 1 / 2) / (1 / 3)))
    assert folds.required is None


def test_two_trainings_each_tell_no_more_than_which_mean_is_higher():
    study = compared(first=[0.80, 0.86], second=[0.57, 0.50])
    assert (study.winner, study.tied) == ("first", ["first", "second"])
    assert said(study)[0].endswith(
        "Keep the first network, the most accurate: there is too little evidence for a smaller one."
    )
    assert study.networks["first"].accuracy["validation"].mean.high == 1.0, "above one there is no accuracy"


def test_a_network_alone_gets_its_mean():
    study = compared(only=[0.92, 0.94])
    assert said(study)[1] == "Its mean validation accuracy is 93.00%."
    assert study.pairs == []
