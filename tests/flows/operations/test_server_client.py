"""The client of a Prefect server, asked of a real one that has six deployments."""

import pytest

from flows.operations.server_client import OUR_FLOWS, deployments, list_all, normalize_url


@pytest.mark.parametrize("page", [2, 4, 6, 7])
def test_a_reply_of_more_than_a_page_is_read_page_by_page(url, page):
    found = list_all(url, "deployments", page, flows=OUR_FLOWS, sort="NAME_ASC")
    assert [deployment["name"] for deployment in found] == ["fast", "folds", "nightly", "search", "seeds", "watch"]
    assert found == deployments(url)


@pytest.mark.parametrize("url", ["http://localhost:4200/api", "http://127.0.0.1:4200/api/"])
def test_a_server_has_one_address(url):
    assert normalize_url(url) == "http://127.0.0.1:4200/api"
