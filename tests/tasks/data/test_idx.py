import struct
import tracemalloc

import numpy as np
import pytest

from tasks.data.idx import IMAGES, LABELS, read_idx
from tasks.pipeline.errors import RunError
from tests.fixtures.make_fixtures import idx_bytes


def write(folder, content):
    path = folder / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("magic", "array"), [(IMAGES, np.arange(2 * 3 * 4).reshape(2, 3, 4)), (LABELS, np.array([9, 0, 255]))]
)
def test_images_and_labels_are_read_as_they_were_written(tmp_path, magic, array):
    found = read_idx(write(tmp_path, idx_bytes(magic, array.astype(np.uint8))))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


def test_another_magic_number_is_named(tmp_path):
    path = write(tmp_path, struct.pack("<II", LABELS, 1) + b"\0" * 8)
    with pytest.raises(
        RunError, match=f"{path}: it is not IDX of bytes: it begins with 0x01080000, not 0x00000803 or 0x0000"
    ):
        read_idx(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x08\x01", struct.pack(">IIH", IMAGES, 5, 28)],
    ids=["empty", "only a magic number", "ends within the header"],
)
def test_a_file_without_a_whole_header_is_refused(tmp_path, content):
    with pytest.raises(RunError, match=f"is not IDX: {len(content)} bytes are too few for a header"):
        read_idx(write(tmp_path, content))


@pytest.mark.parametrize("change", [lambda whole: whole[:-1], lambda whole: whole + b"\0"], ids=["short", "long"])
def test_a_length_that_the_header_does_not_announce_is_refused(tmp_path, change):
    whole = idx_bytes(IMAGES, np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(RunError, match=r"damaged: its header announces 40 bytes \(2, 3, 4\), it has (39|41)"):
        read_idx(write(tmp_path, change(whole)))


def test_a_hostile_header_is_refused_without_allocating_what_it_announces(tmp_path):
    path = write(tmp_path, struct.pack(">IIII", IMAGES, *[0xFFFFFFFF] * 3) + b"\0" * 100)
    tracemalloc.start()
    try:
        with pytest.raises(RunError, match="damaged: its header announces"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_header_that_announces_nothing_along_one_dimension_and_much_along_others_is_refused(tmp_path):
    path = write(tmp_path, struct.pack(">IIII", IMAGES, 0, 0xFFFFFFFF, 0xFFFFFFFF))
    with pytest.raises(RunError, match=r"it is empty: its header announces \(0, 4294967295, 4294967295\)"):
        read_idx(path)
