"""The store among other processes: one maker a key, and what killed makers leave behind."""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import threading
from dataclasses import replace
from subprocess import PIPE, Popen

import pytest

from tasks.pipeline import staging
from tasks.pipeline import store as module
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.staging import PREFIX
from tasks.pipeline.store import Store
from tests.conftest import CACHE_KEY, PROJECT, children_of, everything_in, full, produce, set_aside, wait_until

WHOLE = ["manifest.json", "more", "more/letters.txt", "numbers.txt"]
STAGED = f"{PREFIX}{CACHE_KEY.key}"
TRAINED = replace(CACHE_KEY, node="train", network="dropout")
SPAWN = multiprocessing.get_context("spawn")


def make_and_tell(data_dir, started, may_end, made):
    """Make the artifact, or wait for whoever does; tell whether it was made here."""

    def produce_when_told(folder, lock):
        started.set()
        assert may_end.wait(60)
        return produce(folder)

    made.put(Store(data_dir).make(CACHE_KEY, produce_when_told)[1])


def make_and_be_killed(data_dir, function, when):
    """Make the artifact and be killed as soon as a function of the store is called so many times."""
    real, calls = getattr(module, function), []

    def kill(*arguments, **keywords):
        calls.append(arguments)
        if len(calls) == when:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **keywords)

    setattr(module, function, kill)
    Store(data_dir).make(CACHE_KEY, produce)


def killed(store, function="put_manifest", when=1):
    maker = SPAWN.Process(target=make_and_be_killed, args=(store.data_dir, function, when))
    maker.start()
    maker.join()
    assert maker.exitcode == -signal.SIGKILL


def made_in(store):
    """Return what is there besides the locks, which stay."""
    return sorted(path.name for path in (store.data_dir / "prepare").iterdir() if path.name != staging.LOCKS)


@contextlib.contextmanager
def makers(store, count=1):
    """Have processes that make the artifact, one of which has begun: the processes, what lets it end, what was made."""
    started, may_end, made = SPAWN.Event(), SPAWN.Event(), SPAWN.Queue()
    arguments = (store.data_dir, started, may_end, made)
    processes = [SPAWN.Process(target=make_and_tell, args=arguments) for _ in range(count)]
    for process in processes:
        process.start()
    assert started.wait(60)
    yield processes, may_end, made
    for process in processes:
        process.join()


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_key_is_made_by_one_of_several_processes_and_the_others_take_it(store, count):
    with makers(store, count) as (processes, may_end, made):
        may_end.set()
    assert sorted(made.get() for _ in processes) == [False] * (count - 1) + [True]
    assert everything_in(store.data_dir / "prepare") == [CACHE_KEY.key, *(f"{CACHE_KEY.key}/{name}" for name in WHOLE)]
    assert isinstance(store.find(CACHE_KEY), Artifact)


def test_whoever_waits_is_told_for_whom_and_a_reader_does_not_wait(store):
    told = []

    def waiting(holder):
        assert told or store.find(CACHE_KEY).reason == "not made before"
        told.append(holder)
        may_end.set()

    with makers(store) as ((maker,), may_end, _):
        artifact, here = store.make(CACHE_KEY, produce, waiting=waiting)
    assert not here
    assert artifact == store.find(CACHE_KEY)
    assert set(told) == {f"pid {maker.pid} on this host, which makes prepare"}


