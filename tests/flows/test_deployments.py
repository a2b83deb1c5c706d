"""`prefect.yaml` and `docs/deployments.md`: a real server, a real worker, a real schedule, on the real data."""

import json
import re
import shutil
import urllib.request
from pathlib import Path

import pytest

from flows.operations.server_client import find, request
from flows.operations.services import listens
from tasks.pipeline.errors import RunError
from tasks.settings.settings import Settings
from tests.deployed import deployed
from tests.programs import PROJECT, background, wait_until

pytestmark = pytest.mark.slow

PAGE = (PROJECT / "docs" / "deployments.md").read_text()
COMMANDS = re.findall(r"^(?!```).+$", PAGE.partition("## Commands\n\n```\n")[2].partition("```")[0], re.MULTILINE)
STUDIES = ("seeds", "folds", "search")
COMPLETED = {"type": "COMPLETED", "name": "Completed"}
SMOKE = {"preset": "smoke"}
LONG = {"preset": "smoke", "networks": ["dropout"], "epochs": 1000}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project in which the page's first commands have been given."""
    assert COMMANDS[:3] == ["make server", "make deploy", "make worker"]
    with deployed(tmp_path_factory.mktemp("deployed")) as copy:
        if (raw := PROJECT / "data" / "raw").is_dir():  # spares the download, which has tests of its own
            shutil.copytree(raw, copy.data / "raw")
        for command in COMMANDS[:2]:
            copy.command(command)
        copy.as_deployed = {name: copy.deployment(name) for name in ("nightly", "watch", "fast", *STUDIES)}
        copy.unschedule("watch")  # at the next quarter of an hour it would begin, in the midst of a test
        copy.command(COMMANDS[2])
        yield copy


@pytest.fixture(scope="module")
def first(copy):
    """The first run, as the page starts it: its id."""
    printed = copy.command("\n".join(COMMANDS[3:5]).replace("4200", str(copy.port)))
    assert "Flow run finished successfully" in printed
    (run,) = copy.runs("fast")
    return run["id"]


@pytest.fixture(scope="module")
def scheduled(copy, first):
    """The first run that a schedule of 10 s has brought, complete."""
    copy.schedule("watch", 10, SMOKE)
    wait_until(lambda: copy.runs("watch", "COMPLETED"), 120, lambda: str(copy.runs("watch")))
    copy.unschedule("watch")
    return copy.runs("watch", "COMPLETED")[0]


def test_the_commands_may_be_given_again_and_say_which_run_died_while_nobody_could(copy, first):
    """Such as one whose worker found the server without room for the news."""
    assert "was already running" in copy.command("make server")
    request(copy.url, f"flow_runs/{first}/set_state", {"state": {"type": "RUNNING", "name": "Running"}, "force": True})
    assert "was killed\nThe worker was already running" in copy.command("make worker")
    assert copy.run(first)["state_type"] == "CRASHED"
    request(copy.url, f"flow_runs/{first}/set_state", {"state": COMPLETED, "force": True})


def test_server_and_pages_listen_on_this_machine_only(copy):
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    for port in (copy.port, copy.port + 1):
        addresses = re.findall(rf"\d+: ([0-9A-F]+):{port:04X} 0+:0000 0A", listening)
        assert addresses == ["0100007F"]


def test_the_deployments_have_the_schedules_that_the_page_names(copy):
    found = copy.as_deployed
    schedules = {name: [s["schedule"] for s in deployment["schedules"]] for name, deployment in found.items()}
    assert [(s["cron"], s["timezone"]) for s in schedules.pop("nightly")] == [("0 2 * * *", "UTC")]
    assert [s["interval"] for s in schedules.pop("watch")] == [900.0]
    assert list(schedules.values()) == [[], [], [], []]
    strategies = {name: d["concurrency_options"]["collision_strategy"] for name, d in found.items()}
    assert strategies == dict.fromkeys(found, "ENQUEUE") | dict.fromkeys(("nightly", "watch"), "CANCEL_NEW")
    for deployment in found.values():
        Settings.model_validate(deployment["parameters"]["settings"])
        assert str(copy.project) not in json.dumps(deployment), "a path of this machine"


