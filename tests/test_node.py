import contextlib
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks import child
from tasks.pipeline import cache_key
from tasks.pipeline import node as module
from tasks.pipeline.errors import RunError
from tasks.pipeline.node import node
from tasks.pipeline.progress import LogReporter
from tasks.settings import Settings
from tests.conftest import wait_until


class Heard:
    """A reporter that remembers."""

    def __init__(self):
        self.told = []

    def started(self, label, why):
        self.told.append(f"{label} starts: {why}")

    def advanced(self, label, done, total, note, milestone):
        self.told.append(f"{label} {done}/{total} {note}")

    def ended(self, label, how):
        self.told.append(f"{label} {how.split(' in ')[0].split(' (')[0]}")


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path)


@node(unkeyed=("data_dir",))
def count(output, *, seed, data_dir, progress):
    progress(1, 2, str(data_dir.name), False)
    (output / "count.txt").write_text(str(seed))
    return {"count": seed}


@node()
def double(output, *, count, network):
    (output / "double.txt").write_text(str(2 * count.summary["count"]))
    return {"of": network}


def test_a_node_is_made_once_and_then_kept(settings):
    heard = Heard()
    artifact, first = count.run(settings, None, {}, heard)
    again, second = count.run(settings, None, {}, heard)
    assert (first, second) == (True, False)
    assert again == artifact
    assert heard.told == [
        "count starts: not made before",
        f"count 1/2 {settings.data_dir.name}",
        "count made",
        "count kept, verified",
    ]


def test_a_setting_that_the_node_reads_changes_its_key_and_another_does_not(settings):
    def key(**changes):
        return count.cache_key(settings.model_copy(update=changes), None, {}).key

    assert key() == key(epochs=3) == key(data_dir=settings.data_dir / "elsewhere")
    assert key() != key(seed=1)


def test_a_node_is_keyed_by_the_content_of_its_inputs(settings):
    first, _ = count.run(settings, None, {}, Heard())
    other, _ = count.run(settings.model_copy(update={"seed": 1}), None, {}, Heard())
    keys = {double.cache_key(settings, "dropout", {"count": artifact}).key for artifact in (first, other)}
    assert len(keys) == 2


def test_a_mapped_node_is_named_by_its_network(settings):
    first, _ = count.run(settings, None, {}, Heard())
    artifact, _ = double.run(settings, "dropout", {"count": first}, Heard())
    assert double.label("dropout") == "double[dropout]"
    assert artifact.folder.name == f"dropout-{artifact.key}"
    assert artifact.summary == {"of": "dropout"}


def test_a_failure_names_the_node_and_leaves_nothing(settings):
    @node()
    def fail(output):
        (output / "half").write_text("half")
        raise RunError("it went wrong")

    with pytest.raises(RunError, match="^fail: it went wrong$"):
        fail.run(settings, None, {}, Heard())
    assert list((settings.data_dir / "fail").iterdir()) == []


def test_a_check_stops_the_run_though_the_artifact_stands(settings):
    def refuse(artifact):
        raise RunError("not good enough")

    @node(check=refuse)
    def gate(output):
        (output / "result").write_text("poor")
        return {}

    for again in (gate.run, gate.run, lambda *given: gate.find(*given[:-1])):
        with pytest.raises(RunError, match="^gate: not good enough$"):
            again(settings, None, {}, Heard())
    assert len(list((settings.data_dir / "gate").iterdir())) == 1


def test_a_folder_that_cannot_be_written_gets_one_sentence(settings, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(RunError, match=r"^count: .*file.* not a directory$"):
        count.run(settings.model_copy(update={"data_dir": blocked}), None, {}, Heard())


def test_an_input_that_changes_while_a_node_runs_is_not_taken_for_what_it_was(settings):
    @node()
    def late(output, *, count):
        (count.folder / "count.txt").write_text("9")
        return {}

    first, _ = count.run(settings, None, {}, Heard())
    with pytest.raises(RunError, match="^late: its input count has changed while it ran; run again$"):
        late.run(settings, None, {"count": first}, Heard())
    assert list((settings.data_dir / "late").iterdir()) == []


def test_code_that_changes_before_a_child_has_read_it_is_not_taken_for_what_it_was(settings, monkeypatch):
    def code_of(*of, again=False):
        return {"tests/a_child.py: work": "new" if again else "old"}

    @node()
    def by_child(output, *, child):
        return child("tests.a_child", {"do": "answer", "numbers": [1]})

    monkeypatch.setattr(module, "code_of", code_of)
    told = r"^by_child: the code has changed since the run began \(tests/a_child.py: work\); run again$"
    with pytest.raises(RunError, match=told):
        by_child.run(settings, None, {}, Heard())
    monkeypatch.setattr(module, "code_of", lambda *of, again=False: {"tests/a_child.py: work": "old"})
    assert by_child.run(settings, None, {}, Heard())[0].facts == {"sum": 1}


@pytest.mark.parametrize(("done", "noticed"), [([0, 1], True), ([1, 2], False)], ids=["as it loads", "as it works"])
def test_a_library_that_is_replaced_is_noticed_until_the_child_has_begun_to_work(settings, monkeypatch, done, noticed):
    @node(libraries=("numpy",))
    def by_child(output, *, child):
        return child("tests.a_child", {"do": "answer", "numbers": [1], "done": done})

    class Replacing(Heard):
        def advanced(self, *told):
            monkeypatch.setattr(cache_key, "version", lambda name: "0.0.1")

    told = r"^by_child: the code has changed since the run began \(numpy\); run again$"
    with pytest.raises(RunError, match=told) if noticed else contextlib.nullcontext():
        by_child.run(settings, None, {}, Replacing())


def test_how_long_it_took_is_without_the_wait_for_its_turn(settings, monkeypatch):
    @node()
    def by_child(output, *, child):
        return child("tests.a_child", {"do": "answer", "numbers": [1]})

    by_child.run(settings, None, {}, Heard())  # so that the second time nothing else takes long
    monkeypatch.setattr(child, "_places", places := threading.BoundedSemaphore(1))
    with ThreadPoolExecutor() as pool:
        with places:
            began = time.perf_counter()
            run = pool.submit(by_child.run, settings, None, {}, Heard(), afresh="asked for")
            wait_until(lambda: places._cond._waiters, 10)
            queued = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import pandas"], check=True)
            waited = time.perf_counter() - queued
        artifact, _ = run.result()
    assert artifact.manifest["made"]["seconds"] <= time.perf_counter() - began - waited


def test_the_log_has_a_line_for_start_milestone_and_end(caplog):
    import logging

    reporter = LogReporter(logging.getLogger("run"))
    with caplog.at_level("INFO"):
        reporter.started("train[dropout]", "not made before")
        reporter.advanced("train[dropout]", 1, 4, "batch 7", False)
        reporter.advanced("train[dropout]", 2, 4, "epoch 2/4", True)
        reporter.ended("train[dropout]", "made in 3.0 s")
    assert [record.getMessage() for record in caplog.records] == [
        "train[dropout] starts: not made before",
        "train[dropout] 50 %: epoch 2/4",
        "train[dropout] made in 3.0 s",
    ]
