"""A file is read again whenever it may have been written to, whatever its size and its date say."""

import os

import pytest

from tasks.pipeline import hashing
from tasks.pipeline.hashing import sha256_of, sha256_unless_known


@pytest.fixture
def read(monkeypatch):
    """The files that were read."""
    found = []
    monkeypatch.setattr(hashing, "sha256_of", lambda path: found.append(path) or sha256_of(path))
    return found


@pytest.fixture
def settled(monkeypatch):
    """Take each file as one that was last written to a while ago."""
    monkeypatch.setattr(hashing, "SETTLED", -1)


@pytest.fixture
def file(tmp_path):
    (tmp_path / "file").write_text("one two three")
    return tmp_path / "file"


def overwrite(file, text="one two four!"):
    """Write as many bytes into the same file, and give it its date back."""
    before = file.stat()
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # until the clock has moved on
        with file.open("r+") as opened:
            opened.write(text)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def replace(file):
    """Put another file of that size and date in its place."""
    (file.parent / "other").write_text("one two four!")
    os.utime(file.parent / "other", ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    (file.parent / "other").replace(file)


def test_a_file_that_nothing_was_written_to_is_read_once(file, read, settled):
    assert {sha256_unless_known(file) for _ in range(3)} == {sha256_of(file)}
    assert read == [file]


@pytest.mark.parametrize("change", [overwrite, replace])
def test_a_change_that_size_and_date_do_not_show_is_found(file, read, settled, change):
    before = sha256_unless_known(file)
    change(file)
    assert sha256_unless_known(file) == sha256_of(file) != before
    assert read == [file, file]


def test_a_file_that_was_written_to_a_moment_ago_is_read_each_time(file, read):
    assert {sha256_unless_known(file) for _ in range(3)} == {sha256_of(file)}
    assert read == [file, file, file]