def test_the_first_run_completes_named_by_recipe_and_key_with_progress_verdict_and_report_beside_it(copy, first):
    run = copy.run(first)
    assert run["state_name"] == "Completed"
    (report,) = (copy.data / "report").glob("[!.]*")
    assert run["name"] == f"smoke-{report.name[:8]}"
    tasks = copy.tasks(first)
    assert set(tasks.values()) == {"Completed"}
    assert {"download", "train[baseline]", "train[dropout]", "evaluate[dropout]", "report"} <= tasks.keys()
    of_it = {"flow_run_id": {"any_": [first]}}
    log = [line["message"] for line in find(copy.url, "logs", logs=of_it)]
    assert f"Data: {copy.data}. Reports: {copy.project / 'reports'}." in "\n".join(log)
    shown = {artifact["key"]: artifact for artifact in find(copy.url, "artifacts", artifacts=of_it)}
    progress = shown["progress-of-train-dropout"]
    assert (progress["type"], progress["data"]) == ("progress", 100)
    assert "validation accuracy" in progress["description"]
    assert {row["network"] for row in json.loads(shown["comparison"]["data"])} == {"baseline", "dropout"}
    facts = json.loads((report / "manifest.json").read_text())["summary"]
    assert facts["verdict"][0] in shown["verdict"]["data"]
    (link,) = re.findall(r"\((http://[^)]+)\)", shown["report"]["data"])
    with urllib.request.urlopen(link, timeout=10) as page:
        assert page.read() == (copy.project / "reports" / "latest.html").read_bytes()


def test_a_scheduled_run_after_it_completes_with_every_task_cached(copy, first, scheduled):
    assert (scheduled["name"], scheduled["auto_scheduled"]) == (copy.run(first)["name"], True)
    assert set(copy.tasks(scheduled["id"]).values()) == {"Cached"}


@pytest.mark.parametrize(
    ("name", "settings", "more", "message"),
    [
        ("fast", {"epoch": 3}, {}, "'epoch' was unexpected"),
        ("fast", {"networks": ["basline"]}, {}, "'basline' is not one of ['baseline', 'dropout', "),
        ("fast", {}, {"epochs": 3}, "'epochs' is not one of ['settings']"),
        ("seeds", {"seeds": 1}, {}, "1 is less than the minimum of 2"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_before_there_is_a_run(copy, name, settings, more, message):
    before = len(copy.runs(name))
    with pytest.raises(RunError, match=re.escape(message)):
        copy.start(name, settings, **more)
    assert len(copy.runs(name)) == before


def test_the_status_is_well_where_all_is(copy, scheduled):
    copy.schedule("watch", 600, SMOKE)
    wait_until(lambda: copy.runs("watch", "SCHEDULED"), 60)
    printed = copy.command(COMMANDS[5])
    assert re.search(r"^last run +completed", printed, re.MULTILINE)
    assert re.search(r"^worker +last seen \d+ s ago", printed, re.MULTILINE)
    assert re.search(r"^nightly +next 20\d\d-\d\d-\d\d 02:00 UTC", printed, re.MULTILINE)


def test_nothing_runs_after_the_last_command_and_what_ran_was_cancelled_with_its_children(copy, scheduled):
    assert COMMANDS[6:] == ["make stop", "unset PREFECT_API_URL"]
    copy.unschedule("watch")
    run = copy.start("fast", LONG)
    wait_until(lambda: list(copy.data.glob("checkpoints/*/*")), 60, lambda: str(copy.run(run)["state"]))
    printed = copy.command(COMMANDS[6])
    assert printed == "Stopped: worker, server, pages\n"
    for service in ("server", "worker", "pages"):
        assert copy.processes(service) == {}
    assert copy.command(COMMANDS[6]) == "Nothing was running.\n"
    copy.command("make server worker")  # which ends the tasks whose news the server had not yet taken in
    going_on = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
    assert copy.run(run)["state_type"] == "CANCELLED"
    assert find(copy.url, "flow_runs", flow_runs=going_on) == []
    assert find(copy.url, "task_runs", task_runs=going_on) == []


def test_make_says_who_is_in_the_way_of_a_port(tmp_path):
    with deployed(tmp_path) as copy, background("python3", "-m", "http.server", "--bind", "127.0.0.1", str(copy.port)):
        wait_until(lambda: listens(copy.port), 20)
        with pytest.raises(AssertionError, match=f"port {copy.port}: address already in use"):
            copy.command("make server")
