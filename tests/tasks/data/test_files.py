"""A data set's files as browsers, archivers and other programs leave them."""

import gzip
import io
import shutil
import struct

import pytest

from tasks.data.dataset import UNKNOWN
from tasks.data.files import read, with_digests_of
from tasks.download import download
from tasks.pipeline.errors import RunError, UserError
from tests import silent
from tests.conftest import FIRST, WEB_PAGE, assert_whole
from tests.programs import FIXTURE

PLAIN = gzip.decompress((FIXTURE / f"{FIRST}.gz").read_bytes())
COMPRESSED = gzip.compress(PLAIN)


@pytest.fixture
def source(tmp_path):
    """A folder with three of the four files."""
    folder = shutil.copytree(FIXTURE, tmp_path / "source")
    (folder / f"{FIRST}.gz").unlink()
    return folder


@pytest.fixture(params=["known", UNKNOWN])
def specified(request, data_set):
    """The data set, with digests or without."""
    changed = {"sha256": UNKNOWN} if request.param == UNKNOWN else {}
    return data_set.model_copy(
        update={"files": {role: file.model_copy(update=changed) for role, file in data_set.files.items()}}
    )


def taken_from(source, specified, folder):
    """Have the node fill a folder, as a run does."""
    found = specified if specified.names_its_digests else with_digests_of(specified, source)
    output = folder / "artifact"
    output.mkdir()

    download(output, data_set=found, source_folder=source, data_dir=folder / "data", progress=silent)
    return output


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
def test_a_file_is_known_by_its_content_whatever_its_name_says(data_set, specified, source, tmp_path, name, content):
    (source / name).write_bytes(content)
    output = taken_from(source, specified, tmp_path)
    assert_whole(data_set, output)


def test_a_folder_with_the_name_does_not_hide_the_file_beside_it(data_set, specified, source, tmp_path):
    (source / FIRST).mkdir()  # as Kaggle's archive of MNIST has it
    (source / "train-images.idx3-ubyte").write_bytes(PLAIN)
    output = taken_from(source, specified, tmp_path)
    assert_whole(data_set, output)


OTHER_PIXEL = PLAIN[:-1] + bytes([PLAIN[-1] ^ 1])
ALTERED = COMPRESSED[:5000] + bytes([COMPRESSED[5000] ^ 0xFF]) + COMPRESSED[5001:]
DAMAGES = {
    "a web page": (WEB_PAGE, "it is a web page, not IDX: it begins with '<!DOCTYPE html><html'"),
    "an error in JSON": (b'{"error": "quota"}', "it is a web page, not IDX"),
    "empty": (b"", "it is empty"),
    "empty, compressed": (gzip.compress(b""), "it is not IDX: 0 bytes are too few for a header"),
    "truncated": (COMPRESSED[:-4], r"its gzip stream ends early \(truncated\)"),
    "a second member truncated": (
        gzip.compress(PLAIN[:1000]) + gzip.compress(PLAIN[1000:])[:-20],
        r"its gzip stream ends early \(truncated\)",
    ),
    "a byte altered": (ALTERED, r"its gzip data is damaged \(Error -3 while decompressing"),
    "a checksum altered": (COMPRESSED[:-8] + bytes(8), r"its gzip data is damaged \(CRC check failed"),
    "16-bit images": (struct.pack(">I", 0x0B03) + PLAIN[4:], "it is not IDX of bytes: it begins with 0x00000b03"),
    "garbage after the gzip data": (COMPRESSED + b"garbage", r"its gzip data is damaged \(Not a gzipped file"),
    "a gzip bomb": (gzip.compress(PLAIN + bytes(10**8), 1), "it is longer than the expected 313,616 bytes"),
    "a byte short": (PLAIN[:-1], "it is damaged: its header announces 313,616 bytes .*, it has 313,615"),
    "another pixel": (OTHER_PIXEL, "its SHA-256 is .*…, expected e8df2ecfe9e9…: different or altered data"),
}


@pytest.mark.parametrize(("content", "sentence"), DAMAGES.values(), ids=DAMAGES)
def test_a_file_that_is_not_the_expected_one_is_refused_with_its_reason(data_set, content, sentence):
    with pytest.raises(RunError, match=f"^{sentence}"):
        read(io.BytesIO(content), data_set.files["train_images"], silent)


def test_what_is_wrong_with_a_file_of_unknown_digest_is_known_before_it_is_downloaded(data_set, source):
    first = data_set.files["train_images"].model_copy(update={"sha256": UNKNOWN})
    (source / FIRST).write_bytes(WEB_PAGE)
    message = f"--dataset: {FIRST} in {source}: it is a web page.*; --source must be a folder"
    with pytest.raises(UserError, match=message):
        with_digests_of(data_set.model_copy(update={"files": data_set.files | {"train_images": first}}), source)


def test_an_unknown_digest_becomes_that_of_the_file_which_must_be_there(data_set, source):
    first = data_set.files["train_images"]
    files = data_set.files | {"train_images": first.model_copy(update={"sha256": UNKNOWN})}
    without = data_set.model_copy(update={"files": files})
    with pytest.raises(UserError, match=f"--dataset names no SHA-256 for {FIRST}, and {source} has no such file"):
        with_digests_of(without, source)
    known = with_digests_of(without, FIXTURE)
    assert known.files == data_set.files
    assert (data_set.proven, known.proven) == (True, False)
