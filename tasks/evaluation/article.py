"""What the article claims, held against what was measured: does each network overfit, and does dropout cure it?"""

from typing import Any

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


def hold_claim(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Hold the article's claim on a network against its gap, measured as the article did: with the running accuracy."""
    claim = {"network": name, "claim": f"{name} {ARTICLE[name]['claim']}"}
    if row["running_gap"] is None:
        return claim | {"outcome": "cannot be told", "measured": "no epoch is on record"}
    low, high = row["running_gap_interval"]
    overfits = True if low > OVERFITTING_GAP else False if high < OVERFITTING_GAP else None
    lags = high < -OVERFITTING_GAP  # it has learned so much in its last epoch that the mean over that says nothing
    overfits = None if lags else overfits
    claimed = ARTICLE[name]["claim"] == "overfits"
    outcome = "cannot be told" if overfits is None else "agrees" if overfits == claimed else "disagrees"
    measured = f"a running gap of {points(row['running_gap'])} points, {interval(low, high)}"
    measured += ", as it still learns too fast for a mean over an epoch" if lags else ""
    limit = f"we call one above {points(OVERFITTING_GAP)} overfitting, half-way between the article’s two"
    return claim | {"outcome": outcome, "measured": f"{measured}; {limit}"}


def cure(table: dict[str, dict[str, Any]], pairs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return by how much dropout's gap is smaller than baseline's, and what that answers; nothing without both."""
    pair = next((pair for pair in pairs if {pair["first"], pair["second"]} == set(ARTICLE)), None)
    if not pair:
        return None
    smaller, limits = pair["gap_difference"], pair["gap_difference_interval"]
    if pair["first"] == "dropout":
        smaller, limits = -smaller, [-limit for limit in reversed(limits)]
    gaps = " instead of ".join(_with_interval(table[name]["gap"], table[name]["gap_interval"]) for name in _BY_GAP)
    told, of_it, which = smaller, limits, "smaller"
    if smaller < 0:
        told, of_it, which = -smaller, [-limit for limit in reversed(limits)], "larger"
    by = f"the dropout network’s gap is {points(told)} points {which} than baseline’s ({interval(*of_it)}): {gaps}"
    left = table["dropout"]["gap_interval"][0] > 0
    if table["baseline"]["gap_interval"][0] <= 0:
        answer = f"As far as can be told, baseline has no overfitting to cure here: {by}."
    elif limits[0] <= 0 <= limits[1]:
        answer = f"That cannot be told: {by}."
    elif limits[1] < 0:
        answer = f"Not here: {by}."
    elif left:
        answer = f"In part, here: {by}. It is smaller, and not gone."
    else:
        answer = f"Here, as far as can be told, yes: {by}. What is left may be nothing."
    return {"gap_difference": smaller, "gap_difference_interval": limits, "answer": answer}


def _with_interval(gap: float, interval: list[float]) -> str:
    return f"{points(gap)} points ({points(interval[0])} to {points(interval[1])})"
