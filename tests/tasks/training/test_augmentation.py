import numpy as np
import pytest

from tasks.training.augmentation import ERASE_SIZE, augment

IMAGES = np.random.default_rng(0).random((200, 28, 28, 1), dtype=np.float32) + 0.1  # no pixel is background
SHIFTS = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]


def shifted(image, down, right):
    wide = np.zeros((30, 30, 1), np.float32)
    wide[1:-1, 1:-1] = image
    return np.roll(wide, (down, right), (0, 1))[1:-1, 1:-1]


def test_about_half_of_the_images_are_flipped_left_to_right():
    found = augment(IMAGES, "flip", 0, 0)
    flipped = [np.array_equal(after, before[:, ::-1]) for before, after in zip(IMAGES, found, strict=True)]
    same = [np.array_equal(after, before) for before, after in zip(IMAGES, found, strict=True)]
    assert 60 < sum(flipped) < 140
    assert sum(flipped) + sum(same) == len(IMAGES)


def test_each_image_is_shifted_by_a_pixel_at_most_and_background_comes_in():
    found = augment(IMAGES, "shift", 0, 0)
    by = [
        next(shift for shift in SHIFTS if np.array_equal(after, shifted(before, *shift)))
        for before, after in zip(IMAGES, found, strict=True)
    ]
    assert set(by) == set(SHIFTS)


def test_of_each_image_a_square_is_erased_of_which_part_may_lie_outside():
    found = augment(IMAGES, "erase", 0, 0)
    sizes = []
    for before, after in zip(IMAGES, found, strict=True):
        rows, columns, _ = np.nonzero(after == 0)
        assert np.ptp(rows) < ERASE_SIZE
        assert np.ptp(columns) < ERASE_SIZE
        assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1), "no square"
        kept = after != 0
        assert np.array_equal(after[kept], before[kept])
        sizes.append(len(rows))
    assert max(sizes) == ERASE_SIZE**2
    assert min(sizes) < ERASE_SIZE**2


@pytest.mark.parametrize("how", ["flip", "shift", "erase", "flip-shift-erase"])
def test_seed_and_step_decide_alone(how):
    once = augment(IMAGES, how, 3, 7)
    assert np.array_equal(once, augment(IMAGES, how, 3, 7))
    assert not np.array_equal(once, augment(IMAGES, how, 3, 8))
    assert not np.array_equal(once, augment(IMAGES, how, 4, 7))
    assert (once.shape, once.dtype) == (IMAGES.shape, np.float32)
