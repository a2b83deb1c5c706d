import struct

import numpy as np
import pytest

from tasks.data.idx import IMAGES, LABELS, read_idx
from tasks.pipeline.errors import RunError
from tests.fixtures.make_fixtures import idx_bytes

WHOLE = idx_bytes(IMAGES, np.zeros((2, 3, 4), np.uint8))


@pytest.mark.parametrize(
    ("magic", "array"), [(IMAGES, np.arange(2 * 3 * 4).reshape(2, 3, 4)), (LABELS, np.array([9, 0, 255]))]
)
def test_images_and_labels_are_read_as_they_were_written(tmp_path, magic, array):
    path = tmp_path / "file"
    path.write_bytes(idx_bytes(magic, array.astype(np.uint8)))
    found = read_idx(path)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\0\0\x08\x01", WHOLE[:10], WHOLE[:-1], WHOLE + b"\0", struct.pack("<II", LABELS, 1) + b"\0"),
        struct.pack(">IIII", IMAGES, *[0xFFFFFFFF] * 3) + b"\0" * 100,
        struct.pack(">IIII", IMAGES, 0, 0xFFFFFFFF, 0xFFFFFFFF),
    ],
    ids=["empty", "only a magic number", "half a header", "short", "long", "little-endian", "hostile", "of nothing"],
)
def test_a_header_that_does_not_fit_the_file_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(RunError, match=f"file is not IDX of images or labels: it begins with 0x{content[:16].hex()}"):
        read_idx(tmp_path / "file")
