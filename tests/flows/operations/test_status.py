"""The status: what is said, and what counts as wrong; asked of a real server that has the deployments and no worker."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from flows.cli import run_command
from flows.main import dag
from flows.operations import status as module
from flows.operations.server_client import request
from flows.operations.status import status
from tasks.pipeline.champions import FILE, promote
from tasks.pipeline.run_records import recorded
from tasks.settings.settings import Settings
from tests.conftest import killed_at_work
from tests.flows.operations.test_crashed_runs import create, deployment, ghost, set_state
from tests.programs import wait_until


@pytest.fixture
def status_of(tmp_path, monkeypatch):
    """Ask for the status of a data folder; return the rows as a dictionary, and what is wrong."""
    monkeypatch.setattr(module, "DATABASE", tmp_path / "prefect.db")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(module, "MIN_FREE", 0)

    def status_of(url=None):
        if url:
            monkeypatch.setenv("PREFECT_API_URL", url)
        how, wrong = status(Settings(data_dir=tmp_path / "data"))
        return dict(how), wrong

    return status_of


def run(tmp_path, state="completed", **known):
    with recorded(tmp_path / "data", command="", recipe="fast") as record:
        record.node("report", "k1", False, {"why": "", "seconds": 1.0})
        record.end(state, **known)


def test_where_nothing_is_scheduled_only_the_last_run_and_the_free_space_count(status_of, tmp_path, monkeypatch):
    run(tmp_path, keep="dropout")
    how, wrong = status_of()
    assert re.fullmatch(r"completed \d s ago \(fast, verdict: keep dropout\)", how["last run"])
    assert (how["server"], "champion" in how) == ("none; no runs are scheduled", False)
    assert wrong == []
    monkeypatch.setattr(module, "MIN_FREE", 1 << 60)
    (wrong,) = status_of()[1]
    assert re.fullmatch(r"only [\d.]+ GB free in .+/data", wrong)
    (tmp_path / "prefect.db").touch()  # a server was used here
    wrong, _ = status_of()[1]
    assert wrong.startswith("no Prefect server is running here: start one with `make server`")


def test_where_something_is_wrong_the_command_says_so_and_returns_1(status_of, tmp_path, capsys):
    assert run_command(dag, Settings(data_dir=tmp_path / "data"), {"status": True}) == 1
    assert f"no run has ended yet in {tmp_path / 'data'}" in capsys.readouterr().out
    assert not (tmp_path / "data").exists()


def test_how_the_last_run_ended_is_said_on_one_line_and_that_one_is_at_work(status_of, tmp_path):
    run(tmp_path, "failed", message="\x1b[2Jthe loss is nan\nand more", keep="dropout)\nserver  none")
    how, wrong = status_of()
    assert re.fullmatch(r"failed \d s ago \(fast, verdict: keep dropout\)\\nserver  none\)", how["last run"])
    assert wrong == [r"the last run failed: \x1b[2Jthe loss is nan"]
    killed_at_work(tmp_path / "data")
    assert status_of()[1] == ["the last run died: its process was killed"]
    with recorded(tmp_path / "data", command=""):
        assert status_of()[0]["now"] == "a run is active"


def test_the_champion_is_shown_and_a_damaged_record_of_it_is_a_problem(status_of, tmp_path):
    known = {"network": "dropout", "recipe": "fast", "command": "", "evaluate": "e", "train": "t"}
    promote(tmp_path / "data", None, **known, reason="why\nelse")
    assert re.fullmatch(r"dropout \(fast\), since 20\d\d-\d\d-\d\d; why\\nelse", status_of()[0]["champion"])
    (tmp_path / "data" / FILE).write_text("{")
    assert re.match(rf"{tmp_path}/data/{FILE} is damaged: ", status_of()[1][-1])


def test_the_next_run_of_each_schedule_is_said_and_that_no_worker_is_there(status_of, url):
    wait_until(lambda: "next" in status_of(url)[0]["nightly"], 60)
    how, wrong = status_of(url)
    assert re.fullmatch(r"next 20\d\d-\d\d-\d\d 02:00 UTC, in \d+ \w+; never run", how["nightly"])
    assert how["fast"] == "nothing is due; never run"
    assert how["worker"] == "none"
    assert "no worker is running, so scheduled runs will not start; start one with `make worker`" in wrong


def test_a_run_that_should_have_begun_and_did_not_is_said_unless_it_waits_for_its_slot(status_of, url):
    due = (datetime.now(UTC) - timedelta(hours=5)).isoformat()
    late = create(url, "fast", type="SCHEDULED", state_details={"scheduled_time": due})
    assert "fast was due 5 h ago and has not started: no worker picks up its runs" in status_of(url)[1]
    soon = {"scheduled_time": (datetime.now(UTC) + timedelta(seconds=30)).isoformat()}
    set_state(url, late, "SCHEDULED", name="AwaitingConcurrencySlot", state_details=soon)
    assert not any(wrong.startswith("fast was due") for wrong in status_of(url)[1])
    request(url, f"flow_runs/{late}", method="DELETE")


def test_a_schedule_that_never_fires_is_said(status_of, url, monkeypatch):
    identifier = deployment(url, "fast")["id"]
    never = {"schedule": {"cron": "0 0 30 2 *", "timezone": "UTC"}, "active": True}
    (made,) = request(url, f"deployments/{identifier}/schedules", [never])
    monkeypatch.setattr(module, "LATE_AFTER", -1)  # it was deployed a moment ago
    wrong = "fast has a schedule but no upcoming run: it never fires, or the server does not schedule it"
    assert wrong in status_of(url)[1]
    request(url, f"deployments/{identifier}/schedules/{made['id']}", method="DELETE")
    assert wrong not in status_of(url)[1]


def test_a_deployment_whose_last_run_crashed_is_said_until_one_goes_well(status_of, url):
    set_state(url, create(url, "watch", type="PENDING"), "CRASHED", message="its process was killed")
    said = r"^the last run of watch \([\w-]+\) crashed: its process was killed$"
    assert re.search(said, "\n".join(status_of(url)[1]), re.MULTILINE)
    set_state(url, create(url, "watch", type="PENDING"), "COMPLETED")
    assert "of watch" not in "\n".join(status_of(url)[1])
    assert re.search(r"last run Completed \d+ s ago$", status_of(url)[0]["watch"])


def test_a_deployment_that_the_server_does_not_know_is_said(status_of, url, tmp_path, monkeypatch):
    specification = tmp_path / "prefect.yaml"
    specification.write_text("deployments: [{name: nightly}, {entrypoint: a.b, 'name': weekly}]  # - name: never")
    monkeypatch.setattr(module, "SPECIFICATION", specification)
    assert "not deployed: weekly; run `make deploy`" in status_of(url)[1]


def test_a_run_whose_process_is_gone_is_said(status_of, url):
    run = ghost(url, "RUNNING")
    name = request(url, f"flow_runs/{run}")["name"]
    assert f"the server lists {name} as running, but its process is gone" in status_of(url)[1]
    request(url, f"flow_runs/{run}", method="DELETE")
