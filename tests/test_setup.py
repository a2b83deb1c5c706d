"""`setup.sh`, on a project that needs no package: the environment is there whole, or as it was before."""

import shutil
import subprocess

import pytest

from tests.conftest import PROJECT

PYPROJECT = """
[project]
name = "tiny"
version = "0"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """
import zipfile
def build_editable(folder, *_):
    with zipfile.ZipFile(f"{folder}/tiny-0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 0\\n")
        wheel.writestr("tiny-0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("tiny-0.dist-info/entry_points.txt", "[console_scripts]\\ntiny = tiny:main\\n")
        wheel.writestr("tiny-0.data/scripts/tool.py", "#!python\\n")
        wheel.writestr("tiny-0.dist-info/RECORD", "")
    return "tiny-0-py3-none-any.whl"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny project")
    shutil.copy(PROJECT / "setup.sh", folder)
    for name, content in {"pyproject.toml": PYPROJECT, "backend.py": BACKEND, "requirements.lock": ""}.items():
        (folder / name).write_text(content)
    start(folder).wait()
    return folder


def start(folder):
    return subprocess.Popen(["./setup.sh"], cwd=folder, stderr=subprocess.PIPE, text=True)


def of(folder):
    """What identifies the environment, if it works."""
    subprocess.run([folder / ".venv" / "bin" / "python", "-c", "import tiny"], check=True)
    assert [path.name for path in folder.glob(".venv*")] == [".venv"]
    return (folder / ".venv" / "ready").stat().st_ino


def test_scripts_name_the_environment_where_it_is(project):
    assert f"{project}/.venv/bin/python" in (project / ".venv" / "bin" / "tiny").read_text()
    assert not any(b".venv.new" in path.read_bytes() for path in (project / ".venv" / "bin").glob("[at]*"))


def test_of_two_at_once_one_makes_it_and_the_other_takes_it(project):
    before = of(project)
    (project / "requirements.lock").touch()
    first = start(project)
    assert first.stderr.readline().startswith("setup: making .venv with Python 3.")
    _, told = start(project).communicate()
    assert told == "setup: another one makes .venv; waiting for it\n"
    first.communicate()
    assert first.returncode == 0
    assert of(project) != before


def test_where_it_fails_the_old_one_stays(project):
    before = of(project)
    (project / "requirements.lock").write_text("no-version-and-no-hash\n")
    failed = start(project)
    failed.communicate()
    assert failed.returncode != 0
    assert of(project) == before
