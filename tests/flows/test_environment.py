import os
import re
import subprocess
import sys
from unittest.mock import patch

import pytest

from flows.environment import settle_environment
from tasks.data.dataset import FASHION_MNIST
from tasks.download import fetch
from tasks.settings.settings import Settings
from tests import silent
from tests.programs import PROJECT

pytestmark = pytest.mark.slow

PROFILES = """
active = "work"

[profiles.work]
PREFECT_API_URL = "http://127.0.0.1:9/api"
PREFECT_API_KEY = "k"

[profiles.home]
PREFECT_LOGGING_LEVEL = "DEBUG"
"""
AT_WORK = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_API_KEY": "k"}


def test_the_smoke_preset_on_the_real_data_depends_on_nothing_that_the_user_has_set_for_others_and_leaves_that_alone(
    tmp_path,
):
    home, others = tmp_path / "home", tmp_path / "others"
    (home / ".prefect").mkdir(parents=True)
    (home / ".prefect" / "profiles.toml").write_text("active = [damaged")
    (home / ".prefect" / "prefect.db").write_text("of an older Prefect, or damaged")
    (home / ".config" / "matplotlib").mkdir(parents=True)
    (home / ".config" / "matplotlib" / "matplotlibrc").write_text("backend: module://not_there\n")
    others.mkdir()
    for name in ("tasks", "numpy"):
        (others / f"{name}.py").write_text("raise SystemExit('another module of that name')\n")
    (tmp_path / ".env").write_text("PREFECT_API_URL=http://127.0.0.1:9/api\nPREFECT_SERVER_API_AUTH_STRING=a:b\n")
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    hostile = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "http_proxy": "http://127.0.0.1:9",
        "no_proxy": "example.org",
        "ALL_PROXY": "socks://127.0.0.1:9",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PREFECT_SERVER_API_AUTH_STRING": "user:password",
        "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false",
        "PYTHONPATH": str(others),
        "GIT_DIR": str(tmp_path / "another.git"),
    }
    raw = PROJECT / "data" / "raw" / FASHION_MNIST.name
    fetch(FASHION_MNIST, raw, Settings().source_folder, silent)
    options = ["--preset", "smoke", "--source", raw, "--data-dir", "data", "--reports-dir", "reports"]
    command = [sys.executable, PROJECT / "flows" / "main.py", *options]
    done = subprocess.run(command, cwd=tmp_path, env=hostile, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("Done: 9 of 9 steps ran, 0 reused (")
    assert "This run used only 2,000 of the 60,000 training images" in done.stdout
    page = (tmp_path / "reports" / "latest.html").read_text(encoding="utf-8")
    assert re.search("limit</th><td>none</td><td>2,?000</td>", page)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, AT_WORK),
        ({"PREFECT_PROFILE": "home"}, {}),
        ({"PREFECT_PROFILE": "local"}, {"PREFECT_API_URL": "http://127.0.0.1:4200/api"}),  # as Prefect itself has it
        ({"PREFECT_PROFILES_PATH": "not there"}, {}),
        ({"PREFECT_API_URL": ""}, {}),
        ({"PREFECT_API_URL": "http://127.0.0.1:8/api"}, AT_WORK | {"PREFECT_API_URL": "http://127.0.0.1:8/api"}),
    ],
)
def test_the_environment_or_else_the_active_profile_names_the_server_and_no_proxy_stands_before_it(
    tmp_path, given, named
):
    (tmp_path / "profiles.toml").write_text(PROFILES)
    users = {"HOME": str(tmp_path), "PREFECT_HOME": str(tmp_path), "all_proxy": "socks://p:1", "no_proxy": "a.org"}
    with patch.dict(os.environ, users | given, clear=True):
        settle_environment()
        found = dict(os.environ)
    assert found.pop("PREFECT_HOME") == str(PROJECT / "data" / "prefect")
    assert {name: value for name, value in found.items() if name.startswith("PREFECT")} == named
    assert found["no_proxy"] == found["NO_PROXY"] == "a.org,127.0.0.1,localhost,::1"
    assert "all_proxy" not in found


def test_a_terminal_that_lacks_a_sign_shows_another():
    latin = os.environ | {"PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, str(PROJECT / "flows" / "main.py"), "--networks", "a→b"]
    said = subprocess.run(command, env=latin, capture_output=True, check=False).stderr.decode("latin-1")
    assert said.startswith("error: unknown network a?b; choose from ")
