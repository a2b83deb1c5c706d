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
from tasks.evaluation.intervals import bootstrap_mean, required_sample_size, t_interval
from tasks.evaluation.models import Estimate
from tasks.evaluation.studies import PairedSummary, StudiedNetwork, StudiedPair, StudyResults, Summary
from tasks.formatting import interval, join_words, percent, points
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node

FEW = 2  # trainings of each network: their intervals cover nearly everything, so the higher mean wins

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
    return {"winner": results.winner, "verdict": results.verdict}


def compare_over(
    kind: str, members: list[str], measured: dict[str, Measured], parameters: dict[str, int]
) -> StudyResults:
    """Return the comparison of networks by their accuracies.

    The highest mean validation accuracy wins. Networks whose difference from it is not significant are tied with it,
    and of these the one with the fewest parameters wins; of two trainings each, the highest mean wins all the same.
    """
    shared = 1 / (len(members) - 1) if kind == "fold" else 0.0
    networks = {
        name: StudiedNetwork(
            parameters=parameters[name],
            accuracy={split: _summary(np.array(values), shared) for split, values in measured[name].items()},
        )
        for name in measured
    }
    ranking = sorted(networks, key=lambda name: (-_mean(networks[name]), parameters[name]))
    pairs = [
        StudiedPair(first=a, second=b, accuracy=_differ(measured[a], measured[b], shared))
        for a, b in combinations(ranking, 2)
    ]
    tied = [
        ranking[0],
        *(of.second for of in pairs if of.first == ranking[0] and of.accuracy["validation"].mean.low <= 0),
    ]
    winner = ranking[0] if len(members) <= FEW else min(tied, key=lambda name: parameters[name])
    study = StudyResults(
        kind=kind,
        members=members,
        winner=winner,
        tied=tied if len(tied) > 1 else [],
        verdict=[],
        networks={name: networks[name] for name in ranking},
        pairs=pairs,
    )
    return study.model_copy(update={"verdict": _verdict(study)})


def _mean(network: StudiedNetwork) -> float:
    return network.accuracy["validation"].mean.value


def _summary(values: np.ndarray, shared: float, lowest: float = 0.0) -> Summary:
    """Return mean, deviation and interval, which ends where no value can lie."""
    mean = t_interval(values, shared)
    return Summary(
        values=values.tolist(),
        mean=Estimate(value=mean.value, low=max(lowest, mean.low), high=min(1.0, mean.high)),
        deviation=values.std(ddof=1) if np.ptp(values) else 0.0,
    )


def _differ(first: Measured, second: Measured, shared: float) -> dict[str, PairedSummary]:
    """Return how much better the first is: of each pair of trainings on the same split with the same seed."""
    found = {}
    for split in first:
        differences = np.array(first[split]) - np.array(second[split])
        differences = differences.round(12)  # what is left of equal ones is no spread
        summary = _summary(differences, shared, lowest=-1.0)
        found[split] = PairedSummary(
            **dict(summary),
            bootstrap=bootstrap_mean(differences).interval,
            better=int((differences > 0).sum()),
            required=None if shared else required_sample_size(summary.mean.value, summary.deviation),
        )
    return found


def _verdict(study: StudyResults) -> list[str]:
    """Return the sentences: which network to keep by the rule, and what the test set shows, if it was opened."""
    best, *others = study.networks
    if not others:
        mean = percent(_mean(study.networks[best]))
        return [f"Only {best} was trained: nothing to compare.", f"Its mean validation accuracy is {mean}."]
    sentences = _on_validation(study, best)
    if "test" in study.networks[best].accuracy:
        sentences += [_on_the_test_set(study, name) for name in study.networks if name != study.winner]
    if len(others) > 1:
        sentences.append(
            "Each interval is of its own pair: of many, one that excludes zero by chance is to be expected."
        )
    return sentences


def _on_validation(study: StudyResults, best: str) -> list[str]:
    tied, winner, many = study.tied[1:], study.winner, f"{len(study.members)} {study.kind}s"
    mean = {name: percent(_mean(network)) for name, network in study.networks.items()}
    against = {pair.second: pair.accuracy["validation"] for pair in study.pairs if pair.first == best}
    keep = f"Keep {winner}: over {many}, its mean validation accuracy"
    if not tied:
        second, found = next(iter(against.items()))
        by = f"{points(found.mean.value)} points higher ({interval(*found.mean.interval)})"
        return [
            f"{keep} is {mean[best]}, {by} than that of {second}, and higher in {found.better} of {len(study.members)}."
        ]
    if len(study.members) <= FEW:
        rest = join_words([f"{name} ({mean[name]})" for name in tied])
        return [f"{keep} of {mean[best]} is the highest; {many} are too few to tell it from that of {rest}."]
    fewer = "it has fewer parameters" if len(tied) == 1 else "nothing else of which that holds has fewer parameters"
    why = f"cannot be told from the highest, that of {best} ({mean[best]}), and {fewer}"
    if winner == best:
        why = f"is the highest, and nothing that cannot be told from it ({join_words(tied)}) has fewer parameters"
    sentences = [f"{keep} of {mean[winner]} {why}."]
    if required := against[tied[0]].required:
        show = f"about {required} {study.kind}s would show it"
        sentences.append(f"If {best} is as much better than {tied[0]} as it was here, {show}.")
    return sentences


def _on_the_test_set(study: StudyResults, other: str) -> str:
    pair = next(pair for pair in study.pairs if {pair.first, pair.second} == {study.winner, other})
    mean = pair.accuracy["test"].mean if pair.first == study.winner else -pair.accuracy["test"].mean
    better = "better" if mean.low > 0 else "worse" if mean.high < 0 else "neither clearly better nor clearly worse"
    by = f"{points(mean.value)} points on average ({interval(*mean.interval)})"
    return f"On the test set, {study.winner} is {better} than {other}: {by}."
