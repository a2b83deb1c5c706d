"""Notifications, to a real receiver on this machine."""

import pytest

from flows.operations.notify import WEBHOOK, notify


def test_what_happened_is_posted_as_a_sentence_and_as_facts_and_a_refusal_is_logged_without_the_address(
    receiver, monkeypatch, caplog
):
    address, got, answer = receiver
    monkeypatch.setenv(WEBHOOK, address)
    notify("failed", "nightly: Failed: no room", run="r1")
    assert got == [{"event": "failed", "text": "nightly: Failed: no room", "run": "r1"}]
    assert caplog.text == ""
    answer["status"] = 403
    notify("failed", "nightly: Failed: no room")
    assert "notification failed (failed): HTTP Error 403: Forbidden" in caplog.text
    assert "a-secret" not in caplog.text


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:9/a-secret", "[Errno 111] Connection refused"),
        ("hooks/a-secret", "not a valid address"),
        ("http://[a-secret", "not a valid address"),
        ("http://a-\tsecret/", "not a valid address"),
    ],
)
def test_an_address_that_does_not_do_is_a_line_in_the_log_without_it(address, why, monkeypatch, caplog):
    monkeypatch.setenv(WEBHOOK, address)
    notify("verdict changed", "keep dropout instead of baseline")
    assert f"notification failed (verdict changed): {why}" in caplog.text
    assert "secret" not in caplog.text
