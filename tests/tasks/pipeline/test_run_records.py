"""The runs' records: what is kept of a run that ended, and how one that was killed is known."""

import os

import pytest

from tasks.pipeline.artifact import Artifact
from tasks.pipeline.run_records import last_completed, recorded, records, recover_crashed_runs, requested_again
from tests.conftest import MADE, everything_in, full, killed_at_work

TRAIN = {"key": "k1", "how": "made", **MADE}


def run(data_dir, key="k1", kept=False):
    with recorded(data_dir, command="python flows/main.py") as record:
        record.node("train[dropout]", key, kept, MADE)
        record.end("completed")


def test_a_record_says_of_each_node_what_was_made_and_why(tmp_path):
    run(tmp_path)
    (record,) = records(tmp_path)
    said = {"state": "completed", "pid": os.getpid(), "nodes": {"train[dropout]": TRAIN}}
    assert record.content.items() >= said.items()
    assert everything_in(tmp_path / "runs") == [record.path.name]
    run(tmp_path, kept=True)  # which took no time, and leaves no record of its own
    run(tmp_path, "k2", kept=True)
    newest, again = records(tmp_path)
    assert newest.content["nodes"]["train[dropout]"] == {"key": "k2", "how": "kept", "why": "verified", "seconds": 0.0}
    assert again.content == record.content


def test_a_killed_run_is_known_by_its_lock_and_one_that_lasts_is_not_dead(tmp_path):
    process = killed_at_work(tmp_path)
    (path,) = (tmp_path / "runs").glob("*.json")
    path.with_name(f".staging-{path.name}").touch()  # as a kill in the middle of writing it leaves it
    with recorded(tmp_path, command="") as lasting:
        for _ in range(2):
            recover_crashed_runs(tmp_path)
        (record,) = records(tmp_path)
        assert [record.path for record in records(tmp_path, running=True)] == [lasting.path]
    assert record.content.items() >= {"pid": process, "state": "died", "nodes": {"train[dropout]": TRAIN}}.items()
    assert everything_in(tmp_path / "runs") == [path.name, lasting.path.name]


def kept_again(data_dir, key):
    artifact = Artifact(data_dir, {"key": key, "made": MADE, "summary": {"winner": "dropout"}})
    requested_again(data_dir, {"report": artifact}, command="python flows/main.py")


def test_a_run_that_needs_nothing_new_makes_its_last_record_the_newest(tmp_path):
    kept_again(tmp_path, "k1")
    run(tmp_path, "k2")
    kept_again(tmp_path, "k1")
    assert [list(record.keys.values()) for record in records(tmp_path)] == [["k1"], ["k2"]]


def test_a_run_that_breaks_off_is_recorded_as_failed_with_its_fault(tmp_path):
    with pytest.raises(ValueError, match="no room"), recorded(tmp_path, command=""):
        raise ValueError("no room")
    (record,) = records(tmp_path)
    assert (record.content["state"], record.content["message"]) == ("failed", "ValueError: no room")


def test_the_last_run_of_the_same_recipe_is_found_whatever_ran_since(tmp_path):
    run(tmp_path, "k1")
    run(tmp_path, "k1")  # it did something, though it came to the same
    assert len(list(records(tmp_path))) == 2
    with recorded(tmp_path, command="another") as record:
        record.end("completed")
    with recorded(tmp_path, command="python flows/main.py") as record:
        record.end("failed")
    assert list(last_completed(tmp_path, "python flows/main.py").keys.values()) == ["k1"]
    assert last_completed(tmp_path, "a third") is None


@pytest.mark.parametrize("content", ["", "[]", '{"nodes": [1]}'])
def test_a_damaged_record_is_passed_over(tmp_path, content):
    run(tmp_path)
    (tmp_path / "runs" / "20260101T000000000000-1.json").write_text(content)
    (tmp_path / "runs" / "folder.json").mkdir()
    recover_crashed_runs(tmp_path)
    assert len(list(records(tmp_path))) == 1


def test_a_run_whose_record_cannot_be_written_goes_on(tmp_path, monkeypatch, caplog):
    with recorded(tmp_path, command="") as record:
        monkeypatch.setattr(os, "open", full)
        record.node("train[dropout]", "k1", False, MADE)
    assert "No space left on device" in caplog.text
    assert everything_in(tmp_path / "runs") == [record.path.name]
