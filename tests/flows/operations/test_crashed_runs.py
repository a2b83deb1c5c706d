"""Which runs are dead: asked of a real server, by real processes that carry a run or do not."""

import os
import re
import socket
import subprocess
import sys

import pytest

from flows.operations import crashed_runs as module
from flows.operations.crashed_runs import FLOW_RUN_ID_ENV, mark_crashed_runs
from flows.operations.server_client import deployments, find, request


def deployment(url, name):
    return next(found for found in deployments(url) if found["name"] == name)


def create(url, name, **state):
    """Have the server know of a run in this state; return its id."""
    return request(url, f"deployments/{deployment(url, name)['id']}/create_flow_run", {"state": state})["id"]


def ghost(url, state, host=None):
    """Have the server know of a run that a worker on that host has begun, and that nobody carries."""
    run = create(url, "fast", type="PENDING")
    request(url, f"flow_runs/{run}/labels", {"prefect.worker.name": host or socket.gethostname()}, "PATCH")
    set_state(url, run, state)
    return run


def set_state(url, run, state, **more):
    request(url, f"flow_runs/{run}/set_state", {"state": {"type": state, **more}, "force": True})


def state_of(url, run):
    return request(url, f"flow_runs/{run}")["state_type"]


def running_task(url, run):
    task = {"flow_run_id": run, "task_key": "t", "dynamic_key": "0", "name": "train", "state": {"type": "RUNNING"}}
    return f"task_runs/{request(url, 'task_runs/', task)['id']}"


@pytest.fixture(autouse=True)
def nobody_else(url):
    """Leave no run to another test."""
    yield
    for run in find(url, "flow_runs", flow_runs={"state": {"type": {"not_any_": ["SCHEDULED"]}}}):
        request(url, f"flow_runs/{run['id']}", method="DELETE")


@pytest.mark.parametrize(("state", "end"), [("RUNNING", "crashed"), ("CANCELLING", "cancelled")])
def test_a_run_that_no_process_carries_crashes_with_its_tasks_or_is_cancelled_as_it_was_to_be(url, state, end):
    run = ghost(url, state)
    task = running_task(url, run)
    (message,) = mark_crashed_runs(url)
    assert re.search(f"{end}: its process on {socket.gethostname()} was killed$", message)
    assert state_of(url, run) == end.upper()
    assert request(url, task)["state_type"] == "CRASHED"
    assert mark_crashed_runs(url) == []


def test_the_tasks_of_a_run_that_has_completed_complete_too(url):
    run = ghost(url, "RUNNING")
    task = running_task(url, run)
    set_state(url, run, "COMPLETED")
    assert mark_crashed_runs(url) == []
    assert request(url, task)["state_type"] == "COMPLETED"


def test_a_run_that_a_process_carries_is_left_alone(url):
    run = ghost(url, "RUNNING")
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], env=os.environ | {FLOW_RUN_ID_ENV: run}, stdin=-1
    ) as process:
        assert mark_crashed_runs(url) == []
        assert state_of(url, run) == "RUNNING"
        process.kill()
    assert len(mark_crashed_runs(url)) == 1


def test_a_run_that_comes_to_its_end_while_others_are_told_of_is_left_as_it_is(url, monkeypatch):
    first, second = ghost(url, "RUNNING"), ghost(url, "RUNNING")

    def told_meanwhile(*_):
        set_state(url, first if state_of(url, first) == "RUNNING" else second, "COMPLETED")

    monkeypatch.setattr(module, "notify_of_failure", told_meanwhile)
    assert len(mark_crashed_runs(url)) == 1
    assert sorted([state_of(url, first), state_of(url, second)]) == ["COMPLETED", "CRASHED"]


def test_a_run_that_is_about_to_be_started_is_dead_only_where_no_worker_was_and_on_this_host(url):
    run, elsewhere = ghost(url, "PENDING"), ghost(url, "RUNNING", "elsewhere")
    assert mark_crashed_runs(url) == []
    assert len(mark_crashed_runs(url, pending=True)) == 1
    assert (state_of(url, run), state_of(url, elsewhere)) == ("CRASHED", "RUNNING")
