"""`setup.sh`, on a project that needs no package: the environment is there whole, or as it was before."""

import shutil
import subprocess

import pytest

from tests.programs import PROJECT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny project")
    shutil.copy(PROJECT / "setup.sh", folder)
    (folder / "tiny.py").touch()
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        (folder / name).touch()
    start(folder).wait()
    return folder


def start(folder, *what):
    return subprocess.Popen(["./setup.sh", *what], cwd=folder, stderr=subprocess.PIPE, text=True)


def of(folder):
    """What identifies the environment, if it works."""
    subprocess.run([folder / ".venv" / "bin" / "python", "-c", "import tiny"], check=True)
    assert [path.name for path in folder.glob(".venv*")] == [".venv"]
    return (folder / ".venv" / "ready").stat().st_ino


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


def test_extras_stay_when_the_environment_is_made_again(project):
    (project / "requirements.lock").write_text("")
    assert not (project / ".venv" / "extras").exists()
    for what in ("extras", ""):
        (project / "requirements-dev.lock").touch()
        assert start(project, *filter(None, [what])).wait() == 0
        assert (project / ".venv" / "extras").exists()
        of(project)
