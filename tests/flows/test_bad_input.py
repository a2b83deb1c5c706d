"""What a user can get wrong, from the command line: one sentence, an exit status, nothing half-written."""

import contextlib
import errno
import gzip
import hashlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tasks.data.idx import IMAGES, LABELS
from tasks.pipeline.staging import LOCKS
from tasks.settings.settings import PROJECT
from tests.conftest import AS_ANYONE, FIRST, FIXTURE, ON_THE_FIXTURE, SPECIFICATION, assert_refused, leftovers, run_main
from tests.fixtures.make_fixtures import idx_bytes

pytestmark = pytest.mark.slow

# Options: what is wrong with a value, see tests/tasks/settings/test_settings.py

ONE_AT_A_TIME = "--plan, --verify, --status, --rollback and --prune go one at a time"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--networks", "baseline,droput"], "no network is called 'droput'; did you mean 'dropout'?"),
        (["--epoch", "3"], "no option is called '--epoch'; did you mean '--epochs'?"),
        (["--epochs"], "argument --epochs: expected one argument; see --help"),
        (["--force", "trian"], "force: no node is called 'trian'; did you mean 'train'?"),
        (["--prune", "0"], "argument --prune: '0' is not a number of runs; see --help"),
        (["--plan", "--verify"], f"{ONE_AT_A_TIME}; --yes only with --prune"),
        (["--yes"], f"{ONE_AT_A_TIME}; --yes only with --prune"),
        (["--fresh", "train"], "--fresh is called --force now"),
        (["--keep=3"], "--keep is called --keep-runs now"),
        (["--inference", "mirrored"], "--inference is called --tta now"),
        (["--verfy"], "no option is called '--verfy'; did you mean '--verify'?"),
    ],
)
def test_an_option_that_cannot_be_used_gets_one_sentence_and_status_2(tmp_path, options, sentence):
    assert_refused(run_main(tmp_path, None, *options), sentence)
    assert list(tmp_path.iterdir()) == []


def test_a_source_folder_of_nobody_in_the_environment_gets_one_sentence_and_status_2(tmp_path, server):
    environment = server.environment | {"FASHION_MNIST_DIR": "~nobody-is-called-this/images"}
    done = run_main(tmp_path, server._replace(environment=environment))
    assert_refused(done, "FASHION_MNIST_DIR ~nobody-is-called-this/images: could not determine home")


@pytest.mark.parametrize("program", ["main.py", "study.py"])
def test_a_python_without_the_libraries_gets_one_sentence_and_status_2(program):
    command = [sys.executable, "-I", "-S", PROJECT / "flows" / program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert_refused(done, "this Python lacks libraries; `make run`")


# Files that a source gives: the others, see tests/tasks/test_download.py

ONE = ("--networks", "logistic")  # a child less, that is started early and for nothing


def test_a_source_that_may_not_be_read_gets_one_sentence_and_status_2(tmp_path, server):
    source = shutil.copytree(FIXTURE, tmp_path / "source")
    source.chmod(0)
    given = ("--dataset", str(SPECIFICATION), "--source", str(source), *ONE)
    try:
        done = run_main(tmp_path, server, *given, before=AS_ANYONE)
    finally:
        source.chmod(0o700)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: download: {FIRST} from {source}: Permission denied")
    assert last.endswith("; give --source a folder with the four files, whole")
    assert "Traceback" not in done.stderr
    assert leftovers(tmp_path / "data") == []
    assert not list((tmp_path / "data").glob("download/[!.]*"))


# Data that is not what a comparison needs: the others, see tests/tasks/test_validate.py


def label_eleven(arrays):
    arrays["train_labels"][[5, 9]] = 11


def test_bad_data_stops_the_run_before_any_training_each_time_it_is_run(tmp_path, server, data_set):
    specification = with_digests_of_its_own(data_set, label_eleven, tmp_path / "source")
    for _ in range(2):
        done = run_main(tmp_path, server, "--dataset", str(specification), "--source", str(specification.parent), *ONE)
        assert done.returncode == 1
        sentence = "train labels must be 0–9: 2 of 400 are not (index 5 is 11, index 9 is 11)"
        assert done.stderr.splitlines()[-1].startswith(f"error: validate: {sentence}")
        assert "Traceback" not in done.stderr
    assert {path.name for path in (tmp_path / "data").glob("[!.]*")} == {"raw", "runs", "download", "validate"}
    assert leftovers(tmp_path / "data") == []


def with_digests_of_its_own(data_set, damage, folder):
    """Write the fixture's files, damaged, and a specification that takes them for right; return the latter's path."""
    folder.mkdir()
    arrays = {}
    for role, file in data_set.files.items():
        whole = gzip.decompress((FIXTURE / f"{file.name}.gz").read_bytes())
        shape = (-1, 28, 28) if role.endswith("images") else (-1,)
        arrays[role] = np.frombuffer(whole, np.uint8, offset=16 if len(shape) > 1 else 8).reshape(shape).copy()
    damage(arrays)
    specification = json.loads(SPECIFICATION.read_text()) | {"name": "damaged"}
    for role, array in arrays.items():
        content = idx_bytes(IMAGES if array.ndim > 1 else LABELS, array)
        file = specification["files"][role]
        file |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        (folder / file["name"]).write_bytes(content)
    path = folder / "dataset.json"
    path.write_text(json.dumps(specification))
    return path


# The machine


class Greeter(http.server.BaseHTTPRequestHandler):
    """Another program that has the port, and answers whatever is asked."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def another_program():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Greeter) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        yield other.server_port
        other.shutdown()


@contextlib.contextmanager
def nobody_who_answers():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.mark.parametrize(("there", "fault"), [(another_program, "RuntimeError"), (nobody_who_answers, "ReadTimeout")])
def test_what_is_no_prefect_server_gets_one_sentence_and_status_1(tmp_path, server, there, fault):
    with there() as port:
        url = f"http://127.0.0.1:{port}/api"
        environment = server.environment | {"PREFECT_API_URL": url}
        done = run_main(tmp_path, server._replace(environment=environment), *ON_THE_FIXTURE)
    assert_refused(
        done,
        f"no Prefect 3 server answers at {url} (named by PREFECT_API_URL or your Prefect profile; {fault}): ",
        status=1,
    )


@pytest.mark.parametrize(("size", "node"), [("1m", "prepare"), ("5m", "train[dropout]")])
def test_a_full_disk_gets_one_sentence_and_leaves_no_half_artifact(tmp_path, server, size, node):
    disk = tmp_path / "data"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=$1 none "$2" && cd "$2" && shift 2 && { "$@"; status=$?; find .; exit $status; }'
    folders = ["--data-dir", str(disk), "--reports-dir", str(tmp_path / "reports")]
    main = [sys.executable, str(PROJECT / "flows" / "main.py"), *folders, *ON_THE_FIXTURE, "--networks", "dropout"]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", size, str(disk), *main],
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith(f"error: {node}: ")
    assert os.strerror(errno.ENOSPC).lower() in last
    assert last.endswith("free some space or choose another --data-dir")
    left = [Path(line) for line in done.stdout.splitlines()]
    assert Path("raw/fashion-mnist-600", FIRST) in left
    assert [path for path in left if path.name.startswith(".staging")] == []
    assert [path for path in left if path.name == "unfinished"] == []
    left = [path for path in left if LOCKS not in path.parts]
    artifacts = [path for path in left if len(path.parts) == 2 and path.parts[0] not in ("raw", "runs", "checkpoints")]
    assert artifacts
    assert all(artifact / "manifest.json" in left for artifact in artifacts)
