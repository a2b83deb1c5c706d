import errno
import gzip
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tasks.artifacts.store import sha256_of
from tasks.download import PIECE, download, fetch
from tasks.errors import RunError, UserError
from tasks.idx import IMAGES
from tasks.progress import silent
from tasks.settings import PROJECT
from tests.conftest import FIXTURE, SPECIFICATION

FIRST = "train-images-idx3-ubyte"  # the file that is fetched first
WEB_PAGE = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"


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

    def cut_before_the_first_byte(self, content):
        self.head(content)

    def reset(self, content):
        self.head(content)
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def hang_up(self, content):
        """Close without an answer."""

    def in_step(self, content):
        """Send each half once every client is there for it."""
        self.head(content)
        for half in (content[: len(content) // 2], content[len(content) // 2 :]):
            self.server.barrier.wait(20)
            self.wfile.write(half)
            self.wfile.flush()

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


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "data" / "raw" / "fashion-mnist-600"


@pytest.fixture
def source(tmp_path):
    """A folder with the four files that a test may damage."""
    return shutil.copytree(FIXTURE, tmp_path / "source")


def mirrored(data_set, *prefixes):
    return data_set.model_copy(update={"mirrors": prefixes})


def assert_whole(data_set, raw):
    """Every file is there, verified, and nothing else."""
    assert {path.name: sha256_of(path) for path in raw.iterdir()} == {
        file.name: file.sha256 for file in data_set.files.values()
    }


def unpack(name):
    return gzip.decompress((FIXTURE / f"{name}.gz").read_bytes())


def plain_folder(data_set, folder):
    folder.mkdir()
    for file in data_set.files.values():
        (folder / file.name).write_bytes(unpack(file.name))
    return folder


# Folders


def test_compressed_files_are_taken_from_the_folder_that_the_user_names(data_set, raw):
    origins = fetch(data_set, raw, FIXTURE, silent)
    assert_whole(data_set, raw)
    assert origins == {file.name: str(FIXTURE) for file in data_set.files.values()}


def test_plain_files_are_taken_as_well(data_set, raw, tmp_path):
    fetch(data_set, raw, plain_folder(data_set, tmp_path / "plain"), silent)
    assert_whole(data_set, raw)


def test_a_whole_plain_file_counts_although_a_damaged_compressed_one_lies_beside_it(data_set, raw, tmp_path):
    folder = plain_folder(data_set, tmp_path / "plain")
    for file in data_set.files.values():
        (folder / f"{file.name}.gz").write_bytes(b"<html>")
    assert set(fetch(data_set, raw, folder, silent).values()) == {str(folder)}


def test_an_altered_plain_file_of_the_right_length_does_not_hide_the_compressed_one_beside_it(data_set, raw, tmp_path):
    folder = plain_folder(data_set, tmp_path / "plain")
    for file in data_set.files.values():
        (folder / file.name).write_bytes(bytes(file.bytes))
        shutil.copy(FIXTURE / f"{file.name}.gz", folder)
    fetch(data_set, raw, folder, silent)
    assert_whole(data_set, raw)


def test_files_that_are_in_data_raw_already_need_no_source(data_set, raw):
    fetch(data_set, raw, FIXTURE, silent)
    origins = fetch(data_set, raw, None, silent)
    assert set(origins.values()) == {str(raw)}


def test_compressed_files_that_someone_puts_into_data_raw_are_used(data_set, raw):
    shutil.copytree(FIXTURE, raw)
    origins = fetch(data_set, raw, None, silent)
    assert set(origins.values()) == {str(raw)}
    assert all(sha256_of(raw / file.name) == file.sha256 for file in data_set.files.values())


def test_an_altered_file_in_data_raw_is_replaced(data_set, raw):
    fetch(data_set, raw, FIXTURE, silent)
    (raw / FIRST).write_bytes(b"altered")
    fetch(data_set, raw, FIXTURE, silent)
    assert_whole(data_set, raw)


def test_a_system_copy_is_found_without_being_named(data_set, raw):
    fetch(data_set.model_copy(update={"folders": (FIXTURE,)}), raw, None, silent)
    assert_whole(data_set, raw)


def test_the_folder_that_the_user_names_is_used_instead_of_a_system_copy(data_set, raw, source):
    origins = fetch(data_set.model_copy(update={"folders": (FIXTURE,)}), raw, source, silent)
    assert set(origins.values()) == {str(source)}


def test_the_node_fills_its_artifact_and_tells_where_each_file_came_from(data_set, tmp_path):
    output = tmp_path / "artifact"
    output.mkdir()
    facts = download(output, data_set=data_set, source_folder=FIXTURE, data_dir=tmp_path / "data", progress=silent)
    assert_whole(data_set, output)
    assert facts == {"origins": {file.name: str(FIXTURE) for file in data_set.files.values()}}


def test_progress_tells_how_many_bytes_of_how_many(data_set, raw):
    told = []
    fetch(data_set, raw, FIXTURE, lambda *news: told.append(news))
    milestones = [news for news in told if news[3]]
    assert [news[:2] for news in milestones] == [(file.bytes, file.bytes) for file in data_set.files.values()]
    assert milestones[0][2] == f"{FIRST} from {FIXTURE}"
    assert all(0 < done <= total for done, total, *_ in told)


# What a folder may hold instead


def damaged(content):
    """Give the first file this content in place of its own."""
    return lambda source: (source / f"{FIRST}.gz").write_bytes(content)


REAL = (FIXTURE / f"{FIRST}.gz").read_bytes()
PLAIN = gzip.decompress(REAL)
MORE_THAN_ANNOUNCED = struct.pack(">IIII", IMAGES, 500, 28, 28) + PLAIN[16:]
OTHER_PIXEL = PLAIN[:-1] + bytes([PLAIN[-1] ^ 1])
DAMAGE = {
    "truncated": (damaged(REAL[: len(REAL) // 2]), r"its gzip stream ends early \(truncated\)"),
    "a byte altered": (
        damaged(REAL[:5000] + bytes([REAL[5000] ^ 0xFF]) + REAL[5001:]),
        r"Error -\d while decompressing|CRC check failed",
    ),
    "a web page": (damaged(WEB_PAGE), "it is a web page, not IDX: it begins with '<!DOCTYPE html><html'"),
    "a web page, compressed": (damaged(gzip.compress(WEB_PAGE)), "it is a web page, not IDX"),
    "an error in JSON": (damaged(b'{"error": "quota"}'), "it is a web page, not IDX"),
    "another magic number": (
        damaged(gzip.compress(struct.pack(">II", 0x00000D03, 1) + b"\0" * 90)),
        "it is not IDX: it begins with 0x00000d03",
    ),
    "counts that disagree": (
        damaged(gzip.compress(MORE_THAN_ANNOUNCED)),
        r"it is damaged: its header announces 392,016 bytes \(500, 28, 28\), it has 313,616",
    ),
    "empty": (damaged(b""), "it is empty"),
    "empty, compressed": (damaged(gzip.compress(b"")), "it is not IDX: 0 bytes are too few for a header"),
    "one byte too many": (damaged(gzip.compress(PLAIN + b"\0")), "it is longer than the expected 313,616 bytes"),
    "another pixel": (damaged(gzip.compress(OTHER_PIXEL)), "its SHA-256 is .*…, expected e8df2ecfe9e9…: other data"),
    "a folder": (lambda source: ((source / f"{FIRST}.gz").unlink(), (source / FIRST).mkdir()), "Is a directory"),
    "missing": (lambda source: (source / f"{FIRST}.gz").unlink(), "not there"),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_is_not_the_expected_one_is_refused_with_its_reason(data_set, raw, source, damage, reason):
    damage(source)
    with pytest.raises(UserError) as refused:
        fetch(data_set, raw, source, silent)
    assert str(refused.value).startswith(f"{FIRST} from {source}: ")
    assert str(refused.value).endswith("; give --source a folder with the four files, whole")
    refused.match(reason)
    assert list(raw.iterdir()) == []


@pytest.mark.parametrize(("damage", "reason"), DAMAGE.values(), ids=DAMAGE)
def test_files_that_were_good_are_still_there_after_a_failure(data_set, raw, source, damage, reason):
    fetch(data_set, raw, FIXTURE, silent)
    (raw / FIRST).unlink()
    kept = {path.name: path.stat().st_ino for path in raw.iterdir()}
    damage(source)
    with pytest.raises(UserError):
        fetch(data_set, raw, source, silent)
    assert {path.name: path.stat().st_ino for path in raw.iterdir()} == kept
    assert len(kept) == 3


def test_what_was_fetched_before_a_failure_is_kept_for_the_next_run(data_set, raw, source):
    last = data_set.files["test_labels"]
    (source / f"{last.name}.gz").unlink()
    with pytest.raises(UserError, match=last.name):
        fetch(data_set, raw, source, silent)
    assert len(list(raw.iterdir())) == 3
    origins = fetch(data_set, raw, FIXTURE, silent)
    assert sorted(origins.values()) == sorted([str(raw)] * 3 + [str(FIXTURE)])


def test_a_web_page_larger_than_the_file_is_still_called_a_web_page(data_set, raw, source):
    name = data_set.files["train_labels"].name
    (source / f"{name}.gz").write_bytes(WEB_PAGE + b" " * 10_000)
    with pytest.raises(UserError, match="it is a web page"):
        fetch(data_set, raw, source, silent)


def test_a_gzip_bomb_is_stopped_early(data_set, raw, source):
    (source / f"{FIRST}.gz").write_bytes(gzip.compress(b"\0" * 200_000_000, compresslevel=1))
    written = []
    with pytest.raises(UserError, match="it is longer than the expected 313,616 bytes"):
        fetch(data_set, raw, source, lambda done, *_: written.append(done))
    assert max(written) <= data_set.files["train_images"].bytes + PIECE
    assert list(raw.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named(data_set, raw, tmp_path):
    with pytest.raises(UserError, match=f"{FIRST} from {tmp_path / 'nowhere'}: not there; give --source"):
        fetch(data_set, raw, tmp_path / "nowhere", silent)


def test_a_file_that_may_not_be_read_is_named_with_the_reason(data_set, raw, source):
    (source / f"{FIRST}.gz").chmod(0)
    code = (
        "import sys; from pathlib import Path; from tasks.download import fetch; "
        "from tasks.fashion_mnist import load_data_set; from tasks.progress import silent\n"
        "fetch(load_data_set(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), silent)"
    )
    without = "-dac_override,-dac_read_search"
    as_anyone = ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*as_anyone, sys.executable, "-c", code, str(SPECIFICATION), str(raw), str(source)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert f"UserError: {FIRST} from {source}: Permission denied; give --source" in done.stderr
    assert list(raw.iterdir()) == []


def test_a_full_disk_is_not_held_against_a_source(data_set, raw):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fetch(data_set, raw, FIXTURE, full)
    assert list(raw.iterdir()) == []


# Mirrors


def test_a_mirror_serves_all_files(data_set, raw, mirror):
    origins = fetch(mirrored(data_set, mirror.url), raw, None, silent)
    assert_whole(data_set, raw)
    assert set(origins.values()) == {mirror.url}
    assert sorted(mirror.asked) == sorted(mirror.content)


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


def test_a_mirror_that_is_busy_twice_is_asked_again(data_set, raw, mirror):
    mirror.plans[f"{FIRST}.gz"] = [503, 503]
    told = []
    fetch(mirrored(data_set, mirror.url), raw, None, lambda *news: told.append(news))
    assert_whole(data_set, raw)
    assert mirror.asked.count(f"{FIRST}.gz") == 3
    assert [note for *_, note, _ in told if "again" in note] == [
        f"{mirror.url}: HTTP 503 Service Unavailable; trying again"
    ] * 2


@pytest.mark.parametrize("plan", ["cut", "cut_before_the_first_byte", "reset", "hang_up"])
def test_a_connection_that_breaks_is_tried_again(data_set, raw, mirror, plan):
    mirror.plans[f"{FIRST}.gz"] = [plan]
    fetch(mirrored(data_set, mirror.url), raw, None, silent)
    assert_whole(data_set, raw)
    assert mirror.asked.count(f"{FIRST}.gz") == 2


def test_a_mirror_is_given_up_after_three_attempts(data_set, raw, mirror):
    mirror.plans[f"{FIRST}.gz"] = [503] * 9
    with pytest.raises(RunError, match=f"\n  {mirror.url}: HTTP 503 Service Unavailable\n"):
        fetch(mirrored(data_set, mirror.url), raw, None, silent)
    assert mirror.asked == [f"{FIRST}.gz"] * 3
    assert list(raw.iterdir()) == []


def test_a_mirror_that_serves_a_web_page_is_not_believed(data_set, raw, mirror):
    mirror.content[f"{FIRST}.gz"] = WEB_PAGE
    with pytest.raises(RunError, match=f"{mirror.url}: it is a web page, not IDX"):
        fetch(mirrored(data_set, mirror.url), raw, None, silent)
    assert mirror.asked == [f"{FIRST}.gz"]
    assert list(raw.iterdir()) == []


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
        f"Put the four files (.gz or not) into {raw}, or name their folder with --source, and run again",
    ]
    assert list(raw.iterdir()) == []


def test_a_source_that_the_user_names_is_not_replaced_by_a_mirror(data_set, raw, mirror, tmp_path):
    with pytest.raises(UserError):
        fetch(mirrored(data_set, mirror.url), raw, tmp_path, silent)
    assert mirror.asked == []


def test_two_runs_may_fetch_at_the_same_time(data_set, raw, mirror):
    mirror.barrier = threading.Barrier(2)
    mirror.plans[f"{FIRST}.gz"] = ["in_step", "in_step"]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(fetch, mirrored(data_set, mirror.url), raw, None, silent) for _ in range(2)]
    assert [run.exception() for run in runs] == [None, None]
    assert_whole(data_set, raw)
