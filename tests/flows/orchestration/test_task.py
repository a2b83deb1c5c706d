"""The flow's tasks: how a node's end becomes a state, and what whoever watches hears of it."""

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from flows.orchestration.task import as_task
from tasks.pipeline import progress
from tasks.settings.settings import Settings
from tasks.train import train
from tests import worker_functions as nodes


@pytest.mark.parametrize(
    ("of_node", "why", "detail", "tries"),
    [
        (nodes.divide, "ZeroDivisionError: division by zero", 'return {"share": 1 / seed}', 1),
        (nodes.give_reasons, "the numbers do not add up", "at line 3", 1),
        (nodes.die, "its process was killed by SIGKILL (out of memory?)", "", 3),
    ],
)
def test_a_failure_ends_as_a_sentence_a_fault_has_its_traceback_and_what_was_killed_is_tried_again_twice(
    server, tmp_path, monkeypatch, of_node, why, detail, tries
):
    heard = []
    monkeypatch.setattr(progress, "watchers", [heard.append])

    @flow(persist_result=False)
    def alone():
        state = as_task(of_node, None, Settings(data_dir=tmp_path))({}, return_state=True)
        return state.type.value, state.message

    with temporary_settings({PREFECT_API_URL: server.url, PREFECT_LOGGING_TO_API_ENABLED: False}):
        state, message = alone()
    assert (state, message) == ("FAILED", f"{of_node.name}: {why}")
    failures = [event for event in heard if event.kind == "failed"]
    assert [event.note for event in failures] == [message] * tries
    assert all(detail in event.detail for event in failures)
    assert all(("Traceback" in event.detail) == (of_node is nodes.divide) for event in failures)


def test_on_a_cluster_every_machine_uses_the_arithmetic_that_the_run_chose(monkeypatch):
    settings = Settings(engine="dask", precision="auto")
    chosen = settings.resolved()["precision"]
    _, _, sent, *_ = as_task(train, "dropout", settings).fn.args
    monkeypatch.setattr(
        "tasks.settings.settings.has_bfloat16", lambda: chosen != "bfloat16"
    )  # another machine's processor
    assert settings.resolved("dropout")["precision"] != chosen
    assert sent.resolved("dropout")["precision"] == chosen
