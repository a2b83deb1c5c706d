import numpy as np
import pytest

from tasks.data.idx import read_idx
from tasks.data.splits import SPLITS
from tasks.prepare import prepare, split


def test_the_last_of_the_shuffled_images_validate_and_no_index_is_in_both():
    train, validation = split(60_000, None, 0.1, seed=0)
    assert (len(train), len(validation)) == (54_000, 6_000)
    assert sorted([*train, *validation]) == list(range(60_000))
    assert list(train) != sorted(train)
    everything, _ = split(60_000, None, 1e-9, seed=0)
    np.testing.assert_array_equal([*train, *validation], everything)


def test_seed_and_limit_decide_the_split():
    first, again, other = (np.concatenate(split(400, None, 0.1, seed)) for seed in (7, 7, 8))
    assert list(first) == list(again)
    assert list(first) != list(other)
    assert [len(part) for part in split(400, 100, 0.2, seed=7)] == [80, 20]
    assert list(np.concatenate(split(400, 100, 0.2, seed=7))) == list(first[:100])


@pytest.mark.parametrize(
    ("limit", "counts"),
    [
        (None, {"train": 360, "validation": 40, "test": 200}),
        (100, {"train": 90, "validation": 10, "test": 100}),
    ],
)
def test_each_image_keeps_its_label_and_its_place_in_the_file(tmp_path, data_set, downloaded, limit, counts):
    summary = prepare(tmp_path, download=downloaded, data_set=data_set, seed=0, limit=limit, validation_fraction=0.1)
    assert summary == {"images": counts}
    assert len(list(tmp_path.iterdir())) == 9
    for name in SPLITS:
        images, labels, indices = (
            np.load(tmp_path / f"{name}_{kind}.npy", mmap_mode="r", allow_pickle=False)
            for kind in ("images", "labels", "indices")
        )
        assert isinstance(images, np.memmap)
        assert (images.shape, images.dtype) == ((counts[name], 28, 28, 1), np.float32)
        assert (labels.shape, labels.dtype) == ((counts[name],), np.uint8)
        assert (indices.shape, indices.dtype) == ((counts[name],), np.int32)
        file = "test" if name == "test" else "train"
        raw_images = read_idx(downloaded.folder / data_set.files[f"{file}_images"].name)
        raw_labels = read_idx(downloaded.folder / data_set.files[f"{file}_labels"].name)
        np.testing.assert_allclose(images[..., 0], raw_images[indices] / 255, rtol=1e-6)
        np.testing.assert_array_equal(labels, raw_labels[indices])
    np.testing.assert_array_equal(indices, np.arange(counts["test"]))  # the test images stay in the file's order
