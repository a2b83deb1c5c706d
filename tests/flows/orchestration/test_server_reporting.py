"""What a server that is kept is told of a run, and what whoever is to know is told."""

import socket
from uuid import UUID

from prefect import flow, flow_engine
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from flows.operations.notify import WEBHOOK
from flows.operations.server_client import request
from flows.orchestration.flow import announce_result
from flows.parser import read_command
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.run_records import last_completed
from tasks.settings.settings import Settings
from tests.programs import ON_THE_FIXTURE, run_main, wait_until


def test_a_run_goes_on_that_cannot_keep_its_slot(server, caplog):
    unknown = UUID(int=7)
    with (
        temporary_settings({PREFECT_API_URL: server.url, PREFECT_LOGGING_TO_API_ENABLED: False}),
        flow_engine.maintain_concurrency_lease(unknown, 300, raise_on_lease_renewal_failure=True),
    ):
        wait_until(lambda: "Execution will continue" in caplog.text, 30)  # anything else would be raised here


def test_a_verdict_that_names_another_network_than_before_is_told(finished_run, server, receiver, monkeypatch):
    address, got, _ = receiver
    monkeypatch.setenv(WEBHOOK, address)
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    places = ("--data-dir", str(finished_run / "data"), "--reports-dir", str(finished_run / "reports"))
    settings, _ = read_command(Settings, [*ON_THE_FIXTURE, *places])
    report = Artifact.at(next((finished_run / "data" / "report").glob("[!.]*")))
    before = last_completed(settings.data_dir, settings.command)

    @flow(persist_result=False)
    def ending():
        announce_result(report, settings, before)
        keep, before.content["keep"] = before.content["keep"], "another"
        announce_result(report, settings, before)
        return keep

    with temporary_settings({PREFECT_API_URL: server.url, PREFECT_LOGGING_TO_API_ENABLED: False}):
        keep = ending()
    (told,) = got
    wanted = {"artifacts": {"key": {"any_": ["verdict"]}}, "sort": "UPDATED_DESC", "limit": 50}
    shown = [of["data"] for of in request(server.url, "artifacts/filter", wanted)]
    shown = [text for text in shown if f"load_model('{settings.data_dir}/train/{keep}-" in text]
    assert shown[0].endswith(f" --data-dir {settings.data_dir}\n```")
    assert told["event"] == "verdict changed"
    assert told["text"].startswith(f"The verdict changed: keep {keep} instead of another (fast ")
    assert told["report"].startswith("file://")
    assert told["report"].endswith(".html")


def test_a_run_that_fails_and_one_that_takes_too_long_are_told(tmp_path, server, receiver):
    address, got, _ = receiver
    notified = server._replace(environment=server.environment | {WEBHOOK: address})
    options = (*ON_THE_FIXTURE, "--networks", "dropout", "--epochs", "1000", "--time-limit", "0.001")
    done = run_main(tmp_path, notified, *options)
    assert done.returncode == 1
    why = "stopped after 0.001 hours (--time-limit); finished steps are kept"
    assert done.stderr.splitlines()[-1] == f"error: {why}"
    (told,) = got
    assert told["event"] == "failed"
    assert f": Failed: {why} · {socket.gethostname()} · http://127.0.0.1:" in told["text"]
    assert told["link"] == f"{server.url.removesuffix('/api')}/runs/flow-run/{told['run']}"
    assert (tmp_path / "data" / "download").exists()
