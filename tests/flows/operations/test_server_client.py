"""The client of a Prefect server, asked of a real one that has six deployments."""

import pytest

from flows.operations import server_client
from flows.operations.server_client import deployments


@pytest.mark.parametrize("page", [2, 4, 6, 7])
def test_a_reply_of_more_than_a_page_is_read_page_by_page(url, page, monkeypatch):
    monkeypatch.setattr(server_client, "PAGE", page)
    names = [deployment["name"] for deployment in deployments(url)]
    assert names == ["fast", "folds", "nightly", "search", "seeds", "watch"]
