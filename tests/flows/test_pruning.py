"""Looking after `data/`: what is damaged, what no recent run needs, and that nothing else is touched."""

import json
import os
import re
import time
from dataclasses import replace

import pytest

from flows.pruning import damaged, prune, retain
from tasks.pipeline.champions import champions, promote
from tasks.pipeline.errors import RunError
from tasks.pipeline.run_records import recorded
from tasks.reporting.publish import publish
from tasks.settings.settings import Settings
from tests.conftest import CACHE_KEY, full, killed_at_work, produce


def make(store, seed, node="prepare", **others):
    """Make an artifact with what publishing needs of a report's."""

    def content(folder, lock):
        (folder / "report.html").write_text(f"<html>{seed}</html>")
        (folder / "report.json").write_text("{}")
        return {}

    artifact, _ = store.make(replace(CACHE_KEY, node=node, settings={"seed": seed}, **others), content)
    age(artifact.folder)
    return artifact


def age(folder):
    """Let it be from before any run that is recorded."""
    old = time.time() - 60
    os.utime(folder, (old, old))


def run(store, *artifacts, kept=False, command=""):
    """Record a run that made these, or kept them."""
    with recorded(store.data_dir, command=command) as record:
        for artifact in artifacts:
            record.node(artifact.manifest["label"], artifact.key, kept, artifact.manifest["made"])
        record.end("completed")


def spare(store, runs):
    """What is not needed of the store's own: records have tests of their own."""
    found = prune(store.data_dir, store.data_dir.parent / "reports", runs, delete=False)
    return [item for item in found if item.path.parent.name != "runs"]


def names(items, store):
    return [str(item.path.relative_to(store.data_dir)) for item in items]


def test_what_the_store_has_not_made_is_not_its_to_verify_or_list(store):
    run(store, make(store, 1))
    for name in ("raw/set", "checkpoints/dropout-0/1", "prepare/damaged-0-1/file", "prepare/.staging-0/file"):
        (store.data_dir / name).parent.mkdir(parents=True)
    for name in ("notes.txt", "photos/a.jpg", "work/thesis.tex", "prepare/notes", ".git/objects"):
        path = store.data_dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
        age(path)
    assert damaged(store.data_dir)[1].startswith("1 of 1 ")
    assert spare(store, 1) == []


def test_what_none_of_the_last_runs_needs_is_listed_and_removed_though_no_folder_can_be_made(store, monkeypatch):
    first, second, third = (make(store, seed) for seed in (1, 2, 3))
    for artifact in (first, second, third):
        run(store, artifact)
    assert names(spare(store, 3), store) == []
    assert names(spare(store, 2), store) == [f"prepare/{first.key}"]
    item, _ = spare(store, 1)
    assert (item.why, item.bytes > 18) == ("not used by the last 1 runs", True)
    monkeypatch.setattr(os, "mkdir", full)
    prune(store.data_dir, store.data_dir, 1, delete=True)
    monkeypatch.undo()
    assert list(store.artifacts()) == [third.folder]


def test_a_checkpoint_and_what_was_set_aside_as_damaged_go_once_a_later_run_has_completed(store, artifact):
    with pytest.raises(RunError, match="so nothing can be called unused$"):
        spare(store, 1)
    (artifact.folder / "numbers.txt").unlink()
    age(artifact.folder)
    run(store, store.make(CACHE_KEY, produce)[0])
    checkpoint = store.data_dir / "checkpoints" / "dropout-0123456789abcdef"
    checkpoint.mkdir(parents=True)
    assert [item.why for item in spare(store, 1)] == ["damaged; replaced since"]
    age(checkpoint)
    assert "checkpoints/dropout-0123456789abcdef" in names(spare(store, 1), store)


def test_nothing_is_pruned_while_a_run_is_at_work_and_a_dead_one_does_not_stop_it(store, artifact):
    killed_at_work(store.data_dir)
    run(store)
    age(artifact.folder)
    assert len(spare(store, 1)) == 1
    settings = Settings(data_dir=store.data_dir, reports_dir=store.data_dir, keep_runs=1)
    with recorded(store.data_dir, command=""):
        busy = f"a run is active in {store.data_dir}; prune after it has ended"
        assert retain(settings) == f"nothing was deleted: {busy}"
        with pytest.raises(RunError, match=f"^{busy}$"):
            spare(store, 1)


