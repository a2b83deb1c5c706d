"""Budgets: for how long each network was trained, and whether longer might have changed the ranking."""

from typing import Any

from tasks.formatting import join_words
from tasks.training.xgboost import XGBOOST

History = list[dict[str, Any]]  # of a training: an entry an epoch


def lowest_loss(history: History) -> int | None:
    """Return the epoch of the lowest validation loss, if there is any."""
    return min(history, key=lambda epoch: epoch["validation_loss"])["epoch"] if history else None


def unequal_training(histories: dict[str, History]) -> str | None:
    """Return which networks might have gone on learning where others trained for longer; XGBoost trains in rounds."""
    epochs = {name: len(history) for name, history in histories.items() if name != XGBOOST}
    most = max(epochs.values(), default=0)
    short = [name for name, count in epochs.items() if lowest_loss(histories[name]) == count < most]
    if not short:
        return None
    trained = ", ".join(f"{name} {count}" for name, count in epochs.items())
    return (
        f"Unequal training (epochs: {trained}). The validation loss of {join_words(short)} was still falling: more "
        "epochs might help, and change the ranking."
    )
