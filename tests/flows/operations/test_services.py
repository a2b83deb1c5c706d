"""What `make server` and the others do, beside what `tests/flows/test_deployments.py` sees of them."""

import os
import subprocess
import sys

import pytest

from flows.operations import services as module
from flows.operations.crashed_runs import FLOW_RUN_ID_ENV
from flows.operations.processes import SERVICE_ENV, find_service, kill_service
from tasks.pipeline.errors import RunError, UserError
from tasks.settings.settings import PROJECT

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HOME", tmp_path)
    monkeypatch.setattr(module, "PORT", tmp_path / "port")
    monkeypatch.delenv("PORT", raising=False)
    return tmp_path


def test_a_log_that_has_grown_large_is_emptied_while_its_service_writes_on(home, monkeypatch):
    monkeypatch.setattr(module, "MAX_LOG", 10)
    with (home / "worker.log").open("ab", buffering=0) as log:
        log.write(b"what was a year ago\n")
        module.empty_logs()
        log.write(b"now\n")
    assert (home / "worker.log").read_bytes() == b"now\n"


def test_the_port_is_the_one_that_is_given_or_the_last_one_and_what_is_none_gets_a_sentence(home, monkeypatch):
    assert module._port() == 4200
    module.PORT.write_text("4300")
    assert module._port() == 4300
    monkeypatch.setenv("PORT", "4400")
    assert module._port() == 4400
    for given in ("abc", "0", "65535"):
        monkeypatch.setenv("PORT", given)
        with pytest.raises(UserError, match=f"^PORT must be a number from 1 to 65534 .got {given}.$"):
            module.start_server()


def test_an_address_that_is_none_gets_a_sentence(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "nonsense")
    with pytest.raises(RunError, match="^no Prefect server answers at nonsense "):
        module.server_url()


def test_a_process_that_does_not_start_is_told_with_its_log(home):
    with pytest.raises(RunError, match=f"^the server did not start; see {home / 'server.log'}$"):
        module._start("server", "no_such_module", {}, lambda: False)
    assert "No module named no_such_module" in (home / "server.log").read_text()


def test_what_another_project_has_started_is_not_ours(home, monkeypatch):
    monkeypatch.setattr(module, "PROJECT", home)
    module._start("worker", "http.server 0 --bind 127.0.0.1", {}, lambda: bool(find_service("worker", home)))
    try:
        assert find_service("worker") == {}
        assert os.environ.get(SERVICE_ENV) is None
    finally:
        assert kill_service("worker", home)


def test_a_run_that_outlives_its_worker_is_taken_for_none():
    its = {SERVICE_ENV: f"worker of {PROJECT}", "PREFECT_API_URL": "http://127.0.0.1:9/api", FLOW_RUN_ID_ENV: "r1"}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=os.environ | its, stdin=-1) as process:
        assert process.pid in find_service("worker")
        assert module._api_of("worker") == ""
        process.kill()
