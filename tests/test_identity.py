import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tasks.artifacts import identity as identity_module
from tasks.artifacts.identity import code_digest, digest_of, versions_of
from tests.test_store import IDENTITY


@pytest.mark.parametrize(
    "change",
    [
        {"node": "validate"},
        {"network": "dropout"},
        {"settings": {"seed": 1, "limit": None}},
        {"settings": {"seed": 0, "limit": 0}},
        {"settings": {"seed": 0}},
        {"inputs": {"download": "d2"}},
        {"inputs": {"validate": "d1"}},
        {"code": "c2"},
        {"versions": {"numpy": "2.2"}},
        {"versions": {}},
    ],
    ids=str,
)
def test_the_key_changes_with_each_part_of_the_identity(change):
    assert replace(IDENTITY, **change).key != IDENTITY.key


def test_the_key_does_not_change_with_the_order_in_which_settings_are_given():
    assert replace(IDENTITY, settings={"limit": None, "seed": 0}).key == IDENTITY.key


def test_the_key_is_the_same_in_every_process():
    code = f"from tasks.artifacts.identity import Identity; print(({IDENTITY!r}).key)"
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert printed.strip() == IDENTITY.key
    assert len(IDENTITY.key) == 16


def test_values_are_digested_by_their_canonical_json():
    assert digest_of({"b": [1, 2], "a": None}) == digest_of({"a": None, "b": [1, 2]})
    assert len({digest_of(value) for value in (1, 1.5, "1", None, [1], {"1": 1}, True)}) == 7


def test_versions_are_those_of_the_installed_libraries():
    import numpy as np

    assert versions_of(("numpy",)) == {"numpy": np.__version__}


# The code's digest

SOURCES = {
    "__init__.py": "",
    "work.py": '"""Work."""\nfrom tasks import helper\nfrom tasks.page import render\n\nLIMIT = 3\n\n\n'
    'def work(count=1):\n    """Do it."""\n    return helper.double(LIMIT) + count\n',
    "helper.py": "from tasks.deeper import TWO\n\n\ndef double(number):\n    return TWO * number\n",
    "deeper.py": "TWO = 2\n",
    "unrelated.py": "THREE = 3\n",
    "errors.py": "class RunError(Exception):\n    pass\n",
    "page/__init__.py": "def render():\n    return 'page.html'\n",
    "page/figures.py": "WIDTH = 10\n",
    "page/page.html": "<p>{{ text }}</p>\n",
}


class Project:
    """A small project whose code changes."""

    def __init__(self, folder):
        self.folder = folder / "tasks"
        for name, source in SOURCES.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)

    def change(self, name, old, new):
        source = (self.folder / name).read_text()
        assert old in source
        (self.folder / name).write_text(source.replace(old, new, 1))

    def digest(self):
        return code_digest.__wrapped__("tasks.work")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(identity_module, "PROJECT", tmp_path)
    return Project(tmp_path)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("work.py", "LIMIT = 3", "# why it is so\nLIMIT = 3  # three"),
        ("work.py", '"""Work."""', '"""Work, explained at length."""'),
        ("work.py", '    """Do it."""\n', ""),
        (
            "work.py",
            "helper.double(LIMIT) + count",
            "(\n        helper.double(\n            LIMIT,\n        ) + count\n    )",
        ),
        ("helper.py", "from tasks", '"""Help."""\nfrom tasks'),
        ("helper.py", "def double", "\n\n\n\ndef double"),
        ("page/__init__.py", "'page.html'", '"page.html"'),
    ],
    ids=[
        "a comment",
        "a docstring",
        "a docstring removed",
        "a formatting",
        "a docstring added to a helper",
        "empty lines in a helper",
        "other quotes",
    ],
)
def test_what_does_not_change_the_program_does_not_change_the_digest(project, name, old, new):
    before = project.digest()
    project.change(name, old, new)
    assert project.digest() == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("work.py", "LIMIT = 3", "LIMIT = 4"),
        ("work.py", "count=1", "count=2"),
        ("work.py", "helper.double(LIMIT) + count", "helper.double(LIMIT) - count"),
        ("helper.py", "TWO * number", "TWO + number"),
        ("deeper.py", "TWO = 2", "TWO = 2.0"),
        ("page/__init__.py", "page.html", "other.html"),
        ("page/figures.py", "WIDTH = 10", "WIDTH = 12"),
        ("page/page.html", "<p>", "<div>"),
    ],
    ids=[
        "a constant",
        "a default",
        "an operator",
        "a helper",
        "a helper's helper",
        "a package",
        "a module of a package",
        "a template",
    ],
)
def test_what_changes_the_program_changes_the_digest(project, name, old, new):
    before = project.digest()
    project.change(name, old, new)
    assert project.digest() != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("unrelated.py", "THREE = 3", "THREE = 4"), ("errors.py", "pass", "exit_status = 1")],
    ids=["a module that it does not import", "how errors are shown"],
)
def test_what_the_program_does_not_use_does_not_change_the_digest(project, name, old, new):
    project.change(
        "work.py", "from tasks import helper\n", "from tasks import helper\nfrom tasks.errors import RunError\n"
    )
    before = project.digest()
    project.change(name, old, new)
    assert project.digest() == before


def test_a_template_that_is_added_changes_the_digest(project):
    before = project.digest()
    (project.folder / "page" / "style.css").write_text("p {}")
    assert project.digest() != before


def test_modules_that_import_each_other_have_a_digest(project):
    project.change("deeper.py", "TWO = 2", "import tasks.work\n\nTWO = 2")
    assert project.digest() == project.digest()


def test_a_module_imported_within_a_function_counts(project):
    project.change("work.py", "    return helper", "    from tasks.unrelated import THREE\n    return THREE + helper")
    before = project.digest()
    project.change("unrelated.py", "THREE = 3", "THREE = 4")
    assert project.digest() != before


@pytest.mark.parametrize("imported", ["from .unrelated import THREE", "from . import unrelated"])
def test_a_module_imported_by_its_relative_name_counts(project, imported):
    project.change("work.py", "from tasks import helper", f"from tasks import helper\n{imported}")
    before = project.digest()
    project.change("unrelated.py", "THREE = 3", "THREE = 4")
    assert project.digest() != before


@pytest.mark.parametrize("name", ["node_helper", "children", "settings_of_work"])
def test_a_module_whose_name_only_begins_like_one_that_does_not_count_counts(project, name):
    (project.folder / f"{name}.py").write_text("FOUR = 4\n")
    project.change("work.py", "from tasks import helper", f"from tasks import helper, {name}")
    before = project.digest()
    project.change(f"{name}.py", "FOUR = 4", "FOUR = 5")
    assert project.digest() != before


def test_a_package_counts_where_only_a_module_of_it_is_imported(project):
    project.change("work.py", "from tasks.page import render", "from tasks.page.figures import WIDTH")
    before = project.digest()
    project.change("page/__init__.py", "def render", "import tasks.helper\n\ntasks.helper.double = abs\n\n\ndef render")
    assert project.digest() != before


def test_the_real_nodes_have_digests_of_their_own():
    digests = {
        code_digest(f"tasks.{name}") for name in ("download", "validate", "prepare", "train", "evaluate", "compare")
    }
    assert len(digests) == 6
