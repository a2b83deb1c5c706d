"""What a user can get wrong, from the command line: one sentence, an exit status, nothing half-written."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli import run_command
from flows.main import dag
from flows.operations.services import listens
from flows.orchestration.ephemeral_server import prefect_api
from flows.parser import read_command
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.staging import LOCKS
from tasks.settings.settings import PROJECT, Settings
from tasks.settings.studies import FoldStudy, SearchStudy
from tests.conftest import FIRST
from tests.programs import ON_THE_FIXTURE, background, free_port, wait_until

pytestmark = pytest.mark.slow

# Options: what is wrong with a value, see tests/tasks/settings/test_settings.py


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        (Settings, ["--epochs"], "--epochs: expected one argument; see --help"),
        (Settings, ["--prune", "0"], "--prune: must be 1 or more (got 0)"),
        (Settings, ["--verfy"], "unknown option --verfy. Did you mean --verify?"),
        (Settings, ["--prun"], "unknown option --prun; see --help"),  # never an option that changes something
        (Settings, ["--margin", "0.1"], "--margin is now --min-improvement"),
        (Settings, ["run"], "unexpected argument run; see --help"),
        (FoldStudy, ["--seeds", "3"], "unknown option --seeds. Did you mean --seed?"),
        (SearchStudy, ["--network", "xgboost"], "--network must be baseline, dropout, "),
        (SearchStudy, ["--recipe-file", "/nowhere.json"], "--recipe-file /nowhere.json: no such file or directory"),
    ],
)
def test_an_option_that_cannot_be_used_gets_one_sentence(kind, options, sentence):
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}"):
        read_command(kind, options)


@pytest.mark.parametrize("actions", [{"plan": True, "verify": True}, {"yes": True}])
def test_actions_that_do_not_go_together_get_one_sentence(actions):
    with pytest.raises(
        UserError, match="^give one of --plan, --verify, --status, --rollback and --prune; --yes only with"
    ):
        run_command(dag, Settings(), actions)


@pytest.mark.parametrize(
    ("python", "program", "options", "sentence"),
    [
        ([], "main.py", ["--data-dir", "data", "--epoch", "3"], "unknown option --epoch. Did you mean --epochs?"),
        ([], "study.py", ["sedes"], "unknown study sedes. Did you mean seeds?"),
        (["-I", "-S"], "main.py", [], "this Python lacks the needed libraries; `make run`"),
        (["-I", "-S"], "study.py", [], "this Python lacks the needed libraries; `make run`"),
    ],
)
def test_such_a_command_writes_one_line_and_nothing_else_and_ends_with_2(tmp_path, python, program, options, sentence):
    command = [sys.executable, *python, PROJECT / "flows" / program, *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith(f"error: {sentence}")
    assert list(tmp_path.iterdir()) == []


# The machine


def test_what_is_no_prefect_server_gets_one_sentence(tmp_path, monkeypatch):
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "health").write_text("hello")
    refused = pytest.raises(RunError, match=f"^something else .* at {url} .*PREFECT_API_URL= make run$")
    with background(sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port), cwd=tmp_path):
        wait_until(lambda: listens(port), 20)
        with refused, prefect_api(tmp_path):
            pass


def test_a_full_disk_gets_one_sentence_and_leaves_no_half_artifact(tmp_path, server):
    disk = tmp_path / "data"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=1m none "$1" && cd "$1" && shift && { "$@"; status=$?; find .; exit $status; }'
    folders = ["--data-dir", str(disk), "--reports-dir", str(tmp_path / "reports")]
    main = [sys.executable, str(PROJECT / "flows" / "main.py"), *folders, *ON_THE_FIXTURE, "--networks", "dropout"]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(disk), *main],
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    full = f"{os.strerror(errno.ENOSPC).lower()}; free some space or choose another --data-dir"
    assert re.match(f"error: prepare: .*{full}$", done.stderr.splitlines()[-1])
    left = [Path(line) for line in done.stdout.splitlines()]
    assert Path("raw/fashion-mnist-600", FIRST) in left
    assert [path for path in left if path.name.startswith(".staging")] == []
    left = [path for path in left if LOCKS not in path.parts]
    artifacts = [path for path in left if len(path.parts) == 2 and path.parts[0] not in ("raw", "runs", "checkpoints")]
    assert artifacts
    assert all(artifact / "manifest.json" in left for artifact in artifacts)
