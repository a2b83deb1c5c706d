"""The layout that makes the closure of imports complete: what a key could not see is not written in this project."""

import ast
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tasks.pipeline import PROJECT
from tasks.pipeline.code_key import DATA_FOLDER, DATA_SUFFIXES, counts
from tasks.pipeline.node import Node


def _module(path):
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts)


FILES = sorted(
    path for name in ("flows", "tasks") for path in (PROJECT / name).rglob("*") if "__pycache__" not in path.parts
)
COVERED = [path for path in FILES if path.suffix == ".py" and counts(_module(path))]
COMPUTED = {"__import__", "eval", "exec", "import_module", "compile", "globals", "locals", "find_spec"}
COMPUTED |= {"run_path", "run_module"}
ALLOWED = {f"flows/{name}.py: find_spec" for name in ("environment", "main", "study")}
ALLOWED |= {"tasks/settings/models.py: import_by_name"}


def names_in(path):
    for node in ast.walk(ast.parse(path.read_bytes())):
        yield from (getattr(node, field) for field in ("id", "attr") if hasattr(node, field))
        if isinstance(node, ast.ImportFrom | ast.Import):
            yield from ("relative import" for _ in range(getattr(node, "level", 0)))
            yield from (alias.name.rpartition(".")[2] for alias in node.names)


def test_nothing_that_a_key_covers_imports_by_a_computed_or_relative_name_runs_a_text_or_reads_a_docstring():
    """A docstring is in no key; that of a flow's settings is help alone."""
    banned = COMPUTED | {"relative import", "__doc__"}
    found = {f"{path.relative_to(PROJECT)}: {name}" for path in COVERED for name in {*names_in(path)} & banned}
    assert {name for name in found if not name.startswith("flows/") or "__doc__" not in name} <= ALLOWED


def test_a_file_at_the_top_of_tasks_is_a_node_and_nothing_else():
    names = [path.stem for path in (PROJECT / "tasks").glob("[!_]*.py")]
    assert [name for name in names if not isinstance(getattr(import_module(f"tasks.{name}"), name, None), Node)] == []


def test_every_folder_is_a_package_that_of_every_worker_is_empty_and_nothing_is_a_link():
    folders = {path.parent for path in FILES if path.suffix == ".py"}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
    assert [path for path in (PROJECT / "flows", PROJECT / "tasks", *FILES) if path.is_symlink()] == []
    assert (PROJECT / "tasks" / "__init__.py").read_bytes() == b""


def test_data_files_lie_where_a_key_covers_them_and_all_have_a_known_suffix():
    data = [path for path in FILES if path.is_file() and path.suffix != ".py"]
    assert [path for path in data if not path.is_relative_to(PROJECT / DATA_FOLDER)] == []
    assert {path.suffix for path in data} <= {*DATA_SUFFIXES}


@pytest.mark.parametrize("folder", ["", "flows"])
def test_no_module_shadows_a_library(folder):
    here = [path for path in (PROJECT / folder).glob("*") if path.suffix == ".py" or (path / "__init__.py").exists()]
    places = [Path(place) for place in sys.path if "site-packages" in place]
    installed = {path.name.partition(".")[0].partition("-")[0] for place in places for path in place.iterdir()}
    installed -= {"tests"}  # tf2onnx installs its own at the top; ours come first, as pytest and `python -m` see to it
    assert not {path.stem for path in here} & (installed | sys.stdlib_module_names)
    assert Path(import_module("tests").__file__).is_relative_to(PROJECT)
