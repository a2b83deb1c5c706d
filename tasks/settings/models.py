"""The networks that there are: a file each in `tasks/networks/`, called as its network is. To add one, add a file.

It has `build`, which returns a Keras model of 28 × 28 × 1 pixels and ten probabilities, `EPOCHS` by preset, and
perhaps `RECIPE`, settings that no preset changes. What `build` takes are settings that shape the architecture. The
softmax stays in float32 under mixed precision. No training imports this module: a worker loads its own network alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

from tasks.formatting import join_words
from tasks.pipeline import PROJECT
from tasks.pipeline.errors import UserError
from tasks.pipeline.node import CUSTOM, NETWORKS, import_by_name

if TYPE_CHECKING:
    import keras

FOLDER = PROJECT / "tasks" / "networks"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("[a-z]*.py") if f"{NETWORKS}.{path.stem}" != CUSTOM))
CUSTOM_EPOCHS = {"fast": 10, "article": 20, "smoke": 1}  # of a user's own network: custom.py


class Network(NamedTuple):
    """An architecture, how many epochs each preset gives it, and what of its recipe is not the preset's."""

    build: Callable[..., keras.Model]
    epochs: dict[str, int]
    recipe: dict[str, Any]

    @property
    def shape(self) -> dict[str, Any]:
        """The settings that its builder takes, and what they are when they are left unset."""
        return {name: argument.default for name, argument in signature(self.build).parameters.items()}


@cache
def networks() -> dict[str, Network]:
    """Return every network by its name.

    Raises:
        UserError: a file does not say how many epochs each preset gives its network.
    """
    modules = {name: import_by_name(f"{NETWORKS}.{name}") for name in NAMES}
    for name, of in modules.items():
        if missing := CUSTOM_EPOCHS.keys() - getattr(of, "EPOCHS", {}).keys():
            raise UserError(f"tasks/networks/{name}.py: EPOCHS lacks {join_words(sorted(missing))}")
    return {name: Network(of.build, of.EPOCHS, getattr(of, "RECIPE", {})) for name, of in modules.items()}
