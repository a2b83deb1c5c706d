"""The runs' records: what is kept of a run that ended, and how one that was killed is known."""

import errno
import json
import os
import time
from pathlib import Path

import pytest

from tasks.pipeline.artifact import Artifact
from tasks.pipeline.run_records import (
    finalize_now,
    last_completed,
    recorded,
    records,
    recover_crashed_runs,
    requested_again,
)
from tests.conftest import MADE, everything_in, full, killed_at_work

TRAIN = {"key": "k1", "how": "made", **MADE}


WHOLE = {"state": "completed", "began": "2026-01-01T00:00:00+00:00", "pid": 1, "host": "", "command": "", "nodes": {}}
CHANGES = [
    {"began": "long ago"},
    {"began": "0001-01-01"},
    {"nodes": {"train": TRAIN | {"seconds": 10**400}}},
    {"nodes": {"train": TRAIN | {"seconds": float("nan")}}},
    {"nodes": {"train": TRAIN | {"key": ["k1"], "how": ["made"]}}},
]
# whole records but for one thing that somebody would stumble over
STRANGE = [json.dumps({**WHOLE, "flow_run": None, **change}) for change in CHANGES]


def run(data_dir, key="k1", kept=False):
    with recorded(data_dir, command="python flows/main.py", flow_run="f1") as record:
        record.node("train[dropout]", key, kept, MADE)
        record.end("completed")


@pytest.fixture
def killed(tmp_path):
    return killed_at_work(tmp_path)


def test_a_record_says_of_each_node_what_was_made_and_why(tmp_path):
    run(tmp_path)
    (record,) = records(tmp_path)
    assert record.content.items() >= {"state": "completed", "pid": os.getpid(), "flow_run": "f1"}.items()
    assert record.content["nodes"] == {"train[dropout]": TRAIN}
    assert everything_in(tmp_path / "runs") == [record.path.name]
    run(tmp_path, kept=True)  # which took no time, and leaves no record of its own
    run(tmp_path, "k2", kept=True)
    newest, again = records(tmp_path)
    assert newest.content["nodes"]["train[dropout]"] == {"key": "k2", "how": "kept", "why": "verified", "seconds": 0.0}
    assert again.content == record.content


def part(record):
    """Return where a record is written before it is whole."""
    return record.with_name(f".staging-{record.name}")


def test_a_run_that_lasts_is_not_among_those_that_ended_and_is_not_dead(tmp_path):
    with recorded(tmp_path, command="", flow_run="f1") as record:
        assert list(records(tmp_path)) == recover_crashed_runs(tmp_path) == []
        record.end("completed")
    assert len(list(records(tmp_path))) == 1


def test_a_killed_run_is_known_by_its_lock_and_said_until_a_server_was_told(tmp_path, killed):
    for _ in range(2):
        (record,) = recover_crashed_runs(tmp_path)
        assert record.content["pid"] == killed
        assert record.content["state"] == "died"
        assert record.content["nodes"] == {"train[dropout]": TRAIN}
    recover_crashed_runs(tmp_path)[0].update(reported=True)
    assert recover_crashed_runs(tmp_path) == []
    assert [record.content["pid"] for record in records(tmp_path)] == [killed]
    assert everything_in(tmp_path / "runs") == [record.path.name]


def test_a_run_that_is_stopped_in_a_hurry_is_recorded_as_stopped(tmp_path):
    with recorded(tmp_path, command="", flow_run="f1") as record:
        finalize_now("stopped")
        record.node("train[dropout]", "k1", False, MADE)
    (found,) = records(tmp_path)
    assert found.content["state"] == "stopped"


def kept_again(data_dir, key):
    artifact = Artifact(data_dir, {"key": key, "made": MADE, "summary": {"winner": "dropout"}})
    requested_again(data_dir, {"report": artifact}, command="python flows/main.py")


def test_a_run_that_needs_nothing_new_makes_its_last_record_the_newest(tmp_path):
    kept_again(tmp_path, "k1")
    run(tmp_path, "k2")
    kept_again(tmp_path, "k1")
    assert [list(record.keys.values()) for record in records(tmp_path)] == [["k1"], ["k2"]]


