import numpy as np
import pytest
from scipy import stats

from tasks.compare_trainings import compare_over

BIG, SMALL = 2_000_000, 500_000


def measured(parameters, validation, test=None):
    return parameters, {"validation": validation} | ({"test": test} if test else {})


def compared(kind="seed", **networks):
    _, accuracies = next(iter(networks.values()))
    members = [f"{kind} {number}" for number, _ in enumerate(accuracies["validation"])]
    parameters, measured = ({name: of[place] for name, of in networks.items()} for place in (0, 1))
    return compare_over(kind, members, measured, parameters)


def said(study):
    return [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in study.verdict]


CLEAR = {"first": measured(BIG, [0.92, 0.93, 0.94]), "second": measured(SMALL, [0.90, 0.911, 0.919])}
UNCLEAR = {"first": measured(BIG, [0.92, 0.93, 0.94]), "second": measured(SMALL, [0.93, 0.92, 0.935])}


def test_the_higher_mean_wins_where_the_pairs_differences_are_clear_of_zero():
    study = compared(**CLEAR)
    assert (study.winner, study.tied) == ("first", [])
    assert said(study) == [
        "Keep first: over 3 seeds, its mean validation accuracy is 93.00 %, 2.00 points higher"
        " (95 % interval 1.75 to 2.25) than that of second, and higher in 3 of 3."
    ]


def test_of_what_cannot_be_told_apart_the_smaller_is_kept_and_how_many_would_show_it_is_said():
    study = compared(**UNCLEAR)
    assert (study.winner, study.tied) == ("second", ["first", "second"])
    assert "cannot be told from the highest, that of first (93.00 %), and it has fewer parameters" in said(study)[0]
    required = study.pairs[0].accuracy["validation"].required
    assert said(study)[1] == (
        f"If first is as much better than second as it was here, about {required} seeds would show it."
    )


def test_of_more_that_are_tied_only_the_best_is_said_to_be_undistinguished():
    middle = measured(BIG - 1, [0.925, 0.926, 0.927])
    last = measured(SMALL, [0.915, 0.9161, 0.9169])
    study = compared(first=measured(BIG, [0.955, 0.905, 0.935]), middle=middle, last=last)
    assert study.tied == ["first", "middle", "last"]
    assert said(study)[0] == (
        "Keep last: over 3 seeds, its mean validation accuracy of 91.60 % cannot be told from the highest,"
        " that of first (93.17 %), and nothing else of which that holds has fewer parameters."
    )
    best = compared(first=measured(SMALL, [0.92, 0.93, 0.94]), second=measured(BIG, [0.93, 0.92, 0.935]))
    assert said(best)[0].endswith(
        "is the highest, and nothing that cannot be told from it (second) has fewer parameters."
    )


@pytest.mark.parametrize("by", [0.0, 0.0009, 0.1])
def test_differences_that_are_all_the_same_tell_nothing_apart(by):
    second = [0.82, 0.83, 0.84]
    study = compared(first=measured(BIG, [value + by for value in second]), second=measured(SMALL, second))
    assert (study.winner, sorted(study.tied)) == ("second", ["first", "second"])
    found = study.pairs[0].accuracy["validation"]
    assert (found.mean.interval, found.deviation, found.required) == ((-1.0, 1.0), 0.0, None)
    assert len(study.verdict) == 1, "no number of seeds is promised"


def test_trainings_with_the_same_seed_are_compared_and_the_interval_is_scipys():
    found = compared(**UNCLEAR).pairs[0].accuracy["validation"]
    expected = stats.ttest_rel([0.92, 0.93, 0.94], [0.93, 0.92, 0.935]).confidence_interval(0.95)
    assert found.mean.interval == pytest.approx((expected.low, expected.high))
    assert found.values == pytest.approx([-0.01, 0.01, 0.005])
    assert found.better == 2


def test_the_test_set_decides_nothing_and_what_it_shows_is_said():
    study = compared(
        first=measured(BIG, [0.92, 0.93, 0.94], [0.80, 0.81, 0.82]),
        second=measured(SMALL, [0.90, 0.911, 0.919], [0.90, 0.91, 0.925]),
    )
    assert study.winner == "first"
    assert said(study)[1].startswith("On the test set, first is worse than second: −10.17 points on average")


def test_what_folds_have_in_common_widens_the_interval_as_nadeau_and_bengio_say():
    seeds, folds = (compared(kind, **CLEAR).pairs[0].accuracy["validation"] for kind in ("seed", "fold"))
    wider = np.ptp(folds.mean.interval) / np.ptp(seeds.mean.interval)
    assert wider == pytest.approx(np.sqrt((1 / 3 + 1 / 2) / (1 / 3)))
    assert folds.required is None


def test_two_trainings_each_tell_no_more_than_which_mean_is_higher():
    study = compared(first=measured(BIG, [0.80, 0.86]), second=measured(SMALL, [0.57, 0.50]))
    assert (study.winner, study.tied) == ("first", ["first", "second"])
    assert said(study)[0] == (
        "Keep first: over 2 seeds, its mean validation accuracy of 83.00 % is the highest; 2 seeds are too few to tell"
        " it from that of second (53.50 %)."
    )
    assert study.networks["first"].accuracy["validation"].mean.high == 1.0, "above one there is no accuracy"


def test_a_network_alone_gets_its_mean():
    study = compared(only=measured(BIG, [0.92, 0.94]))
    assert said(study)[1] == "Its mean validation accuracy is 93.00 %."
    assert study.pairs == []
