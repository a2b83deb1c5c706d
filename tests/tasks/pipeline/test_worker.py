"""A worker in a copy of the project, whose files are edited at the worst moment."""

import os
import py_compile
import shutil
import subprocess
import sys

import pytest

from tests.programs import PROJECT

NODE = """
from tasks.pipeline.node import node
from tasks.reporting.answer import ANSWER
from tasks.reporting.html import BESIDE, read_data

STYLE = BESIDE / "style.css"

@node()
def answer(output):
    return {"answer": ANSWER}

@node()
def edit_and_undo(output):
    STYLE.write_text("b {}")
    summary = {"style": read_data(STYLE)}
    STYLE.write_text("p {}")
    return summary
"""
SCRIPT = """
import sys
from pathlib import Path
from tasks.pipeline.errors import RunError
from tasks.reporting import made_up as nodes
from tasks.settings.settings import Settings

settings = Settings(data_dir=Path("kept"))
try:
    artifact, _ = getattr(nodes, sys.argv[1]).run(settings, None, {}, lambda event: None)
    print(artifact.summary)
except RunError as error:
    print(error)
print(*[path.name for path in settings.data_dir.glob("*/[!.]*")])
"""


@pytest.fixture
def run_in_copy(tmp_path):
    """Run a node in a copy of the project; a file of its says ANSWER = 1."""
    shutil.copytree(PROJECT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tasks/reporting/made_up.py").write_text(NODE)
    (tmp_path / "tasks/reporting/answer.py").write_text("ANSWER = 1\n")
    (tmp_path / "tasks/reporting/style.css").write_text("p {}")

    def run(node):
        command = [sys.executable, "-c", SCRIPT, node]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.splitlines()

    return run


def test_a_style_that_is_edited_while_a_node_runs_though_it_is_undone_makes_no_artifact(run_in_copy):
    told, kept = run_in_copy("edit_and_undo")
    assert told == "edit_and_undo: the code has changed since the run began (tasks/reporting/style.css); run again"
    assert kept == ""


def test_bytecode_of_older_code_is_not_run_though_it_seems_to_be_of_this_one(run_in_copy, tmp_path):
    file = tmp_path / "tasks/reporting/answer.py"
    py_compile.compile(str(file))
    before = file.stat()
    file.write_text("ANSWER = 2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    told, _ = run_in_copy("answer")
    assert told == "{'answer': 2}"
