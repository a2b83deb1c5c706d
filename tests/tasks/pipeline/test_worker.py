"""A worker in a copy of the project, whose files are edited while it runs."""

import shutil
import subprocess
import sys

from tests.programs import PROJECT

NODE = """
from tasks.pipeline.node import node
from tasks.reporting.html import BESIDE

@node()
def edit(output):
    (BESIDE / "style.css").write_text("b {}")
    return {}
"""
SCRIPT = """
from pathlib import Path
from tasks.reporting.made_up import edit
from tasks.settings.settings import Settings

edit.run(Settings(data_dir=Path("kept")), None, {}, lambda event: None)
"""


def test_a_style_that_is_edited_while_a_node_runs_makes_no_artifact(tmp_path):
    shutil.copytree(PROJECT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tasks/reporting/made_up.py").write_text(NODE)
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    message = "RunError: edit: the code has changed since the run began (tasks/reporting/style.css); run again"
    assert message in done.stderr
    assert list((tmp_path / "kept").glob("*/[!.]*")) == []
