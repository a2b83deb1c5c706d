"""Prepare: shuffle, scale and split the images, for workers to map into memory.

Takes the downloaded IDX files. Makes, for each of train, validation and test, `<split>_images.npy` (float32,
n × 28 × 28 × 1, 0 to 1), `<split>_labels.npy` (uint8, n) and `<split>_indices.npy` (int32, n: each image's place in its
IDX file).
The training file's images are shuffled by the seed; the last of them validate, as in the article.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tasks.data.dataset import DataSet
from tasks.data.idx import read_idx
from tasks.data.images import save_split
from tasks.data.splits import SPLITS
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node


@node(libraries=("numpy",))
def prepare(
    output: Path,
    *,
    download: Artifact,
    data_set: DataSet,
    seed: int,
    limit: int | None,
    validation_fraction: float,
) -> dict[str, Any]:
    """Fill the artifact with the three splits."""
    arrays = {role: read_idx(download.folder / file.name) for role, file in data_set.files.items()}
    train, validation = split(len(arrays["train_images"]), limit, validation_fraction, seed)
    test = np.arange(len(arrays["test_images"]))[:limit]
    for name, indices in zip(SPLITS, (train, validation, test), strict=True):
        file = "test" if name == "test" else "train"
        save_split(output, name, arrays[f"{file}_images"], arrays[f"{file}_labels"], indices)
    return {"images": dict(zip(SPLITS, map(len, (train, validation, test)), strict=True))}


def split(count: int, limit: int | None, validation_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices to train on and those to validate on: shuffled, cut to the limit, the last ones validating."""
    order = np.random.default_rng(seed).permutation(count)[:limit]
    cut = len(order) - round(len(order) * validation_fraction)
    return order[:cut], order[cut:]
