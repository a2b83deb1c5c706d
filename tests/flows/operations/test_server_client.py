"""The client of a Prefect server, asked of a real one that has six deployments, and of one that is busy."""

import threading

import pytest

from flows.operations import server_client
from flows.operations.server_client import deployments, request


@pytest.mark.parametrize("page", [4, 6])
def test_a_reply_of_more_than_a_page_is_read_page_by_page(url, page, monkeypatch):
    monkeypatch.setattr(server_client, "PAGE", page)
    names = [deployment["name"] for deployment in deployments(url)]
    assert names == ["fast", "folds", "nightly", "search", "seeds", "watch"]


@pytest.mark.parametrize("busy", [429, 503])
def test_a_busy_server_is_asked_again(receiver, busy):
    address, got, answer = receiver
    answer["status"] = busy
    threading.Timer(2.0, answer.update, [{"status": 200}]).start()
    assert request(address, "flow_runs", {}) is None
    assert len(got) > 1
