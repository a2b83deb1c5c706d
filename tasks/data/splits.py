"""The prepared splits, as every node after `prepare` reads them."""

from pathlib import Path

import numpy as np

SPLITS = ("train", "validation", "test")


def load_split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Map a prepared split's images, float32 (n, height, width, 1), into memory, and read its labels, uint8 (n)."""
    images = np.load(folder / f"{split}_images.npy", mmap_mode="r", allow_pickle=False)
    return images, load_labels(folder, split)


def load_labels(folder: Path, split: str) -> np.ndarray:
    """Return a split's labels, uint8 (n)."""
    return np.load(folder / f"{split}_labels.npy", allow_pickle=False)
