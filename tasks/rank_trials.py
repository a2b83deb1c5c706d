"""Rank trials: what a search has found. Which hyper-parameters are best, and which of them matter?

Takes every trial's training. Makes `trials.json`: the trials in the order of their validation accuracy, how much better
than the default recipe the best is, each hyper-parameter's importance, and the command that trains the best; and
`recipe.json`, what a run takes by `--recipe-file` to train the best.
"""

import json
from pathlib import Path
from typing import Any

from tasks.evaluation.intervals import difference_of, proportion
from tasks.formatting import as_text, interval, option_of, percent, points
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node
from tasks.search.results import SearchResults, TrialResult
from tasks.search.trials import Space, Trial, study_of

MIN_FINISHED = 8  # trials, for an importance
QUANTILE = 0.25  # the share of the trials that counts as good


@node(libraries=("numpy", "optuna", "scipy"), key_on_provenance=True)
def rank_trials(
    output: Path,
    *,
    train: dict[str, Artifact],
    prepare: Artifact,
    networks: tuple[str, ...],
    recipe_of_a_run: dict[str, Any],
    command_of_a_run: str,
    space: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Fill the artifact with the ranking; trainings are by trial, such as "trial 1", which is the default recipe."""
    trials = {name: Trial.of(made, space) for name, made in train.items()}
    results = ranked(networks[0], trials, space, prepare.summary["images"]["validation"], command_of_a_run)
    (output / "trials.json").write_text(results.model_dump_json(indent=1), encoding="utf-8")
    recipe = recipe_of_a_run | results.trials[0].settings
    (output / "recipe.json").write_text(json.dumps(recipe, indent=1), encoding="utf-8")
    return {"winner": results.winner, "verdict": results.verdict}


def ranked(network: str, trials: dict[str, Trial], space: Space, images: int, command_of_a_run: str) -> SearchResults:
    """Return the ranking of a network's trials, the first with its default recipe, validated on so many images.

    A trial that was given up ranks below all that were not.
    """
    order = sorted(trials, key=lambda name: (trials[name].pruned, -trials[name].accuracy))
    default, best = next(iter(trials)), trials[order[0]].settings.items()
    return SearchResults(
        network=network,
        winner=order[0],
        verdict=_verdict(network, order[0], default, trials, images),
        trials=[
            TrialResult(
                name=name,
                accuracy=proportion(trials[name].accuracy, images) if trials[name].accuracies else None,
                **{field: of for field, of in vars(trials[name]).items() if field != "epochs"},
            )
            for name in order
        ],
        importance=importance(list(trials.values()), space),
        command_of_the_best=" ".join([command_of_a_run, *(f"{option_of(name)} {as_text(v)}" for name, v in best)]),
    )


def importance(trials: list[Trial], space: Space) -> dict[str, float]:
    """Return each hyper-parameter's share in what makes a trial good, the largest first; `{}` of few trials.

    PED-ANOVA: Watanabe, Bansal and Hutter (2023), https://arxiv.org/abs/2304.10255.
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    finished = [trial for trial in trials if not trial.pruned]
    if len(finished) < MIN_FINISHED:
        return {}
    evaluator = PedAnovaImportanceEvaluator(target_quantile=QUANTILE)
    return get_param_importances(study_of(finished, space), evaluator=evaluator)


def _verdict(network: str, best: str, default: str, trials: dict[str, Trial], images: int) -> list[str]:
    accuracy = trials[best].accuracy
    pruned = sum(trial.pruned for trial in trials.values())
    of = f"the {len(trials) - pruned} that were trained to their end, of {len(trials)}" if pruned else len(trials)
    first = f"Keep {best}: its validation accuracy, {percent(accuracy)}, is the highest of {of}"
    if best == default:
        return [f"{first}; it is {network}’s usual recipe, and no other was better."]
    difference = difference_of(proportion(accuracy, images), proportion(trials[default].accuracy, images))
    by = f"{points(difference.value)} points above {network}’s usual recipe ({interval(*difference.interval)})"
    by += ", from which these images do not tell it apart" if difference.low <= 0 else ""
    return [
        f"{first}, {by}.",
        "It was chosen on these validation images, so it flatters; train it with other seeds before you believe it.",
    ]
