"""Rank trials: what a search has found. Which hyper-parameters are best, and which of them matter?

Takes every trial's training. Makes `trials.json`: the trials in the order of their validation accuracy, how much better
than the default recipe the best is, each hyper-parameter's importance, and the command that trains the best; and
`recipe.json`, what a run takes by `--recipe-file` to train the best.
"""

import json
import shlex
from pathlib import Path
from typing import Any

from tasks.evaluation.intervals import proportion
from tasks.evaluation.paired import compare_correct
from tasks.evaluation.rule import Choice, choose, headline
from tasks.formatting import as_options, as_text, count, interval, option_of, percent, points
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
    space: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Fill the artifact with the ranking; trainings are by trial, such as "trial 1", which is the default recipe."""
    trials = {name: Trial.of(made, space) for name, made in train.items()}
    command = shlex.join(["python", "flows/main.py", *as_options(recipe_of_a_run)])
    results = ranked(networks[0], trials, space, prepare.summary["images"]["validation"], command)
    (output / "trials.json").write_text(results.model_dump_json(indent=1), encoding="utf-8")
    recipe = recipe_of_a_run | trials[results.winner].settings
    (output / "recipe.json").write_text(json.dumps(recipe, indent=1), encoding="utf-8")
    return {"winner": results.winner, "verdict": results.verdict, "warning": None}


def ranked(network: str, trials: dict[str, Trial], space: Space, images: int, command_of_a_run: str) -> SearchResults:
    """Return the ranking of a network's trials, the first with its default recipe, validated on so many images.

    The rule chooses among the trials that were not given up; the others come last.
    """
    finished = {name: trial for name, trial in trials.items() if not trial.pruned}
    choice = choose(
        {name: trial.accuracy for name, trial in finished.items()},
        {name: trial.parameters for name, trial in finished.items()},
        lambda a, b: compare_correct(finished[a].correct, finished[b].correct).difference,
    )
    pruned = sorted(trials.keys() - finished.keys(), key=lambda name: -trials[name].accuracy)
    return SearchResults(
        network=network,
        winner=choice.winner,
        tied=choice.tied,
        verdict=_verdict(network, choice, finished, next(iter(trials)), images),
        trials=[
            TrialResult(
                name=name,
                accuracy=proportion(trials[name].accuracy, images) if trials[name].accuracies else None,
                **{field: of for field, of in vars(trials[name]).items() if field not in ("epochs", "correct")},
            )
            for name in [*choice.ranking, *pruned]
        ],
        importance=importance(list(trials.values()), space),
        command_of_the_best=" ".join(
            [
                command_of_a_run,
                *(f"{option_of(name)} {as_text(v)}" for name, v in trials[choice.winner].settings.items()),
            ]
        ),
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


def _verdict(network: str, choice: Choice, finished: dict[str, Trial], default: str, images: int) -> list[str]:
    """Return which trial to keep by the rule, how it compares with the default recipe, and what undercuts that."""
    accuracy = {name: trial.accuracy for name, trial in finished.items()}
    if len(finished) == 1:
        return [f"Keep {default}, {network}’s default recipe: no other trial was trained to its end."]
    parameters = {name: trial.parameters for name, trial in finished.items()}
    sentences = [headline(choice, accuracy, parameters, f"{count(images)} validation images", str)]
    if choice.winner == default:
        return [*sentences, f"{default} is {network}’s default recipe: nothing needs to change."]
    found = compare_correct(finished[choice.winner].correct, finished[default].correct).difference
    noise = "" if found.significant else ", which is within noise"
    return [
        *sentences,
        f"{network}’s default recipe ({default}) has {percent(accuracy[default])}: a paired difference of "
        f"{points(found.value)} points ({interval(*found.interval)}){noise}.",
        "The search chose among trials on these validation images, so the best accuracy is optimistic: train the "
        "recipe with other seeds before you rely on it.",
    ]
