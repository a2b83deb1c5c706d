"""What tests have a worker do: train a small network, or call a node."""

import shutil
from dataclasses import replace
from importlib import import_module

from tasks.pipeline.checkpoints import Checkpoints
from tasks.train import build_model, fit
from tasks.training.loop import CHECKPOINT_INTERVAL
from tasks.training.recipe import Recipe
from tasks.training.tensorflow import start_tensorflow

RECIPE = Recipe(
    epochs=2,
    batch_size=64,
    learning_rate=0.002,
    schedule="one-cycle",
    augmentation="none",
    label_smoothing=0.0,
    precision="float32",
    seed=0,
)
SMALL = {"filters": 4, "dense_width": 16, "dropout_rate": 0.5}


def train_network(
    folder,
    prepared,
    progress,
    network="dropout",
    architecture=SMALL,
    threads=1,
    checkpoint_interval=CHECKPOINT_INTERVAL,
    **recipe,
):
    """Fill `output` in a folder, where the checkpoints are too; return the summary."""
    start_tensorflow(threads)
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    recipe = replace(RECIPE, **architecture, **recipe)
    model = build_model(import_module(f"tasks.networks.{network}"), recipe)
    checkpoints = Checkpoints(folder / "checkpoints" / "dropout-0")
    return fit(output, model, recipe, prepared, checkpoints, threads, progress, checkpoint_interval)


def call(node, folder, progress, **keywords):
    """Have a node fill a folder, which is made; return its summary."""
    folder.mkdir(parents=True)
    return node(folder, progress=progress, **keywords)
