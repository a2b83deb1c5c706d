"""Challenge: should this run's network replace the champion? Decided on validation data alone.

Takes the comparison, the evaluations, the prepared splits and the champion's evaluation, if there is a champion. Makes
`decision.json`: whether it is promoted and why, the difference, and the class that would lose most.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data.dataset import DataSet
from tasks.data.splits import load_labels
from tasks.evaluation.paired import compare_correct
from tasks.evaluation.predictions import load_probabilities
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
    """Fill the artifact with the decision on the winner of the comparison."""
    winner = compare.summary["winner"]
    made, in_use = evaluate[winner], champion.get(to_beat.get("network", ""))
    decision = decide(winner, made, prepare, in_use, to_beat)
    if not decision and in_use:
        labels = load_labels(prepare.folder, "validation")
        new, old = (load_probabilities(of.folder, "validation").argmax(axis=1) == labels for of in (made, in_use))
        names, bounds = (winner, to_beat["network"], data_set.class_names), (min_improvement, max_class_drop)
        decision = judge_challenger(*names, new, old, labels, *bounds)
    summary = {
        "network": winner,
        "evaluate": made.folder.name,
        "train": _training(made),
        "beaten": to_beat.get("evaluate"),
        **decision,
    }
    (output / "decision.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False), encoding="utf-8")
    return summary


def decide(
    winner: str, evaluate: Artifact, prepare: Artifact, champion: Artifact | None, to_beat: dict[str, Any]
) -> dict[str, Any]:
    """Return what can be decided, and why, of a network's evaluation without judging it by the champion's."""
    name, reason = to_beat.get("network"), ""
    if _training(evaluate) in to_beat["rolled_back"]:
        reason = f"{winner} was rolled back, so it does not become the champion again."
    elif not name:
        return {"promoted": True, "reason": f"{winner} is the first champion: there was none to beat."}
    elif to_beat["evaluate"] == evaluate.folder.name:
        reason = f"{winner} is already the champion."
    elif not champion:
        remedy = f"its evaluation is gone; rebuild it with {to_beat['command']}"
        reason = f"{winner} cannot be compared with the champion, {name}: {remedy}."
    elif champion.manifest["cache_key"]["inputs"]["prepare"] != prepare.digest:
        reason = f"{winner} cannot be compared with the champion, {name}: it was validated on other images."
    return {"promoted": False, "reason": reason} if reason else {}


def _training(evaluate: Artifact) -> str:
    """Return the content digest of what was evaluated."""
    return evaluate.manifest["cache_key"]["inputs"]["train"]


def judge_challenger(
    challenger: str,
    champion: str,
    class_names: Sequence[str],
    correct: np.ndarray,
    champions_correct: np.ndarray,
    labels: np.ndarray,
    min_improvement: float,
    max_class_drop: float,
) -> dict[str, Any]:
    """Return the decision, by which of the same validation images (n, bool) each predicts correctly, and their labels.

    The challenger is promoted if the paired difference counts by the rule (`tasks/evaluation/rule.py`), is at least
    `min_improvement`, and recall drops in no class by more than `max_class_drop`.
    """
    difference = compare_correct(correct, champions_correct).difference
    fewer = champions_correct.astype(int) - correct
    losses = {name: float(fewer[labels == of].mean()) for of, name in enumerate(class_names) if (labels == of).any()}
    worst, loss = max(losses.items(), key=lambda item: item[1])
    shown, where = (-difference, "below") if difference.value < 0 else (difference, "above")
    result = (
        f"its validation accuracy is {points(shown.value)} points {where} the champion’s, {champion} "
        f"({interval(*shown.interval)})"
    )
    unclear = "that is significantly lower" if difference.significant else "that is within noise"
    objections = [
        *([unclear] if difference.low <= 0 else []),
        *([f"{points(min_improvement)} points are required"] if difference.value < min_improvement else []),
        *([f"recall of {worst} would drop by {points(loss)} points"] if loss > max_class_drop else []),
    ]
    becomes = "does not become" if objections else "becomes"
    return {
        "promoted": not objections,
        "reason": f"{challenger} {becomes} the champion: {'; '.join([result, *objections])}.",
        "difference": difference.model_dump(),
        "worst_class": worst,
        "worst_loss": loss,
    }
