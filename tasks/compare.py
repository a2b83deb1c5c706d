"""Compare: the verdict. Which network to keep, and how sure that is.

Takes every trained and evaluated network. Makes `comparison.json`: the ranking, decided on validation data alone; each
network's gap between accuracy on training and on test data; McNemar's test between each pair on the test set; and where
the article's claims stand.
"""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.store import Artifact
from tasks.node import node
from tasks.statistics import mcnemar, paired_difference, unpaired_difference

SIGNIFICANT = 0.05  # the p-value that goes with 95 % intervals

# What the article's author reported (TensorFlow 2.1.6-tf era, a laptop), as shares of one.
ARTICLE = {
    "baseline": {"train": 0.99, "test": 0.9211, "seconds_per_epoch": "270–430", "claim": "overfits"},
    "dropout": {"train": 0.94, "test": 0.9305, "seconds_per_epoch": "≈ 128", "claim": "does not overfit"},
}
# Nearer to the gap of the article's overfitting network (6.9 points) than to that of its fine one (0.95 points).
OVERFITTING_GAP = sum(figures["train"] - figures["test"] for figures in ARTICLE.values()) / 2  # type: ignore[operator]


@node(libraries=("numpy", "scipy"))
def compare(
    output: Path, *, train: dict[str, Artifact], evaluate: dict[str, Artifact], prepare: Artifact
) -> dict[str, Any]:
    """Fill the artifact with the comparison of all networks."""
    candidates = {
        name: {
            "metrics": artifact.json("metrics.json"),
            "parameters": train[name].facts["parameters"],
            "right": _right(artifact, prepare),
        }
        for name, artifact in evaluate.items()
    }
    comparison = compare_networks(candidates)
    (output / "comparison.json").write_text(json.dumps(comparison, indent=1, ensure_ascii=False), encoding="utf-8")
    return {"keep": comparison["keep"], "verdict": comparison["verdict"]}


def compare_networks(candidates: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the verdict on candidates, each with `metrics`, `parameters` and `right`.

    `right` (n, bool) says for every test image, in the same order for all, whether the network's first choice is its
    label.
    """
    ranking, tied = rank(candidates)
    keep = ranking[0]
    table = {name: _row(candidates[name]) for name in ranking}
    pairs = [_pair(a, b, candidates) for a, b in combinations(ranking, 2)]
    return {
        "keep": keep,
        "ranking": ranking,
        "tied": tied,
        "verdict": _verdict(ranking, tied, table, pairs),
        "networks": table,
        "pairs": pairs,
        "claims": [_claim(name, table[name]) for name in ARTICLE if name in table],
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


def _right(artifact: Artifact, prepare: Artifact) -> np.ndarray:
    probabilities = np.load(artifact.folder / "test_probabilities.npy", allow_pickle=False)
    labels = np.load(prepare.folder / "test_labels.npy", allow_pickle=False)
    return probabilities.argmax(axis=1) == labels


def _row(candidate: dict[str, Any]) -> dict[str, Any]:
    metrics = candidate["metrics"]
    gap, gap_interval = unpaired_difference(metrics["train"], metrics["test"])
    return {
        **{f"{split}_accuracy": metrics[split]["accuracy"] for split in metrics},
        **{f"{split}_interval": metrics[split]["accuracy_interval"] for split in metrics},
        "gap": gap,
        "gap_interval": gap_interval,
        "parameters": candidate["parameters"],
    }


def _pair(a: str, b: str, candidates: dict[str, dict[str, Any]]) -> dict[str, Any]:
    right_a, right_b = candidates[a]["right"], candidates[b]["right"]
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    difference, interval = paired_difference(only_a, only_b, len(right_a))
    return {
        "first": a,
        "second": b,
        "only_first_right": only_a,
        "only_second_right": only_b,
        "difference": difference,
        "difference_interval": interval,
        "p": mcnemar(only_a, only_b),
    }


def _claim(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Hold the article's claim on a network against its gap, and say what the data says, if it says anything."""
    low, high = row["gap_interval"]
    overfits = True if low > OVERFITTING_GAP else False if high < OVERFITTING_GAP else None
    claimed = ARTICLE[name]["claim"] == "overfits"
    outcome = "cannot be told" if overfits is None else "agrees" if overfits == claimed else "disagrees"
    measured = f"a gap of {points(row['gap'])} points, 95\N{NO-BREAK SPACE}% interval {points(low)} to {points(high)}"
    return {
        "network": name,
        "claim": f"{name} {ARTICLE[name]['claim']}",
        "outcome": outcome,
        "measured": f"{measured}; overfitting is called what exceeds {points(OVERFITTING_GAP)}",
    }


def _verdict(ranking: list[str], tied: list[str], table: dict[str, Any], pairs: list[dict[str, Any]]) -> list[str]:
    """Return two sentences: which network to keep by the rule, and what the test set then showed."""
    keep = ranking[0]
    test = percent(table[keep]["test_accuracy"])
    if len(ranking) == 1:
        return [f"Only {keep} was trained: nothing to compare.", f"It reaches {test} on the test set."]
    pair = pairs[0]
    low, high = pair["difference_interval"]
    second = (
        f"On the test set it reaches {test}, {_against(pair['difference'])} {pair['second']} "
        f"(95\N{NO-BREAK SPACE}% interval {points(low)} to {points(high)}, McNemar p = {pair['p']:.2g})"
    )
    if pair["difference"]:
        explained = "hardly explains" if pair["p"] < SIGNIFICANT else "may explain"
        second += f"; the choice of test images {explained} the difference between these two trainings"
    return [f"Keep {keep}: {_why(ranking, tied, table)}.", f"{second}."]


def _why(ranking: list[str], tied: list[str], table: dict[str, Any]) -> str:
    """Return what the rule found on the validation data."""
    keep, others = ranking[0], [name for name in tied if name != ranking[0]]
    accuracy = {name: percent(row["validation_accuracy"]) for name, row in table.items()}
    interval = "95\N{NO-BREAK SPACE}% interval"
    if others and tied[0] != keep:
        within = (
            f"its validation accuracy, {accuracy[keep]}, lies within {tied[0]}’s {interval} around {accuracy[tied[0]]}"
        )
        return f"{within}, and it has fewer parameters"
    best = f"it is the best on validation data, {accuracy[keep]} against {accuracy[ranking[1]]}"
    if accuracy[keep] == accuracy[ranking[1]]:
        best = f"none is better on validation data, where {ranking[1]} reaches {accuracy[keep]} too"
    return f"{best}; nothing within its {interval} ({_and(others)}) has fewer parameters" if others else best


def percent(share: float) -> str:
    """Return a share as per cent with two decimals, the sign never on a line of its own."""
    return f"{100 * share:.2f}\N{NO-BREAK SPACE}%"


def points(share: float) -> str:
    """Return a difference of shares in percentage points with two decimals, with a real minus sign."""
    return f"{round(100 * share, 2) + 0.0:.2f}".replace("-", "−")  # + 0.0: no sign before a rounded zero


def _against(difference: float) -> str:
    if difference == 0:
        return "as much as"
    return f"{points(abs(difference))} points {'better' if difference > 0 else 'worse'} than"


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
