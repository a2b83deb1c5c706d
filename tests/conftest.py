"""What several test files share: the fixture's data set, and progress that nobody hears."""

import os
from pathlib import Path

import pytest

from tasks.fashion_mnist import DataSet, load_data_set

FIXTURE = Path(__file__).parent / "fixtures" / "fashion-mnist-600"

# What a developer has set must not steer a test.
for name in ("FASHION_MNIST_DIR", "PREFECT_API_URL", "PREFECT_PROFILE"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def data_set() -> DataSet:
    """The fixture's specification: 400 training and 200 test images, real ones."""
    return load_data_set(str(FIXTURE / "dataset.json"))
