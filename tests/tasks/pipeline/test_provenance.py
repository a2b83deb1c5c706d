import os
import re
import subprocess

import pytest

from tasks.pipeline.provenance import commit, cores


def git(folder, *arguments):
    cache_key = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", str(folder), *cache_key, *arguments], check=True, capture_output=True)


def test_the_commit_is_named_with_whether_the_tree_is_clean(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "file").write_text("one")
    (tmp_path / ".gitignore").write_text("data/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "Begin")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "artifact").write_text("ignored")
    clean = commit(tmp_path)
    assert re.fullmatch("commit [0-9a-f]{12}, tree clean", clean)
    (tmp_path / "new.py").write_text("not in it")
    assert commit(tmp_path) == clean.replace("tree clean", "with uncommitted changes")
    assert commit(tmp_path / "data").startswith("no commit")  # not that of the one around it


@pytest.mark.parametrize(("limit", "allowed"), [("150000 100000\n", 2), ("max 100000\n", 64), (None, 64)])
def test_the_quota_of_a_container_counts_as_its_cores(tmp_path, monkeypatch, limit, allowed):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64))
    if limit:
        (tmp_path / "cpu.max").write_text(limit)
    assert cores(tmp_path) == allowed
