import pytest

from tasks.rank_trials import MIN_FINISHED, importance, ranked
from tasks.search.trials import Trial

SPACE = {"learning_rate": {"low": 0.001, "high": 0.01, "log": True}, "filters": {"low": 8, "high": 64, "step": 8}}
COMMAND = "python flows/main.py --preset fast"


def trial(accuracy, rate=0.002, filters=32, pruned=False):
    return Trial({"learning_rate": rate, "filters": filters}, [accuracy], 1, pruned, 1.0, 100)


def said(ranking):
    return [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in ranking.verdict]


def test_the_highest_validation_accuracy_wins_and_what_was_given_up_comes_last():
    trials = {"trial 1": trial(0.90), "trial 2": trial(0.95, pruned=True), "trial 3": trial(0.93)}
    ranking = ranked("dropout", trials, SPACE, 6000, COMMAND)
    assert ranking.winner == "trial 3"
    assert [of.name for of in ranking.trials] == ["trial 3", "trial 1", "trial 2"]
    assert said(ranking) == [
        "Keep trial 3: its validation accuracy, 93.00 %, is the highest of the 2 that were trained to their end, "
        "of 3, 3.00 points above dropout’s usual recipe (95 % interval 2.00 to 4.00).",
        "It was chosen on these validation images, so it flatters; train it with other seeds before you believe it.",
    ]


def test_a_best_trial_that_is_hardly_better_is_said_not_to_differ_significantly():
    first, _ = said(ranked("dropout", {"trial 1": trial(0.90), "trial 2": trial(0.901)}, SPACE, 6000, COMMAND))
    assert first.endswith("usual recipe (95 % interval −0.97 to 1.17), from which these images do not tell it apart.")


def test_a_trial_that_diverged_ranks_last_and_has_no_accuracy():
    diverged = Trial({"learning_rate": 0.01, "filters": 32}, [], 1, True, 1.0, 100)
    *_, last = ranked("dropout", {"trial 1": trial(0.9), "trial 2": diverged}, SPACE, 6000, COMMAND).trials
    assert (last.name, last.accuracy) == ("trial 2", None)


def test_the_usual_recipe_may_be_the_best():
    ranking = ranked("dropout", {"trial 1": trial(0.93), "trial 2": trial(0.92)}, SPACE, 6000, COMMAND)
    assert said(ranking) == [
        "Keep trial 1: its validation accuracy, 93.00 %, is the highest of 2; it is dropout’s usual recipe, and no "
        "other was better."
    ]


def test_the_command_that_trains_the_best_is_that_of_a_run_with_its_settings():
    results = ranked("dropout", {"trial 1": trial(0.90), "trial 2": trial(0.95, 0.003)}, SPACE, 6000, COMMAND)
    assert results.command_of_the_best == f"{COMMAND} --learning-rate 0.003 --filters 32"


def test_the_setting_that_decides_is_the_important_one():
    trials = [trial(0.8 + 10 * rate, rate, filters) for rate in (0.001, 0.003, 0.006, 0.01) for filters in (8, 32, 64)]
    shares = importance(trials, SPACE)
    assert next(iter(shares)) == "learning_rate"
    assert shares["learning_rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)


def test_of_few_finished_trials_no_importance_is_told():
    assert importance([trial(0.9)] * (MIN_FINISHED - 1) + [trial(0.9, pruned=True)], SPACE) == {}
