"""What lies where things are made: one maker a key, what a kill leaves, and nothing removed but what was made here."""

import contextlib
import multiprocessing
import os
import signal

import pytest

from tasks.pipeline import store as module
from tasks.pipeline.artifact import Artifact, Miss
from tasks.pipeline.staging import LOCKS, PREFIX
from tasks.pipeline.store import Store
from tests.conftest import CACHE_KEY, full, produce, set_aside

FILES = 4  # and folders in the artifact, with the manifest
STAGED = f"{PREFIX}{CACHE_KEY.key}"
FORK = multiprocessing.get_context("fork")


def made_in(store):
    """Return what is there besides the locks, which stay."""
    return sorted(path.name for path in (store.data_dir / "prepare").iterdir() if path.name != LOCKS)


def test_cleaning_up_follows_no_link_and_spares_what_is_not_the_store_s(store, artifact, tmp_path):
    prepare, elsewhere = store.data_dir / "prepare", tmp_path / "elsewhere"
    mine = [tmp_path / "mine", prepare / ".hidden", prepare / "staging-x", elsewhere / f"{PREFIX}x"]
    for folder in mine:
        folder.mkdir(parents=True)
        (folder / "notes").write_text("mine")
    (prepare / STAGED).symlink_to(mine[0])
    (store.data_dir / "mine").symlink_to(elsewhere)
    store.clean_up()
    assert all((folder / "notes").exists() for folder in mine)
    assert made_in(store) == sorted([".hidden", CACHE_KEY.key, "staging-x"])
    assert not (elsewhere / LOCKS).exists()


def make_and_be_killed(data_dir, when):
    """Make the artifact and be killed as soon as so many files and folders were to be brought to the disk."""
    real, calls = module.fsync, []

    def kill(path):
        calls.append(path)
        if len(calls) == when:
            os.kill(os.getpid(), signal.SIGKILL)
        real(path)

    module.fsync = kill
    Store(data_dir).make(CACHE_KEY, produce, force=True)


def killed(store, when):
    maker = FORK.Process(target=make_and_be_killed, args=(store.data_dir, when))
    maker.start()
    maker.join()
    assert maker.exitcode == -signal.SIGKILL


@contextlib.contextmanager
def maker(store):
    """Have a process that makes the artifact: the process, and what lets it end."""
    started, may_end = FORK.Event(), FORK.Event()

    def produce_when_told(folder, lock):
        started.set()
        assert may_end.wait(60)
        return produce(folder)

    process = FORK.Process(target=store.make, args=(CACHE_KEY, produce_when_told))
    process.start()
    assert started.wait(60)
    yield process, may_end
    process.join()


def test_whoever_waits_is_told_so_and_a_reader_does_not_wait(store):
    waits = []

    def waiting():
        assert waits or store.find(CACHE_KEY).reason == "new"
        waits.append("waiting")
        may_end.set()

    with maker(store) as (_, may_end):
        artifact, here = store.make(CACHE_KEY, produce, waiting=waiting)
    assert not here
    assert artifact == store.find(CACHE_KEY)
    assert waits


def test_what_a_killed_maker_left_goes_though_the_disk_is_full_and_a_living_one_s_does_not(store, monkeypatch):
    with maker(store) as (process, _):
        store.clean_up()
        assert made_in(store) == [STAGED]
        process.kill()
    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", full)
        store.clean_up()
    assert made_in(store) == []


@pytest.mark.parametrize("before", ["nothing", "damaged", "whole"])
def test_a_maker_that_is_killed_before_the_last_renaming_leaves_what_was_there_and_its_checkpoints(store, before):
    old = None if before == "nothing" else store.make(CACHE_KEY, produce)[0]
    if before == "damaged":
        (old.folder / "numbers.txt").write_text("one two threE")
    store.checkpoints(CACHE_KEY).write("1.npz", b"")
    killed(store, FILES + 1)  # the last before the renaming brings the folder itself to the disk
    store.clean_up()
    assert store.find(CACHE_KEY) == old if before == "whole" else isinstance(store.find(CACHE_KEY), Miss)
    assert store.checkpoints(CACHE_KEY).names() == ["1.npz"]
    assert store.make(CACHE_KEY, produce)[1] == (before != "whole")
    assert len(set_aside(store)) == (before == "damaged")


def test_checkpoints_that_a_kill_has_left_beside_what_was_made_go_with_the_next_run(store):
    store.checkpoints(CACHE_KEY).write("1.npz", b"")
    os.utime(store.checkpoints(CACHE_KEY).folder, (0, 0))
    killed(store, FILES + 2)
    assert isinstance(store.find(CACHE_KEY), Artifact)
    assert store.checkpoints(CACHE_KEY).names() == ["1.npz"]
    store.clean_up()
    assert not store.checkpoints(CACHE_KEY).folder.exists()


def test_one_asked_for_afresh_stands_until_the_new_one_does_and_checkpoints_until_it_is_made(store, artifact):
    store.checkpoints(CACHE_KEY).write("1.npz", b"")
    with pytest.raises(OSError, match="No space"):
        store.make(CACHE_KEY, full, force=True)
    assert store.checkpoints(CACHE_KEY).names() == ["1.npz"]

    def look(folder, lock):
        assert store.find(CACHE_KEY) == artifact
        return {**produce(folder), "count": 4}

    renewed, here = store.make(CACHE_KEY, look, force=True)
    assert here
    assert store.find(CACHE_KEY) == renewed != artifact
    assert made_in(store) == [CACHE_KEY.key]
    assert not store.checkpoints(CACHE_KEY).folder.exists()
