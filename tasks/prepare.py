"""Prepare: shuffle, scale and split the images, for children to map into memory.

Takes the downloaded IDX files. Makes, for each of train, validation and test, `<split>_images.npy` (float32,
n × 28 × 28 × 1, 0 to 1), `<split>_labels.npy` (uint8, n) and `<split>_indices.npy` (int32, n: each image's place in its
IDX file).
The training file's images are shuffled by the seed; the last of them validate, as in the article.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.artifact import Artifact
from tasks.fashion_mnist import DataSet
from tasks.idx import AT_ONCE, read_idx
from tasks.node import node

SPLITS = ("train", "validation", "test")


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


def scale(images: np.ndarray) -> np.ndarray:
    """Return uint8 images (n, height, width) as float32 (n, height, width, 1) between 0 and 1."""
    return (images.astype(np.float32) / 255)[..., np.newaxis]


def save_split(output: Path, name: str, images: np.ndarray, labels: np.ndarray, indices: np.ndarray) -> None:
    """Write the images, labels and places in their IDX file of these indices, as a split's three files."""
    save_images(output / f"{name}_images.npy", images, indices)
    save_array(output / f"{name}_labels.npy", labels[indices])
    save_array(output / f"{name}_indices.npy", indices.astype(np.int32))


def save_images(path: Path, images: np.ndarray, indices: np.ndarray) -> None:
    """Write the images (uint8) of these indices, in this order, scaled, as a `.npy` file; few at a time."""
    shape = (len(indices), *images.shape[1:], 1)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(indices), AT_ONCE):
            file.write(scale(images[indices[start : start + AT_ONCE]]).data)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a `.npy` file; on a full disk numpy's own `save` raises an error that does not say so."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(np.ascontiguousarray(array).data)
