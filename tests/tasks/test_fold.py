import numpy as np
import pytest

from tasks.fold import fold, folds_of
from tasks.pipeline.errors import RunError


@pytest.mark.parametrize(("limit", "count"), [(None, 400), (100, 100)])
def test_every_image_validates_in_one_fold_with_as_many_of_its_class_as_in_the_next(
    downloaded, data_set, tmp_path, limit, count
):
    folders = [tmp_path / str(number) for number in (1, 2, 3)]
    for number, folder in enumerate(folders, 1):
        folder.mkdir()
        fold(folder, download=downloaded, data_set=data_set, seed=5, limit=limit, fold=number, folds=3)
    train, validation = ([np.load(of / f"{split}_indices.npy") for of in folders] for split in ("train", "validation"))
    every = np.concatenate(validation)
    assert len(set(every)) == len(every) == count
    assert [set(of) for of in train] == [set(every) - set(of) for of in validation]
    counts = [np.bincount(np.load(folder / "validation_labels.npy"), minlength=10) for folder in folders]
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(np.sum(counts, axis=1)) <= 1


def test_a_class_that_is_smaller_than_the_folds_is_refused():
    with pytest.raises(RunError, match=r"^class 1 has 2 images, too few for 3 folds; ask for fewer$"):
        folds_of(np.array([0, 0, 0, 1, 1]), 3)
