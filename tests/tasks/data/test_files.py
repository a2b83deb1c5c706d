"""A data set's files as browsers, archivers and other programs leave them."""

import gzip
import io
import shutil

import pytest

from tasks.data.dataset import UNKNOWN
from tasks.data.files import UNREADABLE, file_in, read, with_digests_of
from tasks.pipeline.errors import UserError
from tests import silent
from tests.conftest import FIRST, WEB_PAGE
from tests.programs import FIXTURE

PLAIN = gzip.decompress((FIXTURE / f"{FIRST}.gz").read_bytes())
COMPRESSED = gzip.compress(PLAIN)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (FIRST, COMPRESSED),
        (f"{FIRST}.gz", PLAIN),
        ("train-images.idx3-ubyte", PLAIN),
        ("train-images.idx3-ubyte.gz", COMPRESSED),
        (f"{FIRST}.gz", gzip.compress(PLAIN[:1000]) + gzip.compress(b"") + gzip.compress(PLAIN[1000:])),
    ],
    ids=["gzip without .gz", "plain with .gz", "7-Zip's name", "its name with .gz", "three members"],
)
def test_a_file_is_known_by_its_content_whatever_its_name_says(data_set, tmp_path, name, content):
    file = data_set.files["train_images"]
    (tmp_path / name).write_bytes(content)
    if name != FIRST:
        (tmp_path / FIRST).mkdir()  # as Kaggle's archive of MNIST has it
    with file_in(tmp_path, file).open("rb") as stream:
        assert read(stream, file, silent) == file.sha256


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (WEB_PAGE, "it is not IDX of bytes: it begins with b'<!DOCTYPE html><html'"),
        (b"", "it is not IDX of bytes"),
        (COMPRESSED[:-4], "Compressed file ended before"),
        (gzip.compress(PLAIN[:1000]) + gzip.compress(PLAIN[1000:])[:-20], "Compressed file ended before"),
        (COMPRESSED[:5000] + bytes([COMPRESSED[5000] ^ 0xFF]) + COMPRESSED[5001:], "Error -3 while decompressing"),
        (COMPRESSED[:-8] + bytes(8), "CRC check failed"),
        (COMPRESSED + b"garbage", "Not a gzipped file"),
        (gzip.compress(PLAIN + bytes(10**8), 1), "it has more than the expected 313,616 bytes"),
        (PLAIN[:-1], "it has fewer than the expected 313,616 bytes"),
        (PLAIN[:-1] + b"\1", "its SHA-256 is .*…, expected e8df2ecfe9e9…: different or altered data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_not_the_expected_one_is_refused_with_its_reason(data_set, content, sentence):
    with pytest.raises(UNREADABLE, match=f"^{sentence}"):
        read(io.BytesIO(content), data_set.files["train_images"], silent)


def test_an_unknown_digest_becomes_that_of_the_file_which_must_be_there_and_whole(data_set, tmp_path):
    source = shutil.copytree(FIXTURE, tmp_path / "source")
    first = data_set.files["train_images"].model_copy(update={"sha256": UNKNOWN})
    without = data_set.model_copy(update={"files": data_set.files | {"train_images": first}})
    known = with_digests_of(without, source)
    assert known.files == data_set.files
    assert (data_set.proven, known.proven) == (True, False)
    for damage, sentence in ((WEB_PAGE, "it is not IDX of bytes"), (None, "No such file")):
        (source / f"{FIRST}.gz").unlink() if damage is None else (source / f"{FIRST}.gz").write_bytes(damage)
        with pytest.raises(UserError, match=f"^--dataset names no SHA-256 for {FIRST}, and in {source}: {sentence}"):
            with_digests_of(without, source)
