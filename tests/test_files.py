import json
import os
import shutil
import subprocess
import sys

import pytest
from tasks.pipeline.code import code_of
from tasks.pipeline.files import ANSWERS, Files

from tasks.pipeline import code
from tests.conftest import FIXTURE, PROJECT, SPECIFICATION

LOAD = "from tasks.helper import help\n\ndef load():\n    return help(1)\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "flows").mkdir()
    (tmp_path / ANSWERS).parent.mkdir(parents=True)
    for name, content in {"__init__": "", "load": LOAD, "helper": "def help(x):\n    return x\n"}.items():
        (tmp_path / "tasks" / f"{name}.py").write_text(content)
    monkeypatch.setattr(code, "PROJECT", tmp_path)
    return tmp_path


def ask():
    """Ask as a new process would."""
    code.files_at.cache_clear()
    return code_of("tasks.load", "load")


@pytest.fixture
def reads(monkeypatch):
    """How often the code has been read through."""
    times = []
    monkeypatch.setattr(code, "_project_of", lambda files: times.append(1) or code.Project(files))
    return times


def test_an_answer_is_kept_for_the_next_process(project, reads):
    answer = ask()
    assert list(answer) == ["tasks/helper.py: help", "tasks/load.py: help", "tasks/load.py: load"]
    assert ask() == answer
    assert len(reads) == 1


@pytest.mark.parametrize("path", ["tasks/helper.py", "tasks/new.py", "flows/other.py", "table.json", "lib/new.py"])
def test_no_answer_outlives_a_change_of_any_file(project, reads, path):
    before = ask()
    (project / path).parent.mkdir(exist_ok=True)
    (project / path).write_text("def help(x):\n    return 2 * x\n")
    assert (ask() != before) == (path == "tasks/helper.py")
    assert len(reads) == 2


def test_answers_that_were_altered_or_cut_are_worked_out_again(project, reads):
    answer = ask()
    kept = (project / ANSWERS).read_text()
    other = json.loads(kept)
    other["answers"]["tasks.load load "]["tasks/load.py: load"] = "0" * 16
    for content in (json.dumps(other), kept[:-20], "", "[]"):
        (project / ANSWERS).write_text(content)
        assert ask() == answer
    assert len(reads) == 5


def test_what_depends_on_files_that_are_not_counted_is_not_kept(project, reads):
    (project / "lib").mkdir()
    (project / "lib" / "__init__.py").write_text("")
    (project / "lib" / "more.py").write_text("X = 1\n")
    (project / "tasks" / "helper.py").write_text("from lib.more import X\n\ndef help(x):\n    return X\n")
    before = ask()
    (project / "lib" / "more.py").write_text("X = 2\n")
    assert ask() != before
    assert len(reads) == 2


def test_where_nothing_may_be_written_it_is_worked_out_each_time(project, reads):
    (project / ANSWERS).parent.rmdir()
    assert ask() == ask()
    assert len(reads) == 2


def test_a_file_that_cannot_be_read_stops_nothing(project):
    answer = ask()
    (project / "memory").symlink_to("/proc/self/mem")  # of which the beginning is nobody's
    assert ask() == answer


EDITED_TOO_LATE = """
import sys
from pathlib import Path
from tasks import download
from tasks.pipeline.progress import LogReporter
from tasks.settings import Settings
if sys.argv[1] == "edit":
    file = Path(download.__file__)
    file.write_text(file.read_text().replace("def download(", "def download(\\n"))
download.download.run(Settings(dataset=sys.argv[2], data_dir=sys.argv[3]), None, {}, LogReporter(__import__("logging")))
"""


@pytest.mark.parametrize("what", ["edit", "nothing"])
def test_code_that_is_edited_between_import_and_reading_makes_nothing(tmp_path, what):
    for package in ("flows", "tasks"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", EDITED_TOO_LATE, what, str(SPECIFICATION), str(tmp_path / "data")]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "FASHION_MNIST_DIR": str(FIXTURE)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    told = "download: the code has changed since the run began (tasks/download.py"
    assert (told in done.stderr) == (what == "edit"), done.stderr
    assert (done.returncode == 0) == (what == "nothing"), done.stderr


def test_the_content_is_that_of_one_moment(project):
    files = Files(project)
    (project / "tasks" / "load.py").write_text("")
    assert files.contents[(project / "tasks" / "load.py").relative_to(project)].decode() == LOAD
