"""The client of a Prefect server, asked of a real one that has six deployments."""

import pytest

from flows.operations.server_client import OUR_FLOWS, deployments, list_all


@pytest.mark.parametrize("page", [2, 4, 6, 7])
def test_a_reply_of_more_than_a_page_is_read_page_by_page(url, page):
    found = list_all(url, "deployments", page, flows=OUR_FLOWS, sort="NAME_ASC")
    assert [deployment["name"] for deployment in found] == ["fast", "folds", "nightly", "search", "seeds", "watch"]
    assert found == deployments(url)
