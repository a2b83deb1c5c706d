"""How images and other arrays are written, so that a full disk is reported as one and memory does not grow."""

from pathlib import Path

import numpy as np

IMAGES_CHUNK = 2_000  # images that are worked on at a time, so that memory does not grow with their number


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
        for start in range(0, len(indices), IMAGES_CHUNK):
            file.write(scale(images[indices[start : start + IMAGES_CHUNK]]).data)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a `.npy` file; on a full disk numpy's own `save` raises an error that does not say so."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(np.ascontiguousarray(array).data)
