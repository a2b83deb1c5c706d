"""What the tests of a trained model share: one that a run has made, and what is usual among its training images."""

import shutil

import numpy as np
import pytest

from tasks.data.idx import read_idx
from tasks.serving.outliers import TrainingRanges
from tasks.serving.selection import select_model


@pytest.fixture(scope="session")
def test_images(downloaded, data_set):
    """Real images, uint8 (200, 28, 28)."""
    return read_idx(downloaded.folder / data_set.files["test_images"].name)


@pytest.fixture(scope="session")
def ranges(downloaded, data_set):
    return TrainingRanges.of(read_idx(downloaded.folder / data_set.files["train_images"].name))


@pytest.fixture(scope="session")
def selected(finished_run):
    return select_model(finished_run / "data")


@pytest.fixture
def data(finished_run, tmp_path):
    """A copy of what a run has made, to be damaged."""
    for made in ("runs", "download", "prepare", "train", "evaluate", "compare"):
        shutil.copytree(finished_run / "data" / made, tmp_path / "data" / made)
    return tmp_path / "data"


@pytest.fixture(scope="session")
def noise():
    return np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)


@pytest.fixture
def trained(selected, tensorflow):
    """The winner, loaded."""
    from tasks.serving.raw_model import load_trained
    from tasks.training.tensorflow import begin

    yield load_trained(selected)[0]
    begin(0, "float32")
