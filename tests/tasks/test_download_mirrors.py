"""Downloads from mirrors: a real server that answers as mirrors do on bad days."""

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


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rpartition("/")[2]
        self.server.asked.append(name)
        plan = self.server.plans.pop(0) if self.server.plans and name == f"{FIRST}.gz" else "serve"
        content = WEB_PAGE if plan == "web page" else (FIXTURE / name).read_bytes()
        if isinstance(plan, int):
            self.send_error(plan)
        elif plan != "hang up":
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // (2 if plan == "cut" else 1)])

    def log_message(self, *arguments):
        """Keep the tests' output clean."""


@pytest.fixture
def mirror(monkeypatch):
    """A real server of the fixture: `plans` says how it answers the next requests for the first file."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.url, server.plans, server.asked = f"http://127.0.0.1:{server.server_port}/", [], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def mirrored(data_set, *prefixes, **elsewhere):
    return data_set.model_copy(update={"mirrors": prefixes, **elsewhere})


@pytest.mark.parametrize(
    ("plan", "kind"),
    [(404, RunError), ("web page", RunError), (503, Unreachable), ("cut", Unreachable), ("hang up", Unreachable)],
)
def test_where_a_mirror_fails_the_next_is_tried_and_an_error_tells_what_may_heal(data_set, raw, mirror, plan, kind):
    mirror.plans = [plan, plan]
    with pytest.raises(RunError, match=f"\n  {mirror.url}: ") as failed:
        fetch(mirrored(data_set, mirror.url), raw, None, silent)
    assert type(failed.value) is kind
    assert list(raw.iterdir()) == []
    other = f"{mirror.url}other/"
    assert fetch(mirrored(data_set, mirror.url, other), raw, None, silent)[FIRST] == other
    assert_whole(data_set, raw)
    assert mirror.asked.count(f"{FIRST}.gz") == 3


def test_where_no_source_has_a_file_each_is_listed_with_its_reason(data_set, raw, mirror, tmp_path):
    mirror.plans = [404]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens: connections are refused
        deaf = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with pytest.raises(Unreachable) as failed:
            fetch(mirrored(data_set, deaf, mirror.url, folders=(tmp_path / "system",)), raw, None, silent)
    assert str(failed.value).splitlines() == [
        f"no source has {FIRST}. Tried:",
        f"  {raw}: No such file or directory",
        f"  {tmp_path / 'system'}: No such file or directory",
        f"  {deaf}: [Errno 111] Connection refused",
        f"  {mirror.url}: HTTP Error 404: Not Found",
        f"Put the four files (.gz or not) into {raw}, or give their folder as --source, and run again",
    ]


def test_a_source_that_the_user_names_is_not_replaced_by_a_mirror(data_set, raw, mirror, tmp_path):
    with pytest.raises(UserError):
        fetch(mirrored(data_set, mirror.url), raw, tmp_path, silent)
    assert mirror.asked == []


def test_two_runs_at_the_same_time_fetch_each_file_once(data_set, raw, mirror):
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(fetch, mirrored(data_set, mirror.url), raw, None, silent) for _ in range(2)]
    for run in runs:
        assert set(run.result().values()) <= {mirror.url, str(raw)}
    assert sorted(mirror.asked) == sorted(path.name for path in FIXTURE.glob("*.gz"))
    assert_whole(data_set, raw)
