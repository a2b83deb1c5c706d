"""Compare: the verdict. Which network to keep, and how sure that is.

Takes every trained and evaluated network. Makes `comparison.json`: the ranking, decided on validation data alone; each
network's gap between accuracy on training and on test data; between each pair, McNemar's test on the test set, the
difference of the gaps and other differences; between the first two, the differences class by class; and how
the article's claims hold.
"""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data.splits import SPLITS, load_labels
from tasks.evaluation.article import ARTICLE, check_claim, overfitting_reduction
from tasks.evaluation.comparison import Comparison, NetworkResult
from tasks.evaluation.intervals import difference_of, proportion
from tasks.evaluation.metrics import Metrics
from tasks.evaluation.models import Estimate
from tasks.evaluation.paired import PairwiseDifferences, Predictions, compare_classes, compare_correct, differ
from tasks.evaluation.predictions import load_probabilities
from tasks.evaluation.rule import Choice, choose, headline
from tasks.formatting import count, interval, p_value, percent, points
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node

STUDY = "python flows/study.py seeds --seeds 5"


@node(libraries=("numpy", "scipy"))
def compare(
    output: Path, *, train: dict[str, Artifact], evaluate: dict[str, Artifact], prepare: Artifact
) -> dict[str, Any]:
    """Fill the artifact with the comparison of all networks."""
    labels = {split: load_labels(prepare.folder, split) for split in SPLITS}
    results, predictions = {}, {}
    for name, artifact in evaluate.items():
        accuracy = {split: Metrics(**of).accuracy for split, of in artifact.json("metrics.json").items()}
        running = proportion(train[name].json("history.json")[-1]["accuracy"], len(labels["train"]))
        results[name] = result_of(accuracy, running, train[name].summary["parameters"])
        probabilities = {split: load_probabilities(artifact.folder, split) for split in SPLITS}
        predictions[name] = Predictions.of(probabilities, labels)
    comparison = compare_networks(results, predictions, labels)
    (output / "comparison.json").write_text(comparison.model_dump_json(indent=1), encoding="utf-8")
    return {"winner": comparison.winner, "verdict": comparison.verdict, "warning": comparison.warning}


def result_of(accuracy: dict[str, Estimate], running: Estimate, parameters: int) -> NetworkResult:
    """Return a network's result by its accuracies, at the end and in the last epoch."""
    return NetworkResult(
        accuracy=accuracy,
        gap=difference_of(accuracy["train"], accuracy["test"]),
        running_accuracy=running.value,
        running_gap=difference_of(running, accuracy["test"]),
        parameters=parameters,
    )


def compare_networks(
    results: dict[str, NetworkResult], predictions: dict[str, Predictions], labels: dict[str, np.ndarray]
) -> Comparison:
    """Return the verdict on networks, by the images' labels (n) of each split, the same for all."""
    correct = {name: of.correct["validation"] for name, of in predictions.items()}
    accuracy = {name: of.accuracy["validation"].value for name, of in results.items()}
    parameters = {name: of.parameters for name, of in results.items()}
    choice = choose(accuracy, parameters, lambda a, b: compare_correct(correct[a], correct[b]).difference)
    pairs = [differ(a, predictions[a], b, predictions[b]) for a, b in combinations(choice.ranking, 2)]
    first, *others = (predictions[name] for name in choice.ranking)
    of_winner = pairs[: len(others)]
    return Comparison(
        winner=choice.winner,
        ranking=choice.ranking,
        tied=choice.tied,
        verdict=_verdict(choice, results, of_winner, {split: len(of) for split, of in labels.items()}),
        warning=_warning(of_winner),
        networks={name: results[name] for name in choice.ranking},
        pairs=pairs,
        classes=compare_classes(labels["test"], first, others[0]) if others else [],
        claims=[check_claim(name, results[name]) for name in ARTICLE if name in results],
        overfitting_reduction=overfitting_reduction(results, pairs),
    )


def _verdict(
    choice: Choice, results: dict[str, NetworkResult], pairs: list[PairwiseDifferences], images: dict[str, int]
) -> list[str]:
    """Return what to keep by the rule, what would break a tie, and what the test set then showed."""
    winner = choice.winner
    test = f"On the {count(images['test'])} test images it scores {percent(results[winner].accuracy['test'].value)}"
    if not pairs:
        return [f"Only {winner} was trained: nothing to compare.", f"{test}."]
    accuracy = {name: of.accuracy["validation"].value for name, of in results.items()}
    parameters = {name: of.parameters for name, of in results.items()}
    evidence = f"{count(images['validation'])} validation images"
    sentences = [headline(choice, accuracy, parameters, evidence, among="these trained models")]
    if choice.tied:
        scores = ", ".join(f"{name} {percent(accuracy[name])}" for name in choice.tied)
        sentences.append(f"Validation accuracy: {scores}. To break the tie, use more images, or more seeds: {STUDY}.")
    return [*sentences, f"{test}, {_against(pairs[0])}"]


def _against(pair: PairwiseDifferences) -> str:
    """Return how the winner's test accuracy compares with that of the next, and what chance has to do with it."""
    difference = pair.test.difference
    if difference.value == 0:
        return f"as many as {pair.second} ({interval(*difference.interval)})."
    where = "above" if difference.value > 0 else "below"
    shown = difference if difference.value > 0 else -difference
    how = f"{points(shown.value)} points {where} {pair.second} ({_certainty(shown, pair)})"
    rare = "very rare" if pair.test.p < 0.001 else "rare" if pair.test.significant else "not unusual"
    return f"{how}. If these two trained models were equally accurate, a difference this large would be {rare}."


def _certainty(difference: Estimate, pair: PairwiseDifferences) -> str:
    return f"{interval(*difference.interval)}, McNemar {p_value(pair.test.p)}"


def _warning(pairs: list[PairwiseDifferences]) -> str | None:
    """Return what to know if the test set shows that another network is better than the one that the rule keeps."""
    better = [pair for pair in pairs if pair.test.significant and pair.test.difference.value < 0]
    if not better:
        return None
    found = "; ".join(
        f"{pair.second} scores {points(-pair.test.difference.value)} points more "
        f"({_certainty(-pair.test.difference, pair)})"
        for pair in better
    )
    return (
        f"The test set contradicts this choice: {found}. The rule never looks at the test set, so the choice stays; "
        f"before you act on it, validate on more images or train more seeds: {STUDY}."
    )
