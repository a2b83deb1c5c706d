"""Inference: what a selected model says of images, as it was evaluated, test-time augmentation included."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tasks.evaluate import mean_over_flips
from tasks.evaluation.predictions import Predict
from tasks.evaluation.xgboost import load_trees, predictor
from tasks.pipeline.provenance import cores
from tasks.serving.raw_model import load_trained
from tasks.serving.selection import SelectedModel
from tasks.training.tensorflow import start_tensorflow
from tasks.training.xgboost import MODEL, XGBOOST


@contextmanager
def inference(selected: SelectedModel) -> Iterator[Predict]:
    """Give a function that yields probabilities (float32, n × classes) of images (float32, n × 28 × 28 × 1, 0 to 1).

    Raises:
        UserError, RunError: the user's own file fails, or is no longer what it was; or Keras cannot load the model.
    """
    if selected.network == XGBOOST:
        yield predictor(load_trees(selected.train.folder / MODEL))
        return
    start_tensorflow(cores())
    from tasks.training.train_step import Predictor

    model, _ = load_trained(selected)
    with ThreadPoolExecutor(cores()) as pool:
        predict: Predict = Predictor(model, pool)
        yield mean_over_flips(predict) if selected.tta == "flip" else predict
