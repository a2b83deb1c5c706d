import numpy as np
import pytest

from tasks.data.idx import read_idx
from tasks.fold import fold, folds_of
from tasks.pipeline.errors import RunError


@pytest.fixture(scope="module")
def every_fold(downloaded, data_set, tmp_path_factory):
    """The folders of three folds, without and with a limit."""

    def filled(number, limit):
        folder = tmp_path_factory.mktemp("fold")
        settings = {"seed": 5, "limit": limit, "fold": number, "folds": 3}
        fold(folder, download=downloaded, data_set=data_set, **settings)
        return folder

    return {limit: [filled(number, limit) for number in (1, 2, 3)] for limit in (None, 100)}


def indices(folder, split):
    return np.load(folder / f"{split}_indices.npy")


@pytest.mark.parametrize(("limit", "count"), [(None, 400), (100, 100)])
def test_every_image_validates_in_one_fold_with_as_many_of_its_class_as_in_the_next(every_fold, limit, count):
    validating = np.concatenate([indices(folder, "validation") for folder in every_fold[limit]])
    assert len(set(validating)) == len(validating) == count
    for folder in every_fold[limit]:
        assert set(indices(folder, "train")) == set(validating) - set(indices(folder, "validation"))
    labels = [np.load(folder / "validation_labels.npy") for folder in every_fold[limit]]
    counts = [np.bincount(of, minlength=10) for of in labels]
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(np.sum(counts, axis=1)) <= 1


def test_images_and_labels_are_those_of_the_indices_and_no_test_image_is_among_them(every_fold, downloaded, data_set):
    files = {role: read_idx(downloaded.folder / file.name) for role, file in data_set.files.items()}
    folder = every_fold[None][1]
    for split in ("train", "validation"):
        chosen = indices(folder, split)
        np.testing.assert_array_equal(np.load(folder / f"{split}_labels.npy"), files["train_labels"][chosen])
        images = np.load(folder / f"{split}_images.npy")
        np.testing.assert_array_equal(np.rint(images[..., 0] * 255), files["train_images"][chosen])
    assert not list(folder.glob("test*"))


def test_a_class_that_is_smaller_than_the_folds_is_refused():
    with pytest.raises(RunError, match=r"^class 1 has 2 images, too few for 3 folds; ask for fewer$"):
        folds_of(np.array([0, 0, 0, 1, 1]), 3)
