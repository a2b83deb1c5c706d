"""The flow's tasks: how a node's end becomes a state, and what whoever watches hears of it."""

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from flows.orchestration.task import as_task
from tasks.pipeline.progress import watchers
from tasks.settings.settings import Settings
from tasks.train import train
from tests import worker_functions as nodes


class Failures:
    """A watcher that remembers each failure."""

    def __init__(self):
        self.told = []

    def __call__(self, event):
        if event.kind == "failed":
            self.told.append((event.note, event.detail))


@pytest.fixture
def end_of(server, tmp_path):
    """Run a node as a Prefect task; return its state and the failures that were told."""

    def end_of(of_node):
        failures = Failures()
        watchers.append(failures)
        try:
            with temporary_settings({PREFECT_API_URL: server.url, PREFECT_LOGGING_TO_API_ENABLED: False}):
                return alone(of_node, Settings(data_dir=tmp_path)), failures.told
        finally:
            watchers.remove(failures)

    @flow(persist_result=False)
    def alone(of_node, settings):
        state = as_task(of_node, None, settings)({}, return_state=True)
        return {"type": state.type.value, "message": state.message}

    return end_of


def test_a_fault_in_a_node_is_told_with_its_traceback_and_ends_as_one_sentence(end_of):
    state, ((why, detail),) = end_of(nodes.divide)
    assert state == {"type": "FAILED", "message": "divide: ZeroDivisionError: division by zero"}
    assert why == state["message"]
    assert 'return {"share": 1 / seed}' in detail


def test_what_a_node_says_went_wrong_is_told_with_its_notes_and_is_not_tried_again(end_of):
    state, told = end_of(nodes.give_reasons)
    assert state["message"] == "give_reasons: the numbers do not add up"
    assert told == [(state["message"], "at line 3")]


def test_a_node_whose_child_was_killed_is_tried_again_twice(end_of):
    state, told = end_of(nodes.die)
    assert state["type"] == "FAILED"
    assert told == [("die: its process was killed by SIGKILL (out of memory?)", "")] * 3


def test_on_a_cluster_every_machine_uses_the_arithmetic_that_the_run_chose(monkeypatch):
    settings = Settings(engine="dask", precision="auto")
    chosen = settings.resolved()["precision"]
    _, _, sent, *_ = as_task(train, "dropout", settings).fn.args
    monkeypatch.setattr(
        "tasks.settings.settings.has_bfloat16", lambda: chosen != "bfloat16"
    )  # another machine's processor
    assert settings.resolved("dropout")["precision"] != chosen
    assert sent.resolved("dropout")["precision"] == chosen
