"""`prefect.yaml` on a real server: the README's commands deploy it, and the scheduler makes runs of it."""

import json
import re
import shlex
import subprocess
import sys

import pytest

from flows.command_line import read_options
from tasks.settings import PROJECT, parse_settings
from tests.conftest import ON_THE_FIXTURE, ask, leftovers, wait_until

# What follows `prefect` in the README, command by command.
README = [
    shlex.split(command)
    for command in re.findall(r"^prefect (.*)$", (PROJECT / "README.md").read_text(), flags=re.MULTILINE)
]


def prefect(server, *arguments):
    command = [sys.executable, "-m", "prefect", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env=server.environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def deployments(server):
    """The deployments that the README's commands make, by name."""
    assert [command[:2] for command in README[:2]] == [["--no-prompt", "work-pool"], ["--no-prompt", "deploy"]]
    for command in README[:2]:
        done = prefect(server, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    return {d["name"]: d for d in ask(server, "deployments")}


def test_the_scheduler_makes_runs_of_the_deployment_that_has_a_schedule(server, deployments):
    assert deployments.keys() == {"nightly", "fast"}
    nightly = deployments["nightly"]["id"]

    def scheduled():
        found = ask(server, "flow_runs", deployments={"id": {"any_": [nightly]}})
        return [run for run in found if run["auto_scheduled"] and run["state_type"] == "SCHEDULED"]

    wait_until(scheduled, 60)
    assert {run["expected_start_time"][11:16] for run in scheduled()} == {"02:00"}


def test_a_worker_runs_what_was_deployed_and_leaves_the_report(server, deployments, tmp_path):
    folders = {"data_dir": str(tmp_path / "data"), "reports_dir": str(tmp_path / "reports")}
    given = parse_settings(read_options(ON_THE_FIXTURE) | folders | {"networks": "dropout"})
    settings = given.model_dump_json(exclude_unset=True)
    (*run, example), worker = README[2:]
    assert read_options(["--preset", "smoke"]) == json.loads(example.removeprefix("settings="))
    done = prefect(server, *run, f"settings={settings}")
    assert done.returncode == 0, done.stdout + done.stderr
    worked = prefect(server, *worker, "--run-once")
    (run,) = [r for r in ask(server, "flow_runs") if r["deployment_id"] == deployments["fast"]["id"]]
    assert run["state_name"] == "Completed", worked.stdout + worked.stderr
    assert "Only dropout was trained" in (tmp_path / "reports" / "latest.html").read_text(encoding="utf-8")
    assert leftovers(tmp_path) == []


def test_a_parameter_out_of_bounds_is_refused_before_a_run_exists(server, deployments):
    done = prefect(server, "deployment", "run", "fashion-mnist/fast", "-p", 'settings={"epochs": 0}')
    assert done.returncode != 0
    assert "less than the minimum" in done.stdout + done.stderr or "greater than or equal" in done.stdout + done.stderr
