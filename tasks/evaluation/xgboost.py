"""XGBoost's evaluation: as the networks' node of this name, of gradient-boosted trees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.evaluation.predictions import Predict, measure_all
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node
from tasks.pipeline.progress import Progress
from tasks.training.xgboost import MODEL, THREADS, XGBOOST_DISTRIBUTION, described

if TYPE_CHECKING:
    import xgboost

PREDICTION_CHUNK = 5_000  # images that are predicted together


@node(libraries=("numpy", XGBOOST_DISTRIBUTION))
def evaluate(output: Path, *, train: Artifact, prepare: Artifact, progress: Progress) -> dict[str, Any]:
    """Fill the artifact with the trees' probabilities and metrics."""
    booster = load_trees(train.folder / MODEL)
    return measure_all(output, prepare, predictor(booster), [described(booster)], THREADS, progress)


def load_trees(path: Path) -> xgboost.Booster:
    """Load what was trained."""
    import xgboost

    return xgboost.Booster({"nthread": THREADS}, model_file=path)


def predictor(booster: xgboost.Booster) -> Predict:
    """Return a function that yields the trees' probabilities of images, chunk by chunk."""

    def predict(images: np.ndarray) -> Iterator[np.ndarray]:
        rows = images.reshape(len(images), -1)
        for start in range(0, len(rows), PREDICTION_CHUNK):
            yield booster.inplace_predict(rows[start : start + PREDICTION_CHUNK])

    return predict
