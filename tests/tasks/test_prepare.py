import numpy as np
import pytest

from tasks.data.idx import read_idx
from tasks.data.splits import SPLITS
from tasks.prepare import prepare, split


def test_the_images_are_shuffled_by_the_seed_cut_to_the_limit_and_the_last_ones_validate():
    train, validation = split(400, None, 0.1, seed=7)
    assert (len(train), len(validation)) == (360, 40)
    assert sorted([*train, *validation]) == list(range(400)) != list(train)
    limited, others = split(400, 100, 0.2, seed=7)
    assert [*limited, *others] == list(train[:100])
    assert len(others) == 20
    assert list(split(400, None, 0.1, seed=8)[0]) != list(train)


@pytest.mark.parametrize(
    ("limit", "counts"),
    [(None, {"train": 360, "validation": 40, "test": 200}), (100, {"train": 90, "validation": 10, "test": 100})],
)
def test_each_image_keeps_its_label_and_its_place_in_the_file(tmp_path, data_set, downloaded, limit, counts):
    summary = prepare(tmp_path, download=downloaded, data_set=data_set, seed=0, limit=limit, validation_fraction=0.1)
    assert summary == {"images": counts}
    assert len(list(tmp_path.iterdir())) == 9
    for name in SPLITS:
        images, labels, indices = (np.load(tmp_path / f"{name}_{kind}.npy") for kind in ("images", "labels", "indices"))
        assert (images.shape, images.dtype) == ((counts[name], 28, 28, 1), np.float32)
        assert (labels.shape, labels.dtype) == ((counts[name],), np.uint8)
        assert (indices.shape, indices.dtype) == ((counts[name],), np.int32)
        file = "test" if name == "test" else "train"
        raw_images = read_idx(downloaded.folder / data_set.files[f"{file}_images"].name)
        raw_labels = read_idx(downloaded.folder / data_set.files[f"{file}_labels"].name)
        np.testing.assert_allclose(images[..., 0], raw_images[indices] / 255, rtol=1e-6)
        np.testing.assert_array_equal(labels, raw_labels[indices])
    np.testing.assert_array_equal(indices, np.arange(counts["test"]))  # the test images stay in the file's order
