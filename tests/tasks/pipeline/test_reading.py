"""What is no regular file of a size that fits is refused at once, and a name is shown on one line."""

import os

import pytest

from tasks.pipeline.reading import printable, read, sha256_of
from tests.strange_files import OTHER_THAN_FILES, sparse


@pytest.mark.parametrize("put", OTHER_THAN_FILES.values(), ids=OTHER_THAN_FILES)
def test_what_is_no_regular_file_is_refused_without_a_wait(tmp_path, put):
    put(tmp_path / "it")
    with pytest.raises(OSError, match="Not a regular file"):
        read(tmp_path / "it")


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path):
    sparse(tmp_path / "it")
    with pytest.raises(OSError, match="Larger than 67,108,864 bytes"):
        read(tmp_path / "it")


def test_a_digest_is_of_a_regular_file_or_of_what_a_link_leads_to(tmp_path):
    (tmp_path / "file").write_text("one two three")
    (tmp_path / "link").symlink_to("file")
    assert sha256_of(tmp_path / "link") == sha256_of(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link to the pipe").symlink_to("pipe")
    for name in ("pipe", "link to the pipe"):
        with pytest.raises(OSError, match="Not a regular file"):
            sha256_of(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("größe 3.txt", "größe 3.txt"),
        ("60\N{NO-BREAK SPACE}%", "60\N{NO-BREAK SPACE}%"),
        ("a\ntrain keep", r"a\ntrain keep"),
        ("\x1b[31mred", r"\x1b[31mred"),
        (os.fsdecode(b"\xff.txt"), r"\udcff.txt"),
        ("left\u202eright", r"left\u202eright"),
    ],
)
def test_a_name_is_shown_on_one_line_in_any_encoding(name, shown):
    assert printable(name) == shown
