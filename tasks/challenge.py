"""Challenge: is this run's network to take the place of the one in use? Decided on validation data alone.

Takes the comparison, the evaluations, the prepared splits and the champion's evaluation, if there is a champion. Makes
`decision.json`: whether it is promoted and why, the difference, and the class that would lose most.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data.dataset import DataSet
from tasks.data.splits import load_labels
from tasks.evaluation.intervals import paired_difference
from tasks.evaluation.probabilities import load_probabilities
from tasks.formatting import interval, points
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node


@node(libraries=("numpy",), key_on_provenance=True)
def challenge(
    output: Path,
    *,
    compare: Artifact,
    evaluate: dict[str, Artifact],
    prepare: Artifact,
    champion: dict[str, Artifact],
    to_beat: dict[str, Any],
    data_set: DataSet,
    min_improvement: float,
    max_class_drop: float,
) -> dict[str, Any]:
    """Fill the artifact with the decision on the network that the comparison keeps."""
    keep = compare.summary["keep"]
    bounds = {"min_improvement": min_improvement, "max_class_drop": max_class_drop}
    class_names = list(data_set.class_names)
    decision = decide(keep, evaluate[keep], prepare, champion, to_beat, class_names=class_names, **bounds)
    told = {
        "network": keep,
        "evaluate": evaluate[keep].folder.name,
        "train": _training(evaluate[keep]),
        "beaten": to_beat.get("evaluate"),
        **decision,
    }
    (output / "decision.json").write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
    return told


def decide(
    keep: str,
    evaluate: Artifact,
    prepare: Artifact,
    champion: dict[str, Artifact],
    to_beat: dict[str, Any],
    **bounds: Any,
) -> dict[str, Any]:
    """Return whether a network is promoted, and why, by its evaluation and that of the one in use, if it stands."""
    if _training(evaluate) in to_beat["rolled_back"]:
        return _stays(f"{keep} was the champion and was rolled back: it does not become it again.")
    if "network" not in to_beat:
        return {"promoted": True, "reason": f"{keep} is the first champion: there was none to beat."}
    name = to_beat["network"]
    if to_beat["evaluate"] == evaluate.folder.name:
        return _stays(f"{keep} is the champion already.")
    if name not in champion:
        remedy = f"make its evaluation again ({to_beat['command']})"
        return _stays(f"{keep} cannot be held against the champion, {name}: {remedy}.")
    if champion[name].manifest["cache_key"]["inputs"]["prepare"] != prepare.digest:
        return _stays(f"{keep} cannot be held against the champion, {name}: it was validated on other images.")
    labels = load_labels(prepare.folder, "validation")
    both = (evaluate, champion[name])
    right, champions = (load_probabilities(of.folder, "validation").argmax(axis=1) == labels for of in both)
    return weigh(keep, name, right, champions, labels, **bounds)


def _training(evaluate: Artifact) -> str:
    """Return the content digest of what was evaluated."""
    return evaluate.manifest["cache_key"]["inputs"]["train"]


def _stays(reason: str) -> dict[str, Any]:
    return {"promoted": False, "reason": reason}


def weigh(
    keep: str,
    champion: str,
    right: np.ndarray,
    champions_right: np.ndarray,
    labels: np.ndarray,
    class_names: list[str],
    min_improvement: float,
    max_class_drop: float,
) -> dict[str, Any]:
    """Return the decision, by which of the same validation images (n) each has right, and these images' labels (n).

    Promoted is what is better by `min_improvement`, with the interval clear of zero, and whose recall drops in no class
    by more than `max_class_drop`.
    """
    only_this, only_that = int((right & ~champions_right).sum()), int((~right & champions_right).sum())
    difference, (low, high) = paired_difference(only_this, only_that, len(labels))
    fewer, there = champions_right.astype(int) - right, np.bincount(labels, minlength=len(class_names))
    lost = np.bincount(labels, weights=fewer, minlength=len(class_names))  # one division, or 2 % may be above 2 %
    losses = {name: float(lost[number] / there[number]) for number, name in enumerate(class_names) if there[number]}
    worst, loss = max(losses.items(), key=lambda item: item[1])
    below, limits = ("below", (-high, -low)) if difference < 0 else ("above", (low, high))
    told = (
        f"its validation accuracy is {points(abs(difference))} points {below} that of the champion, {champion} "
        f"({interval(*limits)})"
    )
    faults = [
        *(["it is clearly worse"] if high < 0 else ["the interval holds zero"] if low <= 0 else []),
        *([f"{points(min_improvement)} points are asked for"] if difference < min_improvement else []),
        *([f"of {worst} it would recognize {points(loss)} points less"] if loss > max_class_drop else []),
    ]
    becomes = "does not become" if faults else "becomes"
    return {
        "promoted": not faults,
        "reason": f"{keep} {becomes} the champion: {'; '.join([told, *faults])}.",
        "difference": difference,
        "difference_interval": [low, high],
        "worst_class": worst,
        "worst_loss": loss,
    }
