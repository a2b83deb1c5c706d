"""What the article claims, held against what was measured: does each network overfit, and does dropout cure it?"""

from typing import Any

from tasks.wording import points

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
_INTERVAL = "95\N{NO-BREAK SPACE}% interval"


def hold_claim(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Hold the article's claim on a network against its gap, and say what the data says, if it says anything."""
    low, high = row["gap_interval"]
    overfits = True if low > OVERFITTING_GAP else False if high < OVERFITTING_GAP else None
    claimed = ARTICLE[name]["claim"] == "overfits"
    outcome = "cannot be told" if overfits is None else "agrees" if overfits == claimed else "disagrees"
    measured = f"a gap of {points(row['gap'])} points, {_INTERVAL} {points(low)} to {points(high)}"
    return {
        "network": name,
        "claim": f"{name} {ARTICLE[name]['claim']}",
        "outcome": outcome,
        "measured": f"{measured}; overfitting is called what exceeds {points(OVERFITTING_GAP)}",
    }


def cure(table: dict[str, dict[str, Any]], pairs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return by how much dropout's gap is smaller than baseline's, and what that answers; nothing without both."""
    pair = next((pair for pair in pairs if {pair["first"], pair["second"]} == set(ARTICLE)), None)
    if not pair:
        return None
    smaller, limits = pair["gap_difference"], pair["gap_difference_interval"]
    if pair["first"] == "dropout":
        smaller, limits = -smaller, [-limit for limit in reversed(limits)]
    gap, (low, high) = table["dropout"]["gap"], table["dropout"]["gap_interval"]
    by = f"{points(abs(smaller))} points {'smaller' if smaller > 0 else 'larger'} than baseline’s"
    by += f" ({_INTERVAL} of the difference {points(limits[0])} to {points(limits[1])})"
    left = f"{points(gap)} points ({points(low)} to {points(high)})"
    if limits[0] <= 0 <= limits[1]:
        answer = f"It cannot be told: dropout’s gap is {by}."
    elif limits[1] < 0:
        answer = f"No: dropout’s gap is {by}."
    elif low > 0:
        answer = f"It lessens it and does not cure it: dropout’s gap is {by}, but {left} are left."
    else:
        answer = f"As far as can be told, yes: dropout’s gap is {by}, and what is left, {left}, may be nothing."
    return {"gap_difference": smaller, "gap_difference_interval": limits, "answer": answer}
