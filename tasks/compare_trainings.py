"""Compare trainings: what a study shows. Is one network better, whatever the seed or the fold?

Takes every training of every network, and its evaluation. Makes `study.json`: each network's accuracies, training by
training, with their mean, deviation and interval; each pair's differences; the verdict, which reads validation data
alone.
"""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data.splits import SPLITS
from tasks.evaluation.intervals import bootstrap_mean, mean_over_trainings, trainings_to_settle
from tasks.formatting import interval, listed, percent, points
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node

FEW = 2  # trainings of each network, of which nothing can be told but which one is higher


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
    measured = {
        network: [_figures(train[f"{network}, {member}"], evaluate[f"{network}, {member}"]) for member in members]
        for network in networks
    }
    study = compare_over(kind, members, measured)
    (output / "study.json").write_text(json.dumps(study, indent=1, ensure_ascii=False), encoding="utf-8")
    return {"keep": study["keep"], "verdict": study["verdict"]}


def _figures(train: Artifact, evaluate: Artifact) -> dict[str, float]:
    """Return a training's figures: of cross-validation, none of the test set."""
    accuracies = {f"{split}_accuracy" for split in SPLITS} & evaluate.summary.keys()
    return {"parameters": train.summary["parameters"], **{name: evaluate.summary[name] for name in sorted(accuracies)}}


def compare_over(kind: str, members: list[str], measured: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Return what there is to say of networks, each with its trainings' figures in the order of the members.

    The highest mean validation accuracy wins. Networks whose difference from it may be zero are tied with it, and of
    these the one with the fewest parameters wins; of two trainings each, whose intervals hold nearly everything, the
    highest mean wins all the same.
    """
    shared = 1 / (len(members) - 1) if kind == "fold" else 0.0
    accuracies = {
        name: {
            quantity: np.array([training[quantity] for training in trainings])
            for quantity in trainings[0]
            if quantity.endswith("_accuracy")
        }
        for name, trainings in measured.items()
    }
    parameters = {name: int(trainings[0]["parameters"]) for name, trainings in measured.items()}
    by_mean = sorted(measured, key=lambda name: (-accuracies[name]["validation_accuracy"].mean(), parameters[name]))
    differences = {(a, b): _difference(accuracies[a], accuracies[b], shared) for a, b in combinations(by_mean, 2)}
    tied = [
        name
        for name in by_mean
        if name == by_mean[0] or differences[by_mean[0], name]["validation_accuracy"]["interval"][0] <= 0
    ]
    keep = by_mean[0] if len(members) <= FEW else min(tied, key=lambda name: parameters[name])
    return {
        "kind": kind,
        "members": members,
        "keep": keep,
        "ranking": by_mean,
        "tied": tied if len(tied) > 1 else [],
        "verdict": _verdict(kind, by_mean, tied, keep, accuracies, differences),
        "networks": {
            name: {"parameters": parameters[name]} | {q: _summary(v, shared) for q, v in accuracies[name].items()}
            for name in by_mean
        },
        "pairs": [{"first": a, "second": b, **found} for (a, b), found in differences.items()],
    }


def _summary(values: np.ndarray, shared: float, lowest: float = 0.0) -> dict[str, Any]:
    """Return mean, deviation and interval, which ends where no value can lie."""
    mean, (low, high) = mean_over_trainings(values, shared)
    interval = [max(lowest, low), min(1.0, high)]
    deviation = float(values.std(ddof=1)) if np.ptp(values) else 0.0
    return {"values": values.tolist(), "mean": mean, "deviation": deviation, "interval": interval}


def _difference(first: dict[str, np.ndarray], second: dict[str, np.ndarray], shared: float) -> dict[str, Any]:
    """Return how much better the first is: of each pair of trainings on the same split with the same seed."""
    found = {}
    for quantity in first:
        differences = (first[quantity] - second[quantity]).round(12)  # what is left of equal ones is no spread
        summary = _summary(differences, shared, lowest=-1.0)
        found[quantity] = summary | {
            "bootstrap": bootstrap_mean(differences)[1],
            "better": int((differences > 0).sum()),
            "to_settle": None if shared else trainings_to_settle(summary["mean"], summary["deviation"]),
        }
    return found


def _verdict(
    kind: str,
    by_mean: list[str],
    tied: list[str],
    keep: str,
    accuracies: dict[str, dict[str, np.ndarray]],
    differences: dict[tuple[str, str], dict[str, Any]],
) -> list[str]:
    """Return the sentences: which network to keep by the rule, and what the test set shows, if it was opened."""
    best, others = by_mean[0], by_mean[1:]
    mean = {name: percent(float(accuracies[name]["validation_accuracy"].mean())) for name in by_mean}
    if not others:
        return [f"Only {best} was trained: nothing to compare.", f"Its mean validation accuracy is {mean[best]}."]
    count = len(accuracies[best]["validation_accuracy"])
    over = f"over {count} {kind}s"
    if count <= FEW and len(tied) > 1:
        rest = listed([f"{name} ({mean[name]})" for name in tied[1:]])
        sentences = [
            f"Keep {best}: {over}, its mean validation accuracy of {mean[best]} is the highest; {count} {kind}s are too"
            f" few to tell it from that of {rest}."
        ]
    elif len(tied) == 1:
        second = differences[best, others[0]]["validation_accuracy"]
        sentences = [
            f"Keep {best}: {over}, its mean validation accuracy is {mean[best]}, {_by(second)} than that of "
            f"{others[0]}, and higher in {second['better']} of {count}."
        ]
    else:
        fewer = "it has fewer parameters" if len(tied) == 2 else "nothing else of which that holds has fewer parameters"
        why = f"cannot be told from the highest, that of {best} ({mean[best]}), and {fewer}"
        if keep == best:
            why = f"is the highest, and nothing that cannot be told from it ({listed(tied[1:])}) has fewer parameters"
        sentences = [f"Keep {keep}: {over}, its mean validation accuracy of {mean[keep]} {why}."]
        found = differences[best, tied[1]]["validation_accuracy"]
        if found["to_settle"]:
            many = f"about {found['to_settle']} {kind}s would show it"
            sentences.append(f"If {best} is as much better than {tied[1]} as it was here, {many}.")
    if "test_accuracy" in accuracies[best]:
        sentences += [_on_the_test_set(keep, name, differences) for name in by_mean if name != keep]
    if len(others) > 1:
        sentences.append(
            "Each interval is of its own pair: of many, one that excludes zero by chance is to be expected."
        )
    return sentences


def _by(difference: dict[str, Any]) -> str:
    return f"{points(difference['mean'])} points higher ({interval(*difference['interval'])})"


def _on_the_test_set(keep: str, other: str, differences: dict[tuple[str, str], dict[str, Any]]) -> str:
    sign = 1 if (keep, other) in differences else -1
    found = differences[(keep, other) if sign == 1 else (other, keep)]["test_accuracy"]
    low, high = sorted(sign * limit for limit in found["interval"])
    clear = "better" if low > 0 else "worse" if high < 0 else "neither clearly better nor clearly worse"
    return (
        f"On the test set, {keep} is {clear} than {other}: {points(sign * found['mean'])} points on average "
        f"({interval(low, high)})."
    )
