import re
import subprocess

from tasks.pipeline.provenance import commit, machine
from tasks.settings import PROJECT


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
    assert commit(tmp_path) == clean.replace("tree clean", "with changes that are not committed")


def test_without_a_repository_that_is_said(tmp_path):
    git(tmp_path, "init")
    inside = tmp_path / "project"
    inside.mkdir()
    assert commit(inside) == "of no commit (not a git repository)"  # not that of the repository around it
    assert commit(PROJECT).startswith(("commit ", "of no commit"))


def test_a_repository_that_git_does_not_read_is_said_to_be_one(tmp_path):
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    assert commit(tmp_path) == "of a commit that git does not tell"


def test_the_machine_is_named():
    assert machine().keys() == {"processor", "cores", "system", "python"}
    assert machine()["cores"] >= 1