def test_runs_that_came_to_nothing_do_not_push_out_what_a_good_one_needs(store):
    first = make(store, 1)
    run(store, first)
    for _ in range(10):
        with recorded(store.data_dir, command="") as record:
            record.end("failed")
    store.make(CACHE_KEY, produce)  # since the last run began
    assert spare(store, 1) == []


def test_a_run_that_retains_removes_reports_pages_and_records_beyond_the_last(store, tmp_path):
    reports = tmp_path / "reports"
    made = [make(store, seed, "report") for seed in (1, 2, 3)]
    for artifact in made:
        publish(artifact, reports)
        run(store, artifact, command=Settings().command)
    foreign = reports / "20260101T000000-01234567.html"
    foreign.write_text("another data folder's")
    summary = retain(Settings(data_dir=store.data_dir, reports_dir=reports, keep_runs=2))
    assert re.match(r"deleted 4 items that the last 2 runs did not use, 0\.\d\d MB$", summary)
    kept = sorted(artifact.key[:8] for artifact in made[1:])
    assert [folder.name[:8] for folder in store.artifacts()] == kept
    pages = sorted(page.stem[-8:] for page in reports.glob("*T*-*.html") if page != foreign)
    assert pages == sorted(page.stem[-8:] for page in reports.glob("*T*-*.json")) == kept
    assert foreign.exists()
    assert made[0].key[:8] not in (reports / "index.html").read_text()
    assert len(list((store.data_dir / "runs").glob("*.json"))) == 2


def chain(store, network, seed):
    """Make what leads to a comparison with this network, as the nodes do, and record a run of it; return all of it."""
    download = make(store, seed, "download")
    prepare = make(store, seed, "prepare", inputs={"download": download.digest})
    train = make(store, seed, "train", network=network, inputs={"prepare": prepare.digest})
    evaluate = make(store, seed, "evaluate", network=network, inputs={"train": train.digest})
    compare = make(store, seed, "compare", inputs={evaluate.manifest["label"]: evaluate.digest})
    made = [compare, download, evaluate, prepare, train]
    run(store, *made)
    return made


def test_what_predicts_and_exports_a_champion_stays_and_of_one_that_a_rollback_restores(store):
    for seed, network in enumerate(("baseline", "dropout")):
        _, _, evaluate, _, train = chain(store, network, seed)
        known = {"network": network, "evaluate": evaluate.folder.name, "train": train.digest}
        beaten = champions(store.data_dir).to_beat.get("evaluate")
        promote(store.data_dir, beaten, **known, recipe="fast", command="", reason="why")
    other = [str(artifact.folder.relative_to(store.data_dir)) for artifact in chain(store, "logistic", 2)]
    run(store, make(store, 3))
    assert names(spare(store, 1), store) == other


def test_a_run_retains_what_the_runs_of_other_recipes_need(store, tmp_path):
    first, second, third = (make(store, seed) for seed in (1, 2, 3))
    run(store, first, command="another recipe's")
    settings = Settings(data_dir=store.data_dir, reports_dir=tmp_path, keep_runs=1)
    for artifact in (second, third):
        run(store, artifact, command=settings.command)
    retain(settings)
    assert list(store.artifacts()) == sorted([first.folder, third.folder])


def test_a_run_that_is_asked_for_again_and_again_does_not_hold_up_what_goes(store, tmp_path):
    settings = Settings(data_dir=store.data_dir, reports_dir=tmp_path, keep_runs=1)
    first, second = make(store, 1), make(store, 2)
    run(store, first, command=settings.command)
    (record,) = (store.data_dir / "runs").glob("*.json")
    long_ago = json.loads(record.read_text()) | {"began": "2026-01-01T00:00:00+00:00"}
    record.write_text(json.dumps(long_ago))
    run(store, first, kept=True, command=settings.command)
    retain(settings)
    assert list(store.artifacts()) == [first.folder], second
