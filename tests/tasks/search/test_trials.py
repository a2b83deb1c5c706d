import numpy as np
import pytest

from tasks.search.trials import MIN_FINISHED, Trial, median_thresholds, next_settings, study_of
from tasks.settings.settings import parse_settings
from tasks.settings.studies import SearchStudy

SPACE, DEFAULT = SearchStudy().space, SearchStudy().defaults


def trained(settings, accuracies, epochs=4):
    return Trial(settings, accuracies, epochs, len(accuracies) < epochs, 1.0, 100, np.ones(1, bool))


def asked(before, count, seed=0):
    return next_settings(SPACE, DEFAULT, before, count, seed)


def some(count):
    """Trials with other settings each, the higher their learning rate the better."""
    settings = asked([], count)
    return [trained(of, [0.5, 0.6, 0.7, 0.7 + 10 * of["learning_rate"]]) for of in settings]


def test_what_the_network_takes_and_nobody_has_set_is_varied():
    assert list(SPACE) == ["learning_rate", "batch_size", "epochs", "filters", "dense_width", "dropout_rate"]
    left = parse_settings({"learning_rate": 0.001, "filters": 16}, SearchStudy)
    assert list(left.space) == ["batch_size", "epochs", "dense_width", "dropout_rate"]
    assert list(SearchStudy(networks=("logistic",), learning_rate=0.001).space) == ["batch_size", "epochs"]


def test_the_first_trial_is_the_default_recipe_and_all_lie_within_bounds():
    first, *others = asked([], 40)
    assert first == DEFAULT == dict(zip(SPACE, [0.003, 128, 16, 32, 128, 0.5], strict=True))
    for settings in others:
        assert list(settings) == list(SPACE)
        for name, value in settings.items():
            of = SPACE[name]
            assert value in of["choices"] if "choices" in of else of["low"] <= value <= of["high"]
        assert settings["learning_rate"] == float(f"{settings['learning_rate']:.3g}")
        parse_settings(settings | {"networks": "dropout"})


def test_the_same_is_proposed_again_and_a_longer_round_begins_with_the_same():
    before = some(12)
    once = asked(before, 3)
    assert asked(before, 3) == once
    assert asked(before, 5)[:3] == once
    assert asked(before, 3, seed=1) != once
    assert asked(before[:11], 3) != once


def test_the_results_of_earlier_trials_guide_the_next():
    rates = [settings["learning_rate"] for settings in asked(some(40), 20)]
    assert sum(rate > 0.003 for rate in rates) >= 16, "in earlier trials, higher was better"


def test_thresholds_are_the_medians_of_the_finished_trials_and_stop_none_before_there_are_enough():
    curves = [[0.1 * n, 0.2, 0.3, 0.4] for n in range(1, MIN_FINISHED + 1)]
    finished = [trained(DEFAULT, curve) for curve in curves]
    assert median_thresholds(finished[1:]) == (0, 0, 0)
    assert median_thresholds([*finished, trained(DEFAULT, [0.9])]) == pytest.approx((0.3, 0.2, 0.3))


def test_a_trial_that_stopped_early_is_known_as_that_with_what_it_had_reached_or_nothing():
    curves = [0.1, 0.2, 0.3, 0.4], [0.1, 0.2], []
    whole, part, diverged = study_of([trained(DEFAULT, curve) for curve in curves], SPACE).trials
    assert (whole.state.name, whole.value, whole.intermediate_values) == ("COMPLETE", 0.4, {1: 0.1, 2: 0.2, 3: 0.3})
    assert (part.state.name, part.intermediate_values) == ("PRUNED", {1: 0.1, 2: 0.2})
    assert (diverged.state.name, diverged.intermediate_values) == ("PRUNED", {})
    assert len(asked([*some(12), trained(DEFAULT, [])], 5)) == 5
    assert [trained(DEFAULT, [0.1], epochs=1).after(quarter) for quarter in (1, 2, 3)] == [0.1, 0.1, 0.1]
