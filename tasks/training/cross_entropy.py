"""Cross-entropy: what a probability costs, image by image."""

import numpy as np


def per_sample_cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each image's cross-entropy (n), nats, of probabilities (n × classes) and labels (n).

    A label that is predicted to be impossible costs as float32's smallest number.
    """
    of_label = probabilities[np.arange(len(labels)), labels]
    return -np.log(np.maximum(of_label, np.finfo(np.float32).tiny).astype(np.float64))
