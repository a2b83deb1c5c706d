"""Compare: the verdict. Which network to keep, and how sure that is.

Takes every trained and evaluated network. Makes `comparison.json`: the ranking, decided on validation data alone; each
network's gap between accuracy on training and on test data; between each pair, McNemar's test on the test set, the
difference of the gaps and other differences; between the first two, the differences class by class; and how
the article's claims hold.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data.splits import SPLITS, load_labels
from tasks.evaluation.article import ARTICLE, hold_claim, overfitting_reduction
from tasks.evaluation.comparison import Comparison, NetworkResult
from tasks.evaluation.intervals import difference_of, proportion
from tasks.evaluation.metrics import Metrics
from tasks.evaluation.models import Estimate
from tasks.evaluation.paired import Predictions, compare_classes, differ
from tasks.evaluation.probabilities import load_probabilities
from tasks.formatting import INTERVAL, interval, join_words, p_value, percent, points
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node

SIGNIFICANT = 0.05  # the p-value that goes with 95 % intervals


@dataclass(frozen=True)
class Candidate:
    """A network that may be kept."""

    accuracy: dict[str, Estimate]  # by split
    probabilities: dict[str, np.ndarray]  # by split (n × classes)
    parameters: int
    running_accuracy: float | None  # of the last epoch on training images


@node(libraries=("numpy", "scipy"))
def compare(
    output: Path, *, train: dict[str, Artifact], evaluate: dict[str, Artifact], prepare: Artifact
) -> dict[str, Any]:
    """Fill the artifact with the comparison of all networks."""
    labels = {split: load_labels(prepare.folder, split) for split in SPLITS}
    candidates = {
        name: Candidate(
            accuracy={split: Metrics(**of).accuracy for split, of in artifact.json("metrics.json").items()},
            probabilities={split: load_probabilities(artifact.folder, split) for split in SPLITS},
            parameters=train[name].summary["parameters"],
            running_accuracy=next((epoch["accuracy"] for epoch in reversed(train[name].json("history.json"))), None),
        )
        for name, artifact in evaluate.items()
    }
    comparison = compare_networks(candidates, labels)
    (output / "comparison.json").write_text(comparison.model_dump_json(indent=1), encoding="utf-8")
    return {"winner": comparison.winner, "verdict": comparison.verdict}


def compare_networks(candidates: dict[str, Candidate], labels: dict[str, np.ndarray]) -> Comparison:
    """Return the verdict on candidates, by the images' labels (n) of each split, the same for all networks."""
    ranking, tied = rank(candidates)
    results = {name: _result(candidates[name], len(labels["train"])) for name in ranking}
    predictions = {name: Predictions.of(candidates[name].probabilities, labels) for name in ranking}
    pairs = [differ(a, predictions[a], b, predictions[b]) for a, b in combinations(ranking, 2)]
    first, *others = (predictions[name].predicted for name in ranking)
    classes = candidates[ranking[0]].probabilities["test"].shape[1]
    comparison = Comparison(
        winner=ranking[0],
        ranking=ranking,
        tied=tied,
        verdict=[],
        networks=results,
        pairs=pairs,
        classes=compare_classes(labels["test"], first, others[0], classes) if others else [],
        claims=[hold_claim(name, results[name]) for name in ARTICLE if name in results],
        overfitting_reduction=overfitting_reduction(results, pairs),
    )
    return comparison.model_copy(update={"verdict": _verdict(comparison)})


def rank(candidates: dict[str, Candidate]) -> tuple[list[str], list[str]]:
    """Return the names, the winner first, and those within the best one's 95 % interval, if there are others.

    By validation accuracy; those within that interval are tied, and among them fewer parameters wins.
    """

    def accuracy(name: str) -> float:
        return candidates[name].accuracy["validation"].value

    by_accuracy = sorted(candidates, key=lambda name: (-accuracy(name), candidates[name].parameters, name))
    floor = candidates[by_accuracy[0]].accuracy["validation"].low
    tied = [name for name in by_accuracy if accuracy(name) >= floor]
    winner = min(tied, key=lambda name: (candidates[name].parameters, -accuracy(name)))
    return [winner, *(name for name in by_accuracy if name != winner)], tied if len(tied) > 1 else []


def _result(candidate: Candidate, images: int) -> NetworkResult:
    """Return a candidate's result, trained on so many images."""
    test, running = candidate.accuracy["test"], candidate.running_accuracy
    return NetworkResult(
        accuracy=candidate.accuracy,
        gap=difference_of(candidate.accuracy["train"], test),
        running_accuracy=running,
        running_gap=None if running is None else difference_of(proportion(running, images), test),
        parameters=candidate.parameters,
    )


def _verdict(of: Comparison) -> list[str]:
    """Return two sentences: which network to keep by the rule, and what the test set then showed."""
    winner = of.winner
    test = percent(of.networks[winner].accuracy["test"].value)
    if not of.pairs:
        return [f"Only {winner} was trained: nothing to compare.", f"It reaches {test} on the test set."]
    pair = of.pairs[0]
    second = (
        f"On the test set it reaches {test}, {_against(pair.difference.value)} {pair.second} "
        f"({interval(*pair.difference.interval)}, McNemar p = {p_value(pair.p)})"
    )
    if pair.difference.value:
        explained = "hardly explains" if pair.p < SIGNIFICANT else "may explain"
        second += f"; the choice of test images {explained} the difference between these two trainings"
        second += "" if pair.p < SIGNIFICANT else ": by them, the two cannot be told apart"
    return [f"Keep {winner}: {_why(of)}.", f"{second}."]


def _why(of: Comparison) -> str:
    """Return what the rule found on the validation data."""
    winner, second, others = of.winner, of.ranking[1], [name for name in of.tied if name != of.winner]
    validation = {name: result.accuracy["validation"].value for name, result in of.networks.items()}
    accuracy = {name: percent(share) for name, share in validation.items()}
    if others and of.tied[0] != winner:
        within = f"its validation accuracy, {accuracy[winner]}, lies within {of.tied[0]}’s"
        return f"{within} {INTERVAL} around {accuracy[of.tied[0]]}, and it has fewer parameters"
    better = "the better" if len(validation) == 2 else "the best"
    best = f"it is {better} on validation data, {accuracy[winner]} against {accuracy[second]}"
    if validation[winner] == validation[second]:
        best = f"none is better on validation data, where {second} reaches {accuracy[winner]} too"
    return f"{best}; nothing within its {INTERVAL} ({join_words(others)}) has fewer parameters" if others else best


def _against(difference: float) -> str:
    if difference == 0:
        return "as much as"
    return f"{points(abs(difference))} points {'better' if difference > 0 else 'worse'} than"
