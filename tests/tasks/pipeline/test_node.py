"""A node under the artifact contract, in a worker: made once, keyed by what decides it, refused when that changes."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.pipeline import PROJECT
from tasks.pipeline.errors import RunError
from tasks.pipeline.progress import took
from tasks.pipeline.provenance import cores
from tasks.settings.settings import Settings
from tests import silent
from tests import worker_functions as nodes
from tests.worker_functions import count, double


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path)


def test_a_node_is_made_once_and_then_kept(settings):
    heard = []
    artifact, first = count.run(settings, None, {}, heard.append)
    again, second = count.run(settings, None, {}, heard.append)
    assert (first, second) == (True, False)
    assert again == artifact
    done = took(artifact.manifest["made"]["seconds"])
    assert [(event.kind, event.note) for event in heard] == [
        ("started", "new"),
        ("advanced", settings.data_dir.name),
        ("ended", done),
        ("ended", "cached"),
    ]


def test_a_setting_that_the_node_reads_changes_its_key_and_another_does_not(settings):
    def key(**changes):
        return count.cache_key(settings.model_copy(update=changes), None, {}).key

    assert key() == key(epochs=3) == key(data_dir=settings.data_dir / "elsewhere")
    assert key() != key(seed=1)


def test_a_mapped_node_is_named_by_its_network_and_gets_of_its_inputs_what_their_digest_covers(settings):
    first, _ = count.run(settings, None, {}, silent)
    artifact, _ = double.run(settings, "dropout", {"count": first}, silent)
    assert double.label("dropout") == "double[dropout]"
    assert artifact.folder.name == f"dropout-{artifact.key}"
    assert artifact.summary["of"] == "dropout"
    assert artifact.summary["given"] == ["digest", "files", "label", "network", "node", "summary"]
    assert nodes.describe.run(settings, None, {"count": first}, silent)[0].summary == {"seconds": 1.0}


def test_a_check_stops_the_run_though_the_artifact_is_up_to_date(settings):
    for _ in range(2):
        with pytest.raises(RunError, match="^gate: not good enough$"):
            nodes.gate.run(settings, None, {}, silent)
    assert len(list((settings.data_dir / "gate").glob("[!.]*"))) == 1


def test_an_input_that_changes_while_a_node_runs_is_not_taken_for_what_it_was(settings):
    first, _ = count.run(settings, None, {}, silent)
    message = "^alter_input: its input count changed while it ran; run again$"
    with pytest.raises(RunError, match=message):
        nodes.alter_input.run(settings, None, {"count": first}, silent)
    assert list((settings.data_dir / "alter_input").glob("[!.]*")) == []


def test_a_worker_refuses_a_library_that_was_replaced_after_it_was_imported():
    script = """
from tasks.pipeline.code_key import code_digests
from tasks.pipeline.cache_key import CacheKey, versions_of
from tasks.pipeline.fork_server import preloaded
from tasks.pipeline.workers import _check
key = CacheKey("count", None, {}, {}, code_digests("tasks"), versions_of(("numpy",)))
_check(key, ["tasks"])
preloaded["numpy"] = "0.0.1"
_check(key, ["tasks"])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True)
    assert done.stderr.endswith("RunError: the code has changed since the run began (numpy); run again\n")


def test_no_more_workers_are_at_work_than_there_are_cores(settings):
    at_work, most = set(), []

    def make(seed):
        def reporter(event):
            at_work.add(seed)
            most.append(len(at_work)) if event.kind == "advanced" else at_work.discard(seed)

        count.run(settings.model_copy(update={"seed": seed}), None, {}, reporter)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    assert 0 < max(most) <= cores()
