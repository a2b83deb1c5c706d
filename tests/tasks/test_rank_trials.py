import numpy as np
import pytest

from tasks.rank_trials import MIN_FINISHED, importance, ranked
from tasks.search.trials import Trial

SPACE = {"learning_rate": {"low": 0.001, "high": 0.01, "log": True}, "filters": {"low": 8, "high": 64, "step": 8}}
COMMAND = "python flows/main.py --preset fast"
IMAGES = 6000


def trial(accuracy, rate=0.002, filters=32, pruned=False):
    correct = np.arange(IMAGES) < round(accuracy * IMAGES)
    return Trial({"learning_rate": rate, "filters": filters}, [accuracy], 1, pruned, 1.0, 100, correct)


def said(ranking):
    return [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in ranking.verdict]


def test_the_highest_validation_accuracy_wins_and_what_was_given_up_or_diverged_comes_last():
    diverged = Trial({"learning_rate": 0.01, "filters": 32}, [], 1, True, 1.0, 100, np.zeros(IMAGES, bool))
    trials = {"trial 1": trial(0.90), "trial 2": trial(0.95, pruned=True), "trial 3": trial(0.93, 0.003)}
    ranking = ranked("dropout", trials | {"trial 4": diverged}, SPACE, IMAGES, COMMAND)
    assert ranking.winner == "trial 3"
    assert [of.name for of in ranking.trials] == ["trial 3", "trial 1", "trial 2", "trial 4"]
    assert ranking.trials[-1].accuracy is None
    assert ranking.command_of_the_best == f"{COMMAND} --learning-rate 0.003 --filters 32"
    assert said(ranking) == [
        "Keep trial 3: 93.00% on validation, trial 1 90.00%.",
        "dropout’s default recipe (trial 1) has 90.00%: a paired difference of 3.00 points (95% CI 2.57 to 3.43).",
        "The search chose among trials on these validation images, so the best accuracy is optimistic: train the "
        "recipe with other seeds before you rely on it.",
    ]


def test_trials_that_the_validation_images_cannot_tell_apart_are_a_tie():
    trials = {"trial 1": trial(0.90), "trial 2": trial(0.9005)}
    trials["trial 2"].correct[:] = np.roll(trials["trial 2"].correct, 40)
    found = ranked("dropout", trials, SPACE, IMAGES, COMMAND)
    assert found.tied == ["trial 2", "trial 1"]
    first, second, _ = said(found)
    assert first == (
        "Tie: 6,000 validation images cannot tell trial 2 and trial 1 apart. Keep trial 2, the most accurate; no other "
        "is smaller."
    )
    assert second.endswith(", which is within noise.")


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (trial(0.92), "trial 1 is dropout’s default recipe: nothing needs to change."),
        (trial(0.95, pruned=True), "Keep trial 1, dropout’s default recipe: no other trial was trained to its end."),
    ],
)
def test_the_default_recipe_may_be_the_best(second, says):
    assert said(ranked("dropout", {"trial 1": trial(0.93), "trial 2": second}, SPACE, IMAGES, COMMAND))[-1] == says


def test_the_setting_that_decides_is_the_important_one_where_there_are_enough_trials():
    trials = [trial(0.8 + 10 * rate, rate, filters) for rate in (0.001, 0.003, 0.006, 0.01) for filters in (8, 32, 64)]
    shares = importance(trials, SPACE)
    assert next(iter(shares)) == "learning_rate"
    assert shares["learning_rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)
    assert importance([trial(0.9)] * (MIN_FINISHED - 1) + [trial(0.9, pruned=True)], SPACE) == {}
