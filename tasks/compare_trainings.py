"""Compare trainings: what a study shows. Is one network better, whatever the seed or the fold?

Takes every training of every network, and its evaluation. Makes `study.json`: each network's accuracies, training by
training, with their mean, deviation and interval; each pair's differences; the verdict, which reads validation data
alone.
"""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data.splits import SPLITS
from tasks.evaluation.intervals import required_sample_size, t_interval
from tasks.evaluation.models import Estimate
from tasks.evaluation.rule import Choice, choose, headline
from tasks.evaluation.studies import PairedSummary, StudiedNetwork, StudiedPair, StudyResults, Summary
from tasks.formatting import interval, join_words, percent, points
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node

FEW = 2  # trainings of each network: their intervals cover nearly everything, so size does not decide a tie

Measured = dict[str, list[float]]  # by split: a network's accuracies, in the order of the members


@node(libraries=("numpy", "scipy"))
def compare_trainings(
    output: Path,
    *,
    train: dict[str, Artifact],
    evaluate: dict[str, Artifact],
    kind: str,
    networks: tuple[str, ...],
    recipes: dict[str, str],  # noqa: ARG001 (by them, the study is found)
) -> dict[str, Any]:
    """Fill the artifact with the comparison; inputs are by network and member, such as "dropout, seed 1"."""
    members = list(dict.fromkeys(name.partition(", ")[2] for name in train))
    measured: dict[str, Measured] = {}
    for network in networks:
        made = [evaluate[f"{network}, {member}"].summary for member in members]
        measured[network] = {s: [of[f"{s}_accuracy"] for of in made] for s in SPLITS if f"{s}_accuracy" in made[0]}
    parameters = {network: train[f"{network}, {members[0]}"].summary["parameters"] for network in networks}
    results = compare_over(kind, members, measured, parameters)
    (output / "study.json").write_text(results.model_dump_json(indent=1), encoding="utf-8")
    return {"winner": results.winner, "verdict": results.verdict, "warning": results.warning}


def compare_over(
    kind: str, members: list[str], measured: dict[str, Measured], parameters: dict[str, int]
) -> StudyResults:
    """Return the comparison of networks by their accuracies, the means of which the rule compares."""
    shared = 1 / (len(members) - 1) if kind == "fold" else 0.0
    networks = {
        name: StudiedNetwork(
            parameters=parameters[name],
            accuracy={split: _summary(np.array(values), shared) for split, values in measured[name].items()},
        )
        for name in measured
    }
    means = {name: network.accuracy["validation"].mean.value for name, network in networks.items()}

    def differ(first: str, second: str) -> dict[str, PairedSummary]:
        return {split: _differ(of, measured[second][split], shared) for split, of in measured[first].items()}

    choice = choose(means, parameters, lambda a, b: differ(a, b)["validation"].mean, len(members) > FEW)
    pairs = [StudiedPair(first=a, second=b, accuracy=differ(a, b)) for a, b in combinations(choice.ranking, 2)]
    of_winner = pairs[: len(networks) - 1]
    return StudyResults(
        kind=kind,
        members=members,
        winner=choice.winner,
        tied=choice.tied,
        verdict=_verdict(choice, means, parameters, of_winner, f"{len(members)} {kind}s"),
        warning=_warning(of_winner),
        networks={name: networks[name] for name in choice.ranking},
        pairs=pairs,
    )


def _summary(values: np.ndarray, shared: float, lowest: float = 0.0) -> Summary:
    """Return mean, deviation and interval, which ends where no value can lie."""
    mean = t_interval(values, shared)
    return Summary(
        values=values.tolist(),
        mean=Estimate(value=mean.value, low=max(lowest, mean.low), high=min(1.0, mean.high)),
        deviation=values.std(ddof=1) if np.ptp(values) else 0.0,
    )


def _differ(first: list[float], second: list[float], shared: float) -> PairedSummary:
    """Return how much better the first is: of each pair of trainings on the same split with the same seed."""
    differences = (np.array(first) - np.array(second)).round(12)  # what is left of equal ones is no spread
    summary = _summary(differences, shared, lowest=-1.0)
    return PairedSummary(
        **dict(summary),
        better=int((differences > 0).sum()),
        required=None if shared else required_sample_size(summary.mean.value, summary.deviation),
    )


def _verdict(
    choice: Choice, means: dict[str, float], parameters: dict[str, int], pairs: list[StudiedPair], trainings: str
) -> list[str]:
    """Return what to keep by the rule, how sure that is, and what the test set shows, if it was opened."""
    winner = choice.winner
    if not pairs:
        mean = percent(means[winner])
        return [f"Only {winner} was trained: nothing to compare.", f"Its mean validation accuracy is {mean}."]
    sentences = [headline(choice, means, parameters, trainings)]
    validation = pairs[0].accuracy["validation"]
    if choice.tied:
        sentences.append(
            f"Mean validation accuracy: {', '.join(f'{name} {percent(means[name])}' for name in choice.tied)}."
        )
        leader = next(pair for pair in pairs if pair.second in choice.tied).accuracy["validation"]
        if leader.required:
            kind = trainings.partition(" ")[2]
            sentences.append(
                f"If the true difference is as large as measured, about {leader.required} {kind} would show it."
            )
    else:
        higher = f"On validation {winner} is higher than {pairs[0].second} in {validation.better} of {trainings}"
        sentences.append(f"{higher}, on average by {interval_of(validation.mean)}.")
    return sentences + [_on_the_test_set(pair) for pair in pairs if "test" in pair.accuracy]


def interval_of(mean: Estimate) -> str:
    """Return a mean difference with its interval."""
    return f"{points(mean.value)} points ({interval(*mean.interval)})"


def _on_the_test_set(pair: StudiedPair) -> str:
    mean = pair.accuracy["test"].mean
    where, shown = ("below", -mean) if mean.value < 0 else ("above", mean)
    noise = "" if mean.significant else ", which is within noise"
    return f"On the test set {pair.first} averages {interval_of(shown)} {where} {pair.second}{noise}."


def _warning(pairs: list[StudiedPair]) -> str | None:
    """Return what to know if the test set shows that another network is better than the one that the rule keeps."""
    better = [of.second for of in pairs if "test" in of.accuracy and of.accuracy["test"].mean.high < 0]
    if not better:
        return None
    return (
        f"The test set contradicts this choice: {join_words(better)} scores significantly higher there. The rule never "
        "looks at the test set, so the choice stays; train more seeds before you act on it."
    )
