"""Gradient-boosted trees, as both their training and their evaluation know them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xgboost

XGBOOST = "xgboost"  # the model of this name is no network
XGBOOST_DISTRIBUTION = "xgboost" if sys.platform == "darwin" else "xgboost-cpu"
CLASSES = 10
LEARNING_RATE, DEPTH = 0.3, 6
THREADS = 4  # always, as sums are taken thread by thread: else the trees would be a machine's own
MODEL = "model.ubj"  # XGBoost's own format


def described(booster: xgboost.Booster) -> dict[str, Any]:
    """Return the trees as a network's layer is told; what they add up for an image is a value a tree."""
    trees = len(booster.get_dump())
    return {
        "type": "Trees",
        "settings": {"trees": trees, "depth": DEPTH, "rate": LEARNING_RATE},
        "shape": [CLASSES],
        "parameters": len(booster.trees_to_dataframe()),  # a threshold at each fork, a value at each leaf
        "multiply_adds": trees,
    }
