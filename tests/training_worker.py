"""What tests have a worker do: train a small network, or call a node."""

import math
import os
import shutil
import signal
from dataclasses import replace
from importlib import import_module

from tasks.pipeline.checkpoints import Checkpoints
from tasks.train import build_model, fit
from tasks.training import loop
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


def train_network(folder, prepared, progress, network="dropout", architecture=SMALL, threads=1, **recipe):
    """Fill `output` in a folder, where the checkpoints are too; return the summary."""
    start_tensorflow(threads)
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    recipe = replace(RECIPE, **architecture, **recipe)
    model = build_model(import_module(f"tasks.networks.{network}"), recipe)
    return fit(output, model, recipe, prepared, Checkpoints(folder / "checkpoints" / "dropout-0"), threads, progress)


def train_until_killed(batches, folder, prepared, progress, **how):
    """Do so with a checkpoint at every batch, and be killed as soon as so many are counted in all."""
    loop.CHECKPOINT_INTERVAL = loop.PROGRESS_INTERVAL = 0

    def report(done, *rest):
        progress(done, *rest)
        if done * math.ceil(360 / RECIPE.batch_size) >= batches:
            os.kill(os.getpid(), signal.SIGKILL)

    return train_network(folder, prepared, report, **how)


def call(node, folder, progress, **keywords):
    """Have a node fill a folder, which is made; return its summary."""
    folder.mkdir(parents=True)
    return node(folder, progress=progress, **keywords)
