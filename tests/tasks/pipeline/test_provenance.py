import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tasks.pipeline.provenance import commit, cores, machine
from tasks.settings.settings import PROJECT


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
    assert commit(tmp_path / "data") == "no commit (not a git repository)"  # not that of the one around it
    shutil.rmtree(tmp_path / ".git")
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    assert commit(tmp_path) == "unknown commit (git failed)"


def test_a_hooks_repository_is_not_taken_for_the_projects(tmp_path, monkeypatch):
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "Begin")
    own = commit(tmp_path)
    monkeypatch.setenv("GIT_DIR", str(PROJECT / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(PROJECT))
    assert commit(tmp_path) == own


@pytest.mark.parametrize(
    ("limits", "allowed"),
    [
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "max 100000\n"}, 64),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ({}, 64),
    ],
)
def test_the_quota_of_a_container_counts_as_its_cores(tmp_path, monkeypatch, limits, allowed):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64))
    (tmp_path / "cpu").mkdir()
    for name, limit in limits.items():
        (tmp_path / name).write_text(limit)
    assert cores(tmp_path) == allowed


def test_the_machine_is_named_with_its_memory():
    kilobytes = int(re.search(r"MemTotal: +(\d+) kB", Path("/proc/meminfo").read_text())[1])
    assert machine()["memory"] == pytest.approx(kilobytes / 2**20, abs=0.1)
