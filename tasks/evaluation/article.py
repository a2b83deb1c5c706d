"""The article that this project follows, and what was measured of its claims.

https://cloudxlab.com/blog/fashion-mnist-using-deep-learning-with-tensorflow-keras/ by CloudxLab; it names no author.
Does each network overfit, and does dropout reduce it?
"""

from typing import Any

from tasks.evaluation.comparison import Claim, NetworkResult
from tasks.evaluation.models import Estimate
from tasks.evaluation.paired import PairwiseDifferences
from tasks.formatting import interval, points

# What the article reports (TensorFlow 2.1.6-tf era, a laptop), as shares of one.
ARTICLE: dict[str, dict[str, Any]] = {
    "baseline": {"train": 0.99, "test": 0.9211, "seconds_per_epoch": "270–430", "claim": "overfits"},
    "dropout": {"train": 0.94, "test": 0.9305, "seconds_per_epoch": "≈ 128", "claim": "does not overfit"},
}
# Nearer to the gap of the article's overfitting network (6.9 points) than to that of its fine one (0.95 points).
OVERFITTING_GAP = sum(figures["train"] - figures["test"] for figures in ARTICLE.values()) / 2
# Published test accuracies, lowest and highest; several are the best epoch on the test set.
PUBLISHED = (
    ("people (Zalando)", 0.835, 0.835),
    ("XGBoost (companion)", 0.8472, 0.8472),
    ("XGBoost (Zalando)", 0.898, 0.898),
    ("2 to 4 convolutions", 0.90, 0.94),
    ("ResNet-20", 0.956, 0.960),
    ("WRN-28-10", 0.964, 0.964),
    ("WRN-40-4", 0.967, 0.967),
)
_BY_GAP = ("dropout", "baseline")  # the smaller gap first, by the article


def check_claim(name: str, result: NetworkResult) -> Claim:
    """Check the article's claim about a network by its own measure: the gap from the running training accuracy."""
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
    )


def _outcome(claimed: bool, gap: Estimate) -> tuple[str, str]:
    """Return whether this gap reproduces the claim that the network overfits, or that it does not; and the gap."""
    measured = f"its gap during training was {points(gap.value)} points ({interval(*gap.interval)})"
    if gap.high < -OVERFITTING_GAP:
        return "undecided", f"{measured}, because accuracy was still rising steeply and the epoch average is too low"
    if gap.low <= OVERFITTING_GAP <= gap.high:
        return "undecided", f"{measured}, which includes {points(OVERFITTING_GAP)}"
    return "reproduced" if (gap.low > OVERFITTING_GAP) == claimed else "not reproduced", measured


def overfitting_reduction(results: dict[str, NetworkResult], pairs: list[PairwiseDifferences]) -> str | None:
    """Return whether dropout's gap is smaller than baseline's, and by how much; nothing without both networks."""
    pair = next((pair for pair in pairs if {pair.first, pair.second} == set(ARTICLE)), None)
    if not pair:
        return None
    smaller = -pair.differences["gap"] if pair.first == "dropout" else pair.differences["gap"]
    gaps = {name: results[name].gap for name in _BY_GAP}
    both = ", ".join(f"{name} {points(gap.value)}" for name, gap in gaps.items())
    shown, which = (-smaller, "larger") if smaller.value < 0 else (smaller, "smaller")
    by = f"dropout’s is {which} by {points(shown.value)} ({interval(*shown.interval)})"
    reduction = f"Train − test gap in points: {both}; {by}."
    if gaps["baseline"].low <= 0:
        return (
            f"Baseline shows no measurable overfitting in this run, so there is nothing for dropout to fix. {reduction}"
        )
    if not smaller.significant:
        return f"No difference found: it is within noise. {reduction}"
    if smaller.high < 0:
        return f"No: dropout’s gap is larger. {reduction}"
    if gaps["dropout"].low > 0:
        return f"Partly: dropout’s gap is smaller, but not gone. {reduction}"
    return f"Yes: dropout’s gap is smaller, and what is left of it is within noise. {reduction}"