def test_the_last_run_to_end_is_the_newest_though_the_clock_was_put_back(tmp_path):
    run(tmp_path, "k1")
    (ahead,) = (tmp_path / "runs").glob("*.json")
    os.utime(ahead, (time.time() + 1e6,) * 2)
    for key in ("k2", "k3", "k2"):
        kept_again(tmp_path, key)
    assert [list(record.keys.values()) for record in records(tmp_path)] == [["k2"], ["k3"], ["k1"]]


def test_a_record_of_another_user_s_is_made_the_newest_as_far_as_that_is_possible(tmp_path, monkeypatch):
    for key in ("k1", "k2"):
        kept_again(tmp_path, key)
    utime = os.utime

    def not_at_will(path, times=None):
        if times:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        utime(path)

    monkeypatch.setattr(os, "utime", not_at_will)
    kept_again(tmp_path, "k1")
    assert [list(record.keys.values()) for record in records(tmp_path)] == [["k1"], ["k2"]]


def test_a_run_that_breaks_off_is_recorded_as_failed_with_its_fault(tmp_path):
    with pytest.raises(ValueError, match="no room"), recorded(tmp_path, command="", flow_run="f1"):
        raise ValueError("no room")
    (record,) = records(tmp_path)
    assert (record.content["state"], record.content["message"]) == ("failed", "ValueError: no room")


def test_the_last_run_of_the_same_recipe_is_found_whatever_ran_since(tmp_path):
    run(tmp_path, "k1")
    run(tmp_path, "k1")  # it did something, though it came to the same
    assert len(list(records(tmp_path))) == 2
    with recorded(tmp_path, command="another", flow_run=None) as record:
        record.end("completed")
    with recorded(tmp_path, command="python flows/main.py", flow_run=None) as record:
        record.end("failed")
    assert list(last_completed(tmp_path, "python flows/main.py").keys.values()) == ["k1"]
    assert last_completed(tmp_path, "a third") is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "\x00", "[" * 200_000, '{"nodes": [1]}', *STRANGE], ids=range(6 + len(STRANGE))
)
def test_a_damaged_record_is_passed_over(tmp_path, content):
    run(tmp_path)
    (tmp_path / "runs" / "20260101T000000000000-1.json").write_text(content)
    (tmp_path / "runs" / "folder.json").mkdir()
    assert len(list(records(tmp_path))) == 1
    assert recover_crashed_runs(tmp_path) == []


def test_of_a_folder_elsewhere_only_what_is_called_like_a_record_is_looked_at(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in (".staging-notes", "notes.json"):
        (mine / name).write_text(STRANGE[0].replace("long ago", WHOLE["began"]))
    (tmp_path / "runs").symlink_to(mine)
    assert recover_crashed_runs(tmp_path) == []
    assert list(records(tmp_path)) == []
    assert everything_in(mine) == [".staging-notes", "notes.json"]


def test_a_record_is_written_through_no_link(tmp_path, caplog):
    (tmp_path / "mine").write_text("mine")
    with recorded(tmp_path, command="", flow_run=None) as record:
        part(record.path).symlink_to(tmp_path / "mine")
        record.node("train[dropout]", "k1", False, MADE)
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.usefixtures("killed")
@pytest.mark.parametrize("put", [os.mkdir, Path.touch])
def test_what_a_kill_in_the_middle_of_writing_has_left_is_removed(tmp_path, put):
    (record,) = (tmp_path / "runs").glob("*.json")
    put(part(record))
    assert len(recover_crashed_runs(tmp_path)) == 1
    assert everything_in(tmp_path / "runs") == [record.name]


def test_a_run_whose_record_cannot_be_written_goes_on(tmp_path, monkeypatch, caplog):
    with recorded(tmp_path, command="", flow_run=None) as record:
        monkeypatch.setattr(os, "open", full)
        record.node("train[dropout]", "k1", False, MADE)
    assert "No space left on device" in caplog.text
    assert everything_in(tmp_path / "runs") == [record.path.name]
