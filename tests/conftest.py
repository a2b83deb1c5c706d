"""Fixtures that several test files share, and what they are made of."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tasks.data.dataset import DataSet, load_data_set
from tasks.download import fetch
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.cache_key import CacheKey
from tasks.pipeline.reading import sha256_of
from tasks.pipeline.run_records import recorded
from tasks.pipeline.staging import LOCKS, lock
from tasks.pipeline.store import Store
from tasks.settings.settings import PROJECT
from tests import silent
from tests.programs import FIXTURE, ON_THE_FIXTURE, SPECIFICATION, Server, prefect_server, run_main

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FIRST = "train-images-idx3-ubyte"  # the file that is fetched first
WEB_PAGE = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"

CACHE_KEY = CacheKey(
    node="prepare",
    network=None,
    settings={"seed": 0, "limit": None},
    inputs={"download": "d1"},
    code={"tasks/prepare.py": "c1"},
    versions={"numpy": "2.1"},
)

MADE = {"why": "epochs 6 → 8", "seconds": 2.5}  # of a node, as a run's record has it

# What a developer has set must not steer a test.
for name in ("FASHION_MNIST_DIR", "PREFECT_API_URL", "PREFECT_PROFILE"):
    os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server or a browser as slow: `make check` leaves it out."""
    for item in items:
        if {"server", "chromium"} & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def data_set() -> DataSet:
    """The fixture's specification: 400 training and 200 test images, real ones."""
    return load_data_set(str(SPECIFICATION))


@pytest.fixture(scope="session")
def downloaded(data_set: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The fixture's four files, as the first node leaves them."""
    folder = tmp_path_factory.mktemp("downloaded")
    fetch(data_set, folder, FIXTURE, silent)
    return Artifact(folder, {})


@pytest.fixture
def raw(tmp_path):
    """Where the four files are to lie."""
    return tmp_path / "data" / "raw" / "fashion-mnist-600"


def assert_whole(data_set, raw):
    """Every file is there, verified, and nothing else."""
    assert {path.name: sha256_of(path) for path in raw.iterdir()} == {
        file.name: file.sha256 for file in data_set.files.values()
    }


def produce(folder, lock=None):
    """Make two files, one of them in a folder."""
    (folder / "numbers.txt").write_text("one two three")
    (folder / "more").mkdir()
    (folder / "more" / "letters.txt").write_text("a b c")
    return {"count": 3}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "data")


@pytest.fixture
def artifact(store):
    return store.make(CACHE_KEY, produce)[0]


def set_aside(store):
    """Return what was damaged and is kept."""
    return sorted(store.data_dir.glob("*/damaged-*"))


def full(*_):
    """Say what the system says where a disk is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def killed_at_work(data_dir: Path) -> int:
    """Have a run that is killed once it has made something; return its process number."""
    if child := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        return child
    with recorded(data_dir, command="python flows/main.py") as record:
        record.node("train[dropout]", "k1", False, MADE)
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(1)


def everything_in(folder):
    """Return all that there is but the locks, which stay."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if LOCKS not in path.parts)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real Prefect server with a home of its own, for all its tests."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture(scope="session")
def url(server: Server) -> str:
    """The API of the server, once it has the deployments."""
    subprocess.run(
        [sys.executable, "-m", "flows.operations.services", "deploy"], cwd=PROJECT, env=server.environment, check=True
    )
    return server.url


@pytest.fixture(scope="session")
def finished_run(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run over the fixture, both networks, one epoch: `data/`, `reports/`, `output`."""
    return made_once(tmp_path_factory, server, "main.py")


@pytest.fixture(scope="session")
def two_seeds(server: Server, tmp_path_factory: pytest.TempPathFactory, finished_run: Path) -> Path:
    """The folder of a study of two seeds over the fixture, both networks, one epoch, as `finished_run`, the first."""
    known = (finished_run / "data").iterdir()
    return made_once(tmp_path_factory, server, "study.py", "seeds", "--seeds", "2", known=known)


def prepared_in(run: Path) -> list[Path]:
    """Return what a run has made before its trainings."""
    return [run / "data" / node for node in ("download", "validate", "prepare")]


@pytest.fixture
def prepared_run(finished_run: Path, tmp_path: Path) -> Path:
    """A folder in whose `data/` all stands that comes before the trainings."""
    for known in prepared_in(finished_run):
        shutil.copytree(known, tmp_path / "data" / known.name)
    return tmp_path


def made_once(
    tmp_path_factory: pytest.TempPathFactory, server: Server, *program: str, known: Iterable[Path] = ()
) -> Path:
    """Return the folder of a run over the fixture, for all to read: the first of pytest's processes to want it runs."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"made-{'-'.join(program)}"
    whole = folder / "whole"
    with lock(folder):
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for artifacts in known:
                shutil.copytree(artifacts, folder / "data" / artifacts.name)
            done = run_main(folder, server, *ON_THE_FIXTURE, program=program)
            assert done.returncode == 0, done.stderr
            (folder / "output").write_text(done.stdout)
            whole.touch()
    return folder


@pytest.fixture
def receiver():
    """A receiver, its address, and what it has got; it answers as it is told."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answer["status"])
            self.end_headers()

        def log_message(self, *_):
            pass

    got, answer = [], {"status": 200}
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hooks/a-secret", got, answer
        server.shutdown()


@pytest.fixture(scope="session")
def chromium():
    if not CHROMIUM and not os.environ.get("CI"):
        pytest.skip("Chromium is not installed: the browser tests DID NOT RUN")
    assert CHROMIUM, "CI must run the browser tests, and there is no Chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])  # its pages are ours
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def tensorflow():
    """Start TensorFlow in this process, as a worker does it."""
    from tasks.training.tensorflow import start_tensorflow

    start_tensorflow(1)
