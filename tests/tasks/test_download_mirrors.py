"""Downloads from mirrors: a real server that answers as mirrors do on bad days."""

import errno
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tasks.download import fetch
from tasks.pipeline.errors import RunError, Unreachable, UserError
from tests import silent
from tests.conftest import FIRST, WEB_PAGE, assert_whole
from tests.programs import FIXTURE


class Mirror(ThreadingHTTPServer):
    """A real server of the fixture: `plans` says how it answers each next request for a file, else it serves it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        self.plans = {}
        self.asked = []
        self.content = {path.name: path.read_bytes() for path in FIXTURE.glob("*.gz")}

    def handle_error(self, request, client_address):
        """Say nothing where a client went away."""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.removeprefix("/")
        self.server.asked.append(name)
        plans = self.server.plans.get(name, [])
        plan = plans.pop(0) if plans else "serve"
        if isinstance(plan, int):
            self.send_error(plan)
        else:
            getattr(self, plan)(self.server.content[name])

    def serve(self, content):
        self.head(content)
        self.wfile.write(content)

    def cut(self, content):
        self.head(content)
        self.wfile.write(content[: len(content) // 2])

    def hang_up(self, content):
        """Close without an answer."""

    def head(self, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()

    def log_message(self, *arguments):
        """Keep the tests' output clean."""


def start_mirror():
    server = Mirror()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = start_mirror()
    yield server
    server.shutdown()
    server.server_close()


def mirrored(data_set, *prefixes):
    return data_set.model_copy(update={"mirrors": prefixes})


def test_a_missing_file_is_not_asked_for_twice_and_the_next_mirror_is_tried(data_set, raw, mirror):
    mirror.plans[f"{FIRST}.gz"] = [404]
    other = start_mirror()
    origins = fetch(mirrored(data_set, mirror.url, other.url), raw, None, silent)
    other.shutdown()
    other.server_close()
    assert_whole(data_set, raw)
    assert origins[FIRST] == other.url
    assert mirror.asked.count(f"{FIRST}.gz") == 1
    assert other.asked == [f"{FIRST}.gz"]


@pytest.mark.parametrize("plan", [503, "cut", "hang_up"])
def test_where_a_mirror_is_busy_or_a_connection_breaks_the_next_one_is_tried(data_set, raw, mirror, plan):
    mirror.plans[f"{FIRST}.gz"] = [plan]
    fetch(mirrored(data_set, mirror.url, mirror.url), raw, None, silent)
    assert_whole(data_set, raw)
    assert mirror.asked.count(f"{FIRST}.gz") == 2


@pytest.mark.parametrize("plan", [503, "cut", "hang_up"])
def test_what_may_come_back_is_worth_another_try(data_set, raw, mirror, plan):
    mirror.plans[f"{FIRST}.gz"] = [plan]
    with pytest.raises(Unreachable, match=f"\n  {mirror.url}: "):
        fetch(mirrored(data_set, mirror.url), raw, None, silent)
    assert list(raw.iterdir()) == []


def test_a_mirror_that_serves_a_web_page_is_not_believed(data_set, raw, mirror):
    mirror.content[f"{FIRST}.gz"] = WEB_PAGE
    with pytest.raises(RunError, match=f"{mirror.url}: it is a web page, not IDX") as refused:
        fetch(mirrored(data_set, mirror.url), raw, None, silent)
    assert not isinstance(refused.value, Unreachable)
    assert mirror.asked == [f"{FIRST}.gz"]
    assert list(raw.iterdir()) == []


def test_a_network_that_is_down_may_come_back(data_set, raw):
    for address in ("http://127.0.0.1:9/", "http://nowhere.invalid/"):
        nowhere = data_set.model_copy(update={"mirrors": (address,), "folders": (), "debian_package": None})
        with pytest.raises(Unreachable):
            fetch(nowhere, raw, None, silent)


def test_where_no_source_has_a_file_each_is_listed_with_its_reason(data_set, raw, mirror, tmp_path):
    mirror.plans[f"{FIRST}.gz"] = [404]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens: connections are refused
        deaf = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        everywhere = mirrored(data_set, deaf, mirror.url).model_copy(update={"folders": (tmp_path / "system",)})
        with pytest.raises(RunError) as failed:
            fetch(everywhere, raw, None, silent)
    assert str(failed.value).splitlines() == [
        f"no source has {FIRST}. Tried:",
        f"  {raw}: not there",
        f"  {tmp_path / 'system'}: not there",
        f"  {deaf}: [Errno {errno.ECONNREFUSED}] Connection refused",
        f"  {mirror.url}: HTTP 404 Not Found",
        f"Put the four files (.gz or not) into {raw}, or give their folder as --source, and run again",
    ]
    assert list(raw.iterdir()) == []


def test_a_source_that_the_user_names_is_not_replaced_by_a_mirror(data_set, raw, mirror, tmp_path):
    with pytest.raises(UserError):
        fetch(mirrored(data_set, mirror.url), raw, tmp_path, silent)
    assert mirror.asked == []


def test_two_runs_at_the_same_time_fetch_each_file_once(data_set, raw, mirror):
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(fetch, mirrored(data_set, mirror.url), raw, None, silent) for _ in range(2)]
    for run in runs:
        assert set(run.result().values()) <= {mirror.url, str(raw)}
    assert sorted(mirror.asked) == sorted(mirror.content)
    assert_whole(data_set, raw)
