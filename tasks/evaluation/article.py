"""What the article claims, held against what was measured: does each network overfit, and does dropout reduce it?"""

from typing import Any

from tasks.evaluation.comparison import Claim, NetworkResult
from tasks.evaluation.models import Estimate
from tasks.evaluation.paired import PairwiseDifferences
from tasks.formatting import interval, points

# What the article's author reported (TensorFlow 2.1.6-tf era, a laptop), as shares of one.
ARTICLE: dict[str, dict[str, Any]] = {
    "baseline": {"train": 0.99, "test": 0.9211, "seconds_per_epoch": "270–430", "claim": "overfits"},
    "dropout": {"train": 0.94, "test": 0.9305, "seconds_per_epoch": "≈ 128", "claim": "does not overfit"},
}
# Nearer to the gap of the article's overfitting network (6.9 points) than to that of its fine one (0.95 points).
OVERFITTING_GAP = sum(figures["train"] - figures["test"] for figures in ARTICLE.values()) / 2
# Test accuracies that others report of themselves, lowest and highest; several are the best epoch on the test set.
PUBLISHED = (
    ("people (Zalando’s benchmark)", 0.835, 0.835),
    ("XGBoost (the article’s study)", 0.8472, 0.8472),
    ("XGBoost (Zalando’s benchmark)", 0.898, 0.898),
    ("stacks of 2–4 convolutions", 0.90, 0.94),
    ("ResNet-20", 0.956, 0.960),
    ("WRN-28-10", 0.964, 0.964),
    ("WRN-40-4", 0.967, 0.967),
)
_BY_GAP = ("dropout", "baseline")  # the smaller gap first, by the article


def hold_claim(name: str, result: NetworkResult) -> Claim:
    """Hold the article's claim on a network against its gap, measured as the article did: with the running accuracy."""
    article = ARTICLE[name]
    outcome, measured = _outcome(article["claim"] == "overfits", result.running_gap)
    return Claim(
        network=name,
        claim=f"{name} {article['claim']}",
        outcome=outcome,
        measured=measured,
        gap=result.gap,
        running_gap=result.running_gap,
        running_accuracy=result.running_accuracy,
        train_accuracy=result.accuracy["train"].value,
        test_accuracy=result.accuracy["test"].value,
        article_train=article["train"],
        article_test=article["test"],
        article_gap=article["train"] - article["test"],
    )


def _outcome(claimed: bool, gap: Estimate | None) -> tuple[str, str]:
    """Return whether this gap agrees with the claim that the network overfits, or that it does not; and why."""
    if gap is None:
        return "cannot be told", "no epoch is on record"
    overfits = True if gap.low > OVERFITTING_GAP else False if gap.high < OVERFITTING_GAP else None
    lags = gap.high < -OVERFITTING_GAP  # it learned so much in its last epoch that the mean over that says nothing
    overfits = None if lags else overfits
    outcome = "cannot be told" if overfits is None else "agrees" if overfits == claimed else "disagrees"
    measured = f"a running gap of {points(gap.value)} points, {interval(*gap.interval)}"
    measured += ", as it still learns too fast for a mean over an epoch" if lags else ""
    limit = f"we call one above {points(OVERFITTING_GAP)} overfitting, half-way between the article’s two"
    return outcome, f"{measured}; {limit}"


def overfitting_reduction(results: dict[str, NetworkResult], pairs: list[PairwiseDifferences]) -> str | None:
    """Return by how much dropout's gap is smaller than baseline's, and what that answers; nothing without both."""
    pair = next((pair for pair in pairs if {pair.first, pair.second} == set(ARTICLE)), None)
    if not pair:
        return None
    smaller = -pair.differences["gap"] if pair.first == "dropout" else pair.differences["gap"]
    gaps = {name: results[name].gap for name in _BY_GAP}
    both = " instead of ".join(
        f"{points(gap.value)} points ({points(gap.low)} to {points(gap.high)})" for gap in gaps.values()
    )
    shown, which = (-smaller, "larger") if smaller.value < 0 else (smaller, "smaller")
    by = f"the dropout network’s gap is {points(shown.value)} points {which} than baseline’s"
    by += f" ({interval(*shown.interval)}): {both}"
    if gaps["baseline"].low <= 0:
        return f"As far as can be told, baseline has no overfitting to cure here: {by}."
    if not smaller.significant:
        return f"That cannot be told: {by}."
    if smaller.high < 0:
        return f"Not here: {by}."
    if gaps["dropout"].low > 0:
        return f"In part, here: {by}. It is smaller, and not gone."
    return f"Here, as far as can be told, yes: {by}. What is left may be nothing."
