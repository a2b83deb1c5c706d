"""`prefect.yaml` on a real server: the README's commands deploy it, and the scheduler makes runs of it."""

import re
import subprocess
import sys

from tasks.settings import PROJECT
from tests.conftest import ask, wait_until


def prefect(server, *arguments):
    command = [sys.executable, "-m", "prefect", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env=server.environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_scheduler_makes_runs_of_the_deployment_that_has_a_schedule(server):
    commands = re.findall(r"^prefect (--no-prompt .*)$", (PROJECT / "README.md").read_text(), flags=re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        done = prefect(server, *command.split())
        assert done.returncode == 0, done.stdout + done.stderr
    deployments = {d["name"]: d for d in ask(server, "deployments")}
    assert deployments.keys() == {"nightly", "fast"}
    nightly = deployments["nightly"]["id"]

    def scheduled():
        found = ask(server, "flow_runs", deployments={"id": {"any_": [nightly]}})
        return [run for run in found if run["auto_scheduled"] and run["state_type"] == "SCHEDULED"]

    wait_until(scheduled, 60)
    assert {run["expected_start_time"][11:16] for run in scheduled()} == {"02:00"}


def test_a_parameter_out_of_bounds_is_refused_before_a_run_exists(server):
    done = prefect(server, "deployment", "run", "fashion-mnist/fast", "-p", 'settings={"epochs": 0}')
    assert done.returncode != 0
    assert "less than the minimum" in done.stdout + done.stderr or "greater than or equal" in done.stdout + done.stderr
