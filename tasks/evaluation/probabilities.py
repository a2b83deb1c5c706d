"""A network's probabilities, as the nodes after `evaluate` read them."""

from pathlib import Path

import numpy as np


def probabilities_file(split: str) -> str:
    """Return the name of the file that holds those of a split."""
    return f"{split}_probabilities.npy"


def load_probabilities(folder: Path, split: str) -> np.ndarray:
    """Return a network's probabilities for a split, float32 (n × classes), mapped into memory."""
    return np.load(folder / probabilities_file(split), mmap_mode="r", allow_pickle=False)
