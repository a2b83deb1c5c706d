"""What a user can get wrong, from the command line: one sentence, an exit status, nothing half-written."""

import errno
import gzip
import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli import run_command
from flows.main import dag
from flows.orchestration.ephemeral_server import prefect_api
from flows.parser import read_command
from tasks.data.idx import LABELS
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.staging import LOCKS
from tasks.settings.settings import PROJECT, Settings
from tasks.settings.studies import FoldStudy, SearchStudy
from tests.conftest import FIRST
from tests.fixtures.make_fixtures import idx_bytes
from tests.programs import FIXTURE, ON_THE_FIXTURE, SPECIFICATION, assert_refused, leftovers, run_main

pytestmark = pytest.mark.slow

# Options: what is wrong with a value, see tests/tasks/settings/test_settings.py


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        (Settings, ["--epoch", "3"], "unknown option --epoch. Did you mean --epochs?"),
        (Settings, ["--epochs"], "--epochs: expected one argument; see --help"),
        (Settings, ["--prune", "0"], "--prune: must be 1 or more (got 0)"),
        (Settings, ["--verfy"], "unknown option --verfy. Did you mean --verify?"),
        (Settings, ["--prun"], "unknown option --prun; see --help"),  # never an option that changes something
        (Settings, ["--margin", "0.1"], "--margin is now --min-improvement"),
        (Settings, ["run"], "unexpected argument run; see --help"),
        (Settings, ["--epochs", "0"], "--epochs must be 1 or more (got 0)"),
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
    ("program", "sentence"),
    [
        (("main.py", "--epoch", "3"), "unknown option --epoch. Did you mean --epochs?"),
        (("study.py", "sedes"), "unknown study sedes. Did you mean seeds?"),
    ],
)
def test_such_a_command_writes_one_line_and_nothing_else_and_ends_with_2(tmp_path, program, sentence):
    assert_refused(run_main(tmp_path, None, program=program), sentence)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("program", ["main.py", "study.py"])
def test_a_python_without_the_libraries_gets_one_sentence_and_status_2(program):
    command = [sys.executable, "-I", "-S", PROJECT / "flows" / program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert_refused(done, "this Python lacks the needed libraries; `make run`")


# Data that is not what a comparison needs: the others, see tests/tasks/test_validate.py


def test_bad_data_stops_the_run_before_any_training_each_time_it_is_run(tmp_path, server, data_set):
    specification = with_bad_labels(data_set, tmp_path / "source")
    given = ("--dataset", str(specification), "--source", str(specification.parent), "--networks", "logistic")
    sentence = "Labels are 0–9 (train): 2 of 400 outside (index 5 is 11, index 9 is 11)"
    for _ in range(2):
        done = run_main(tmp_path, server, *given)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(f"error: validate: {sentence}")
        assert "Traceback" not in done.stderr
    assert {path.name for path in (tmp_path / "data").glob("[!.]*")} == {"raw", "runs", "download", "validate"}
    assert leftovers(tmp_path / "data") == []


def with_bad_labels(data_set, folder):
    """Write the fixture's files, two labels damaged, and a specification that takes them for right; return its path."""
    folder.mkdir()
    specification = json.loads(SPECIFICATION.read_text()) | {"name": "damaged"}
    for role, file in data_set.files.items():
        content = gzip.decompress((FIXTURE / f"{file.name}.gz").read_bytes())
        if role == "train_labels":
            labels = np.frombuffer(content, np.uint8, offset=8).copy()
            labels[[5, 9]] = 11
            content = idx_bytes(LABELS, labels)
        specification["files"][role] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        (folder / file.name).write_bytes(content)
    path = folder / "dataset.json"
    path.write_text(json.dumps(specification))
    return path


# The machine


def test_what_is_no_prefect_server_gets_one_sentence(tmp_path, monkeypatch):
    class Greeter(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Greeter) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{other.server_port}/api"
        monkeypatch.setenv("PREFECT_API_URL", url)
        refused = pytest.raises(RunError, match=f"^something else .* at {url} .*PREFECT_API_URL= make run$")
        with temporary_settings({PREFECT_API_URL: url}), refused, prefect_api(tmp_path):
            pass
        other.shutdown()


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
