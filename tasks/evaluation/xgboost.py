"""XGBoost's evaluation: as the networks' node of this name, of gradient-boosted trees."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tasks.evaluation.predictions import measure_all
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node
from tasks.pipeline.progress import Progress
from tasks.training.xgboost import MODEL, THREADS, XGBOOST_DISTRIBUTION, described

PREDICTION_CHUNK = 5_000  # images that are predicted together


@node(libraries=("numpy", XGBOOST_DISTRIBUTION))
def evaluate(output: Path, *, train: Artifact, prepare: Artifact, progress: Progress) -> dict[str, Any]:
    """Fill the artifact with the trees' probabilities and metrics."""
    import xgboost

    booster = xgboost.Booster({"nthread": THREADS}, model_file=train.folder / MODEL)

    def predict(images: np.ndarray) -> Iterator[np.ndarray]:
        rows = images.reshape(len(images), -1)
        for start in range(0, len(rows), PREDICTION_CHUNK):
            yield booster.inplace_predict(rows[start : start + PREDICTION_CHUNK])

    return measure_all(output, prepare, predict, [described(booster)], THREADS, progress)
