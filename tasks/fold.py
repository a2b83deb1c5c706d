"""Fold: split the training images into folds of equal classes; one of them validates, the others train.

Takes the downloaded IDX files. Makes what `prepare` makes of train and validation, and nothing of the test set, which
cross-validation has no use for.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tasks.data.dataset import DataSet
from tasks.data.idx import read_idx
from tasks.data.images import save_split
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError
from tasks.pipeline.node import node


@node(libraries=("numpy",))
def fold(
    output: Path, *, download: Artifact, data_set: DataSet, seed: int, limit: int | None, fold: int, folds: int
) -> dict[str, Any]:
    """Fill the artifact with the two splits of one fold.

    Raises:
        RunError: a class has fewer images than there are folds.
    """
    images, labels = (read_idx(download.folder / data_set.files[f"train_{what}"].name) for what in ("images", "labels"))
    order = np.random.default_rng(seed).permutation(len(labels))[:limit]
    validating = folds_of(labels[order], folds) == fold
    for name, indices in (("train", order[~validating]), ("validation", order[validating])):
        save_split(output, name, images, labels, indices)
    return {"images": {"train": int((~validating).sum()), "validation": int(validating.sum())}}


def folds_of(labels: np.ndarray, folds: int) -> np.ndarray:
    """Return the fold, from 1, of each of these shuffled images, by their labels (n): each class is dealt out in turn.

    Two folds have equally many images of a class, and equally many in all, or one of them has one more.

    Raises:
        RunError: a class has fewer images than there are folds.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < folds:
        smallest = f"class {classes[counts.argmin()]} has {counts.min()} images"
        raise RunError(f"{smallest}, too few for {folds} folds; ask for fewer")
    places = np.empty(len(labels), np.int32)
    places[np.argsort(labels, kind="stable")] = 1 + np.arange(len(labels)) % folds
    return places
