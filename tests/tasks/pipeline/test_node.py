"""A node under the artifact contract, in a worker: made once, keyed by what decides it, refused when that changes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.pipeline import workers
from tasks.pipeline.cache_key import CacheKey, versions_of
from tasks.pipeline.code_key import code_digests
from tasks.pipeline.errors import RunError
from tasks.pipeline.fork_server import preloaded
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


def test_an_input_that_changes_while_a_node_runs_is_not_taken_for_what_it_was(settings):
    first, _ = count.run(settings, None, {}, silent)
    with pytest.raises(RunError, match="^alter_input: its input count changed while it ran; run again$"):
        nodes.alter_input.run(settings, None, {"count": first}, silent)
    assert list((settings.data_dir / "alter_input").glob("[!.]*")) == []


def test_a_worker_refuses_a_library_that_was_replaced_after_it_was_imported(monkeypatch):
    key = CacheKey("count", None, {}, {}, code_digests("tasks"), versions_of(("numpy",)))
    workers._check(key, ["tasks"])
    monkeypatch.setitem(preloaded, "numpy", "0.0.1")
    with pytest.raises(RunError, match=r"^the code has changed since the run began \(numpy\); run again$"):
        workers._check(key, ["tasks"])


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
