"""The networks, a file each, called as its network is. To add one, add a file.

It has `build`, which returns a Keras model of 28 × 28 × 1 pixels and ten probabilities, `EPOCHS` by preset, and
perhaps `RECIPE`, settings that no preset changes. What `build` takes are settings that shape the architecture. The
softmax stays in float32 under mixed precision. Importing this package imports no network: a worker loads its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tasks.pipeline.node import CUSTOM, NETWORKS, import_by_name

if TYPE_CHECKING:
    import keras

NAMES = tuple(sorted(p.stem for p in Path(__file__).parent.glob("[a-z]*.py") if f"{NETWORKS}.{p.stem}" != CUSTOM))
XGBOOST = "xgboost"  # takes part too, and is no network: tasks/training/xgboost.py
XGBOOST_DISTRIBUTION = "xgboost" if sys.platform == "darwin" else "xgboost-cpu"
CUSTOM_EPOCHS = {"fast": 10, "article": 20, "smoke": 1}  # of a user's own network: custom.py


class Network(NamedTuple):
    """An architecture, how many epochs each preset gives it, and what of its recipe is not the preset's."""

    build: Callable[..., keras.Model]
    epochs: dict[str, int]
    recipe: dict[str, Any]


@cache
def networks() -> dict[str, Network]:
    """Return every network by its name."""
    modules = {name: import_by_name(f"{NETWORKS}.{name}") for name in NAMES}
    return {name: Network(of.build, of.EPOCHS, getattr(of, "RECIPE", {})) for name, of in modules.items()}
