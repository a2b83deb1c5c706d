"""Rank trials: what a search has found. Which hyper-parameters are best, and which of them matter?

Takes every trial's training. Makes `trials.json`: the trials in the order of their validation accuracy, how much better
than the usual recipe the best is, and each hyper-parameter's importance; and `recipe.json`, what a run takes by
`--recipe-file` to train the best.
"""

import json
from pathlib import Path
from typing import Any

from tasks.evaluation.intervals import Estimate, difference_of, wilson_interval
from tasks.formatting import interval, percent, points
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node
from tasks.search.trials import Space, Trial, study_of

FEW = 8  # finished trials at least, of which an importance can be told
GOOD = 0.25  # the share of the trials that counts as good


@node(libraries=("numpy", "optuna", "scipy"), key_on_provenance=True)
def rank_trials(
    output: Path,
    *,
    train: dict[str, Artifact],
    prepare: Artifact,
    networks: tuple[str, ...],
    recipe_of_a_run: dict[str, Any],
    space: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Fill the artifact with the ranking; trainings are by trial, such as "trial 1", which is the usual recipe."""
    trials = {name: Trial.of(made, space) for name, made in train.items()}
    ranking = ranked(networks[0], trials, space, prepare.summary["images"]["validation"])
    (output / "trials.json").write_text(json.dumps(ranking, indent=1, ensure_ascii=False), encoding="utf-8")
    recipe = recipe_of_a_run | ranking["trials"][0]["settings"]
    (output / "recipe.json").write_text(json.dumps(recipe, indent=1), encoding="utf-8")
    return {"keep": ranking["keep"], "verdict": ranking["verdict"]}


def ranked(network: str, trials: dict[str, Trial], space: Space, images: int) -> dict[str, Any]:
    """Return what there is to say of trials of a network, the first with its usual recipe, validated on so many images.

    A trial that was given up ranks below all that were not.
    """
    order = sorted(trials, key=lambda name: (trials[name].given_up, -trials[name].accuracy))
    usual = next(iter(trials))
    return {
        "network": network,
        "keep": order[0],
        "verdict": _verdict(network, order[0], usual, trials, images),
        "trials": [
            {
                "name": name,
                "settings": trials[name].settings,
                "accuracy": trials[name].accuracy if trials[name].accuracies else None,
                "interval": _estimate(trials[name].accuracy, images)[1] if trials[name].accuracies else None,
                "accuracies": trials[name].accuracies,
                "given_up": trials[name].given_up,
                "seconds": trials[name].seconds,
                "parameters": trials[name].parameters,
            }
            for name in order
        ],
        "importance": importance(list(trials.values()), space),
    }


def _estimate(accuracy: float, images: int) -> Estimate:
    return accuracy, wilson_interval(round(accuracy * images), images)


def importance(trials: list[Trial], space: Space) -> dict[str, float]:
    """Return each hyper-parameter's share in what makes a trial good, the largest first; `{}` of few trials.

    PED-ANOVA: Watanabe, Bansal and Hutter (2023), https://arxiv.org/abs/2304.10255.
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    finished = [trial for trial in trials if not trial.given_up]
    if len(finished) < FEW:
        return {}
    evaluator = PedAnovaImportanceEvaluator(target_quantile=GOOD)
    return get_param_importances(study_of(finished, space), evaluator=evaluator)


def _verdict(network: str, best: str, usual: str, trials: dict[str, Trial], images: int) -> list[str]:
    accuracy, of_usual = trials[best].accuracy, trials[usual].accuracy
    given_up = sum(trial.given_up for trial in trials.values())
    of = f"the {len(trials) - given_up} that were trained to their end, of {len(trials)}" if given_up else len(trials)
    first = f"Keep {best}: its validation accuracy, {percent(accuracy)}, is the highest of {of}"
    if best == usual:
        return [f"{first}; it is {network}’s usual recipe, and no other was better."]
    difference, limits = difference_of(_estimate(accuracy, images), _estimate(of_usual, images))
    by = f"{points(difference)} points above {network}’s usual recipe ({interval(*limits)})"
    by += ", from which these images do not tell it apart" if limits[0] <= 0 else ""
    return [
        f"{first}, {by}.",
        "It was chosen on these validation images, so it flatters; train it with other seeds before you believe it.",
    ]
