"""Compare: the verdict. Which network to keep, and how sure that is.

Takes every trained and evaluated network. Makes `comparison.json`: the ranking, decided on validation data alone; each
network's gap between accuracy on training and on test data; between each pair, McNemar's test on the test set, the
difference of the gaps and other differences; between the first two, the differences class by class; and where the
article's claims stand.
"""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data.splits import SPLITS, load_labels
from tasks.evaluation.article import ARTICLE, cure, hold_claim
from tasks.evaluation.intervals import Estimate, difference_of, wilson_interval
from tasks.evaluation.paired import Outcome, compare_classes, differ
from tasks.evaluation.probabilities import load_probabilities
from tasks.formatting import INTERVAL, interval, listed, p_value, percent, points
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node

SIGNIFICANT = 0.05  # the p-value that goes with 95 % intervals


@node(libraries=("numpy", "scipy"))
def compare(
    output: Path, *, train: dict[str, Artifact], evaluate: dict[str, Artifact], prepare: Artifact
) -> dict[str, Any]:
    """Fill the artifact with the comparison of all networks."""
    labels = {split: load_labels(prepare.folder, split) for split in SPLITS}
    candidates = {
        name: {
            "metrics": artifact.json("metrics.json"),
            "parameters": train[name].summary["parameters"],
            "running_accuracy": next((epoch["accuracy"] for epoch in reversed(train[name].json("history.json"))), None),
            "probabilities": {split: load_probabilities(artifact.folder, split) for split in SPLITS},
        }
        for name, artifact in evaluate.items()
    }
    comparison = compare_networks(candidates, labels)
    (output / "comparison.json").write_text(json.dumps(comparison, indent=1, ensure_ascii=False), encoding="utf-8")
    return {"keep": comparison["keep"], "verdict": comparison["verdict"]}


def compare_networks(candidates: dict[str, dict[str, Any]], labels: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the verdict on candidates, each with `metrics`, `parameters`, `probabilities` and `running_accuracy`.

    By split, a network's probabilities (n × classes) and the images' labels (n), in the same order for all networks.
    The running accuracy is that of the last epoch on training images, `None` if there was none.
    """
    ranking, tied = rank(candidates)
    keep = ranking[0]
    table = {name: _row(candidates[name]) for name in ranking}
    outcomes = {name: Outcome.of(candidates[name]["probabilities"], labels) for name in ranking}
    pairs = [{"first": a, "second": b, **differ(outcomes[a], outcomes[b])} for a, b in combinations(ranking, 2)]
    called = [outcomes[name].called for name in ranking]
    classes = candidates[keep]["probabilities"]["test"].shape[1]
    return {
        "keep": keep,
        "ranking": ranking,
        "tied": tied,
        "verdict": _verdict(ranking, tied, table, pairs),
        "networks": table,
        "pairs": pairs,
        "classes": compare_classes(labels["test"], called[0], called[1], classes) if len(called) > 1 else [],
        "claims": [hold_claim(name, table[name]) for name in ARTICLE if name in table],
        "cure": cure(table, pairs),
    }


def rank(candidates: dict[str, dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the names, the one to keep first, and those within the best one's 95 % interval, if there are others.

    By validation accuracy; those within that interval are tied, and among them fewer parameters wins.
    """

    def accuracy(name: str) -> float:
        return candidates[name]["metrics"]["validation"]["accuracy"]

    by_accuracy = sorted(candidates, key=lambda name: (-accuracy(name), candidates[name]["parameters"], name))
    floor = candidates[by_accuracy[0]]["metrics"]["validation"]["accuracy_interval"][0]
    tied = [name for name in by_accuracy if accuracy(name) >= floor]
    keep = min(tied, key=lambda name: (candidates[name]["parameters"], -accuracy(name)))
    return [keep, *(name for name in by_accuracy if name != keep)], tied if len(tied) > 1 else []


def _row(candidate: dict[str, Any]) -> dict[str, Any]:
    metrics = candidate["metrics"]
    gap, gap_interval = difference_of(_accuracy(metrics["train"]), _accuracy(metrics["test"]))
    return {
        **{f"{split}_accuracy": metrics[split]["accuracy"] for split in metrics},
        **{f"{split}_interval": metrics[split]["accuracy_interval"] for split in metrics},
        "gap": gap,
        "gap_interval": gap_interval,
        **_running_gap(candidate["running_accuracy"], metrics),
        "parameters": candidate["parameters"],
    }


def _running_gap(running: float | None, metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the gap as the article has it: of the accuracy while the network still learned, with dropout active."""
    if running is None:
        return {"running_accuracy": None, "running_gap": None, "running_gap_interval": None}
    images = metrics["train"]["images"]
    gap, interval = difference_of(
        (running, wilson_interval(round(running * images), images)), _accuracy(metrics["test"])
    )
    return {"running_accuracy": running, "running_gap": gap, "running_gap_interval": interval}


def _accuracy(of_split: dict[str, Any]) -> Estimate:
    return of_split["accuracy"], of_split["accuracy_interval"]


def _verdict(ranking: list[str], tied: list[str], table: dict[str, Any], pairs: list[dict[str, Any]]) -> list[str]:
    """Return two sentences: which network to keep by the rule, and what the test set then showed."""
    keep = ranking[0]
    test = percent(table[keep]["test_accuracy"])
    if len(ranking) == 1:
        return [f"Only {keep} was trained: nothing to compare.", f"It reaches {test} on the test set."]
    pair = pairs[0]
    second = (
        f"On the test set it reaches {test}, {_against(pair['difference'])} {pair['second']} "
        f"({interval(*pair['difference_interval'])}, McNemar p = {p_value(pair['p'])})"
    )
    if pair["difference"]:
        explained = "hardly explains" if pair["p"] < SIGNIFICANT else "may explain"
        second += f"; the choice of test images {explained} the difference between these two trainings"
        second += "" if pair["p"] < SIGNIFICANT else ": by them, the two cannot be told apart"
    return [f"Keep {keep}: {_why(ranking, tied, table)}.", f"{second}."]


def _why(ranking: list[str], tied: list[str], table: dict[str, Any]) -> str:
    """Return what the rule found on the validation data."""
    keep, others = ranking[0], [name for name in tied if name != ranking[0]]
    accuracy = {name: percent(row["validation_accuracy"]) for name, row in table.items()}
    if others and tied[0] != keep:
        within = (
            f"its validation accuracy, {accuracy[keep]}, lies within {tied[0]}’s {INTERVAL} around {accuracy[tied[0]]}"
        )
        return f"{within}, and it has fewer parameters"
    better = "the better" if len(table) == 2 else "the best"
    best = f"it is {better} on validation data, {accuracy[keep]} against {accuracy[ranking[1]]}"
    if table[keep]["validation_accuracy"] == table[ranking[1]]["validation_accuracy"]:
        best = f"none is better on validation data, where {ranking[1]} reaches {accuracy[keep]} too"
    return f"{best}; nothing within its {INTERVAL} ({listed(others)}) has fewer parameters" if others else best


def _against(difference: float) -> str:
    if difference == 0:
        return "as much as"
    return f"{points(abs(difference))} points {'better' if difference > 0 else 'worse'} than"
