"""Train: fit one network to the prepared images.

Takes the prepared splits and a recipe. Makes `model.keras`; `history.json`: for each epoch, loss and accuracy on train
(running, dropout active) and validation (inference mode), and the learning rate; and `validation_correct.npy`: which
validation images it predicts correctly at the end (bool, n), by which a search compares its trials. A loss that is not
finite ends it. A killed training resumes from its last checkpoint, to the same bits. Nothing here sees the test set.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.pipeline.errors import RunError
from tasks.pipeline.node import node
from tasks.pipeline.provenance import cores
from tasks.training.loop import Training
from tasks.training.recipe import VALIDATION_CORRECT, Recipe
from tasks.training.saving import save_model
from tasks.training.tensorflow import begin, start_tensorflow

if TYPE_CHECKING:
    import keras

    from tasks.pipeline.artifact import Artifact
    from tasks.pipeline.checkpoints import Checkpoints
    from tasks.pipeline.progress import Progress
    from tasks.pipeline.user_module import UserFunction


@node(libraries=("keras", "numpy", "tensorflow"))
def train(
    output: Path,
    *,
    network_module: ModuleType,
    prepare: Artifact,
    recipe: Recipe,
    own_network: UserFunction | None,
    checkpoints: Checkpoints,
    progress: Progress,
) -> dict[str, Any]:
    """Fill the artifact with the trained network, on all cores: others at work get their share."""
    start_tensorflow(cores())
    model = build_model(network_module, recipe, own_network)
    return fit(output, model, recipe, prepare.folder, checkpoints, cores(), progress)


def build_model(network_module: ModuleType, recipe: Recipe, custom: UserFunction | None = None) -> keras.Model:
    """Build a network, one of ours or the user's own, with the weights that the seed gives."""
    begin(recipe.seed, recipe.precision)
    if custom:
        return network_module.build(custom, recipe.seed, recipe.precision)
    return network_module.build(**recipe.architecture)


def fit(
    output: Path,
    model: keras.Model,
    recipe: Recipe,
    prepared: Path,
    checkpoints: Checkpoints,
    threads: int,
    progress: Progress,
) -> dict[str, Any]:
    """Train a model from the start or its last checkpoint, save it with its history, and return the summary.

    Raises:
        RunError: the loss is no longer finite, and the recipe has no thresholds below which it is pruned.
    """
    with ThreadPoolExecutor(threads) as pool:
        training = Training(model, recipe, prepared, checkpoints, pool, progress)
        try:
            training.run()
        except RunError as error:
            if not recipe.pruning_thresholds:
                raise
            progress(0, 0, f"pruned: {error}", True)  # a search goes on without it
        if not training.correct.size:  # it was killed after its last epoch, or diverged in its first
            training.validate()
        np.save(output / VALIDATION_CORRECT, training.correct)
    save_model(model, output / "model.keras")
    (output / "history.json").write_text(json.dumps(training.history, indent=1))
    return {
        "parameters": model.count_params(),
        "validation_accuracy": training.history[-1]["validation_accuracy"] if training.history else None,
        "pruned": len(training.history) < recipe.epochs,
        "repeatable": training.repeatable,
        "measured": {"seconds": round(training.seconds, 3), "threads": threads},
    }
