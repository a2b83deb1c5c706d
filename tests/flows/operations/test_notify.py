"""Notifications, to a real receiver on this machine."""

import pytest

from flows.operations.notify import WEBHOOK, notify


def test_what_happened_is_posted_as_a_sentence_and_as_facts(receiver, monkeypatch, caplog):
    address, got, _ = receiver
    monkeypatch.setenv(WEBHOOK, address)
    notify("failed", "nightly: Failed: no room", run="r1")
    assert got == [{"event": "failed", "text": "nightly: Failed: no room", "run": "r1"}]
    assert caplog.text == ""


def test_nothing_is_posted_where_no_address_is_configured(receiver, monkeypatch):
    _, got, _ = receiver
    monkeypatch.delenv(WEBHOOK, raising=False)
    notify("failed", "nightly: Failed: no room")
    assert got == []


def test_a_receiver_that_refuses_is_a_line_in_the_log_without_its_address(receiver, monkeypatch, caplog):
    address, _, answer = receiver
    answer["status"] = 403
    monkeypatch.setenv(WEBHOOK, address)
    notify("failed", "nightly: Failed: no room")
    assert "notification failed (failed): it answered with status 403" in caplog.text
    assert "a-secret" not in caplog.text


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:9/a-secret", "it cannot be reached ([Errno 111] Connection refused)"),
        ("http://nowhere.invalid/a-secret", "it cannot be reached ([Errno -2] Name or service not known)"),
        ("hooks/a-secret", "it cannot be reached (Request URL is missing an 'http://' or 'https://' protocol.)"),
        ("http://[a-secret", "it cannot be reached ([Errno -2] Name or service not known)"),
        ("http://a-\tsecret/", "it cannot be reached (not a valid address)"),
    ],
)
def test_an_address_that_does_not_do_is_a_line_in_the_log_without_it(address, why, monkeypatch, caplog):
    monkeypatch.setenv(WEBHOOK, address)
    notify("verdict changed", "keep dropout instead of baseline")
    assert f"notification failed (verdict changed): {why}" in caplog.text
    assert "a-secret" not in caplog.text
