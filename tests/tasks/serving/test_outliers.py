import numpy as np


def whats(outliers):
    return {of.what for of in outliers}


def test_real_images_that_the_networks_have_not_seen_are_like_the_training_images(ranges, test_images):
    assert sum(map(bool, ranges.outliers(test_images))) <= len(test_images) * 0.05


def test_an_image_that_is_unlike_them_is_known_by_what_is_unusual(ranges, test_images, noise):
    small = np.pad(test_images[0, ::2, ::2], ((0, 14), (0, 14)))
    odd = np.stack([255 - test_images[0], np.zeros((28, 28), np.uint8), noise[:28, :28, 0], small])
    inverted, blank, noisy, off_center = map(whats, ranges.outliers(odd))
    assert "background's gray level" in inverted
    assert {"object's share of the image", "mean gray level", "contrast"} <= blank
    assert {"background's gray level", "contrast"} <= noisy
    assert {"object's distance from the center", "object's longer side"} <= off_center


def test_it_is_said_with_the_range_of_the_training_images(ranges):
    first, *_ = ranges.outliers(np.full((1, 28, 28), 255, np.uint8))[0]
    low, high = ranges.limits[first.what]
    assert str(first) == f"background's gray level 255 (range {low:.0f} to {high:.0f})"