def test_two_threads_that_make_the_same_key_make_it_once(store):
    made = []
    threads = [threading.Thread(target=lambda: made.append(store.make(CACHE_KEY, produce)[1])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]


def test_a_killed_maker_blocks_nobody_and_what_it_left_is_not_taken(store):
    killed(store)
    assert everything_in(store.data_dir / "prepare" / STAGED) == WHOLE[1:]
    artifact, here = store.make(CACHE_KEY, produce)
    assert here
    assert everything_in(artifact.folder) == WHOLE
    assert made_in(store) == [CACHE_KEY.key]


def test_what_a_killed_maker_left_is_swept_and_a_living_ones_is_not(store):
    with makers(store) as ((maker,), _, _):
        store.clean_up()
        assert made_in(store) == [STAGED]
        maker.kill()
    store.clean_up()
    assert made_in(store) == []


@pytest.mark.parametrize("again", [Store.clean_up, lambda store: store.make(CACHE_KEY, produce)], ids=["swept", "made"])
def test_what_a_killed_maker_had_finished_but_for_its_place_is_put_there(store, again):
    killed(store, "fsync", len(WHOLE) + 1)  # the last before the renaming brings the folder itself to the disk
    assert store.find(CACHE_KEY).reason == "not made before"
    again(store)
    found = store.find(CACHE_KEY)
    assert isinstance(found, Artifact)
    assert made_in(store) == [CACHE_KEY.key]


def test_a_damaged_one_that_a_killed_maker_had_replaced_but_for_its_place_is_replaced(store, artifact):
    (artifact.folder / "numbers.txt").write_text("one two threE")
    killed(store, "fsync", len(WHOLE) + 1)
    assert store.make(CACHE_KEY, produce)[1]
    assert isinstance(store.find(CACHE_KEY), Artifact)
    assert len(set_aside(store)) == 1


def test_one_asked_for_afresh_stands_until_the_new_one_does(store, artifact):
    def look(folder, lock):
        assert store.find(CACHE_KEY) == artifact
        return {**produce(folder), "count": 4}

    renewed, here = store.make(CACHE_KEY, look, force=True)
    assert here
    assert store.find(CACHE_KEY) == renewed != artifact
    assert made_in(store) == [CACHE_KEY.key]
    assert not set_aside(store)


def test_checkpoints_go_when_the_artifact_is_made_and_are_swept_where_it_stands(store):
    def with_checkpoints(folder, lock):
        store.checkpoints(TRAINED).folder.mkdir(parents=True)
        return produce(folder)

    store.make(TRAINED, with_checkpoints)
    assert not store.checkpoints(TRAINED).folder.exists()
    store.checkpoints(TRAINED).folder.mkdir()
    damaged = replace(TRAINED, network="baseline")
    store.make(damaged, produce)[0].folder.joinpath("numbers.txt").unlink()
    store.checkpoints(damaged).folder.mkdir()
    begun = store.checkpoints(TRAINED).folder.with_name("dropout-0123456789abcdef")
    begun.mkdir()
    store.clean_up()
    assert {path.name for path in begun.parent.iterdir()} == {begun.name, damaged.name}


def test_checkpoints_of_a_forced_rerun_outlive_the_cleaning_up_while_the_old_artifact_is_there(store):
    made, _ = store.make(TRAINED, produce)
    checkpoints = store.checkpoints(TRAINED).folder
    checkpoints.mkdir(parents=True)
    left = checkpoints / "000000001-abc.npz"
    left.touch()
    os.utime(left, ns=(left.stat().st_mtime_ns + 10**9,) * 2)  # later than the artifact, however fast this is
    store.clean_up()
    assert left.exists()
    os.utime(made.folder / "manifest.json", ns=(left.stat().st_mtime_ns + 1,) * 2)  # put in place after that
    store.clean_up()
    assert not checkpoints.exists()


def test_leftovers_are_swept_though_no_folder_can_be_made(store, monkeypatch):
    killed(store)
    monkeypatch.setattr(os, "mkdir", full)
    store.clean_up()
    assert made_in(store) == []


def test_sweeping_where_there_is_no_data_does_nothing(tmp_path):
    Store(tmp_path / "nowhere").clean_up()


def test_the_lock_outlives_a_killed_maker_as_long_as_its_child_does(store):
    """A training child that has lost its parent may still write: nobody else begins before it is gone."""
    reader, writer = os.pipe()
    code = (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from tasks.pipeline.staging import staging\n"
        "with staging(Path(sys.argv[1]), 'it') as (folder, lock):\n"
        f"    subprocess.Popen(['sleep', '600'], pass_fds=[lock, {writer}])\n"
        "    print('held', flush=True)\n"
        "    input()\n"
    )
    command = [sys.executable, "-c", code, str(store.folder(CACHE_KEY))]
    parent = Popen(command, stdin=PIPE, stdout=PIPE, pass_fds=[writer], cwd=PROJECT)
    os.close(writer)
    assert parent.stdout.readline() == b"held\n"
    (child,) = children_of(parent.pid)
    parent.kill()
    parent.wait()
    store.clean_up()
    assert made_in(store) == [STAGED]
    assert json.loads((store.data_dir / "prepare" / staging.LOCKS / CACHE_KEY.key).read_text())["pid"] == parent.pid
    os.kill(child, signal.SIGKILL)
    assert os.read(reader, 1) == b""  # it is gone
    os.close(reader)
    wait_until(lambda: store.clean_up() or made_in(store) == [], 10)
    parent.stdin.close()
    parent.stdout.close()
