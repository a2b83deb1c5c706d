"""Augment: training images as they might have been taken too, so that a network cannot learn them by heart."""

import numpy as np

MAX_SHIFT = 1  # pixels that an image is shifted by, up or down and left or right
RNG_STREAM = 1  # of random numbers: another than that of an epoch's order
ERASE_SIZE = 6  # pixels wide and high is what is erased


def augment(images: np.ndarray, how: str, seed: int, step: int) -> np.ndarray:
    """Return a batch (n, height, width, 1) changed at random, by a function of seed and step alone.

    `how` names what is done to it: "none", or of these, joined by hyphens: "flip" half of the images, left to right;
    "shift" each by a pixel or none; "erase" a square of each, after DeVries and Taylor (2017),
    https://arxiv.org/abs/1708.04552.
    """
    generator = np.random.default_rng([seed, step, RNG_STREAM])
    if "flip" in how:
        images = np.where(generator.random((len(images), 1, 1, 1)) < 0.5, images[:, :, ::-1], images)
    if "shift" in how:
        images = _shifted(images, generator)
    if "erase" in how:
        images = np.where(_squares(images.shape, generator), np.float32(0), images)
    return images


def _shifted(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Shift each image, and fill with background what comes in."""
    count, height, width, _ = images.shape
    wider = np.pad(images, ((0, 0), (MAX_SHIFT, MAX_SHIFT), (MAX_SHIFT, MAX_SHIFT), (0, 0)))
    down, right = generator.integers(0, 2 * MAX_SHIFT + 1, (2, count, 1, 1))
    rows, columns = down + np.arange(height)[:, np.newaxis], right + np.arange(width)
    return wider[np.arange(count)[:, np.newaxis, np.newaxis], rows, columns]


def _squares(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Return which pixels are erased: a square an image, part of which may lie outside."""
    count, height, width, _ = shape
    top = generator.integers(-ERASE_SIZE // 2, height - ERASE_SIZE // 2, (count, 1, 1, 1))
    left = generator.integers(-ERASE_SIZE // 2, width - ERASE_SIZE // 2, (count, 1, 1, 1))
    rows, columns = np.arange(height)[:, np.newaxis, np.newaxis], np.arange(width)[:, np.newaxis]
    return (rows >= top) & (rows < top + ERASE_SIZE) & (columns >= left) & (columns < left + ERASE_SIZE)
