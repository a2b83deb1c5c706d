"""Notifications, to a real receiver on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flows.notify import WEBHOOK, notify


@pytest.fixture
def receiver():
    """A receiver, its address, and what it has got; it answers as it is told."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answer["status"])
            self.end_headers()

        def log_message(self, *_):
            pass

    got, answer = [], {"status": 200}
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hooks/a-secret", got, answer
        server.shutdown()


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
    assert "nobody was notified (failed): it answers 403" in caplog.text
    assert "a-secret" not in caplog.text


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:9/a-secret", "it cannot be reached (ConnectionRefusedError)"),
        ("http://nowhere.invalid/a-secret", "it cannot be reached (gaierror)"),
        ("file:///etc/a-secret", f"{WEBHOOK} is not an http(s) address"),
        ("http://[a-secret", "it cannot be reached (ValueError)"),
        ("http://a-secret :80/", "it cannot be reached (InvalidURL)"),
    ],
)
def test_an_address_that_does_not_do_is_a_line_in_the_log_without_it(address, why, monkeypatch, caplog):
    monkeypatch.setenv(WEBHOOK, address)
    notify("verdict changed", "keep dropout, no longer baseline")
    assert f"nobody was notified (verdict changed): {why}" in caplog.text
    assert "a-secret" not in caplog.text
