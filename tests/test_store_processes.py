"""The store among other processes: what killed ones leave behind, and two that make the same at once."""

import contextlib
import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.artifacts import store as module
from tasks.artifacts.store import Artifact, Store, sweep
from tests.conftest import IDENTITY, everything_in, produce


def scratch_of(store, process):
    folder = store.data_dir / "prepare" / f".unfinished-x1y2.{process}"
    folder.mkdir(parents=True)
    (folder / "numbers.txt").write_text("one tw")
    return folder


@pytest.fixture
def living():
    """A process that lives until its standard input closes."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        yield process


def end(process):
    process.stdin.close()
    process.wait()


def test_the_leftovers_of_a_dead_process_are_swept_and_a_living_ones_are_not(store, artifact, living):
    leftover = scratch_of(store, living.pid)
    sweep(store.data_dir)
    assert leftover.exists()
    end(living)
    sweep(store.data_dir)
    assert not leftover.exists()
    assert store.find(IDENTITY) == artifact


def test_what_this_process_makes_is_swept_only_when_it_stops(store):
    own = scratch_of(store, os.getpid())
    sweep(store.data_dir)
    assert own.exists()
    sweep(store.data_dir, stopping=True)
    assert not own.exists()


def test_sweeping_spares_what_is_not_a_scratch_folder(store, artifact):
    others = [
        store.data_dir / "prepare" / name
        for name in (".hidden", ".cache-deadbeef.1", ".unfinished-notes", "unfinished-x.1")
    ]
    for folder in others:
        folder.mkdir()
    sweep(store.data_dir)
    assert all(folder.exists() for folder in others)


def test_leftovers_are_swept_from_a_folder_and_from_the_folders_in_it_but_no_deeper(tmp_path, living):
    here, below, deeper = (tmp_path / part / f".unfinished-page.{living.pid}" for part in ("", "a", "a/b"))
    for folder in (here, below, deeper):
        folder.mkdir(parents=True)
    end(living)
    sweep(tmp_path)
    assert [folder.exists() for folder in (here, below, deeper)] == [False, False, True]


def test_leftovers_are_swept_though_no_folder_can_be_made(store, monkeypatch, living):
    leftover = scratch_of(store, living.pid)
    end(living)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "mkdir", full)
    sweep(store.data_dir)
    assert list(leftover.parent.iterdir()) == []


def test_sweeping_where_there_is_no_data_does_nothing(tmp_path):
    sweep(tmp_path / "nowhere")


def test_the_leftover_of_a_dead_process_that_had_this_ones_number_does_not_stop_a_making(store):
    scratch_of(store, os.getpid())  # in a container, a killed run and the next one often have the same number
    assert store.make(IDENTITY, produce).facts == {"count": 3}
    assert everything_in(store.folder(IDENTITY)) == ["manifest.json", "more", "more/letters.txt", "numbers.txt"]


def test_what_is_swept_while_it_is_being_made_is_whole_or_not_there(store, monkeypatch):
    """The run is stopped just before the folder is renamed into place: the narrowest of moments."""
    about_to_be_renamed = threading.Event()
    to_disk = module._to_disk

    def tell(path):
        to_disk(path)
        if path.name == IDENTITY.key:
            about_to_be_renamed.set()

    monkeypatch.setattr(module, "_to_disk", tell)
    for _ in range(20):
        about_to_be_renamed.clear()
        maker = threading.Thread(target=make_or_fail, args=(store,))
        maker.start()
        assert about_to_be_renamed.wait(60)
        sweep(store.data_dir, stopping=True)
        maker.join()
        assert not store.folder(IDENTITY).exists() or isinstance(store.find(IDENTITY), Artifact)
        shutil.rmtree(store.folder(IDENTITY), ignore_errors=True)


def make_or_fail(store):
    def produce_many(folder):
        for number in range(100):
            (folder / f"{number}.txt").write_text("a number")
        return {}

    with contextlib.suppress(OSError):
        store.make(IDENTITY, produce_many)


def make_in_step(data_dir, barrier):
    """Make the artifact once the other maker is at it too, or can be seen not to come."""

    def produce_in_step(folder):
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(1)
        return produce(folder)

    return Store(data_dir).make(IDENTITY, produce_in_step)


def test_two_processes_that_make_the_same_key_end_with_one_artifact(store):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    makers = [context.Process(target=make_in_step, args=(store.data_dir, barrier)) for _ in range(2)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert [maker.exitcode for maker in makers] == [0, 0]
    assert [path.name for path in (store.data_dir / "prepare").iterdir()] == [IDENTITY.key]
    assert isinstance(store.find(IDENTITY), Artifact)


def test_two_threads_that_make_the_same_key_end_with_one_artifact(store):
    barrier = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        makers = [pool.submit(make_in_step, store.data_dir, barrier) for _ in range(2)]
    assert [maker.exception() for maker in makers] == [None, None]
    assert makers[0].result() == makers[1].result() == store.find(IDENTITY)
    assert [path.name for path in (store.data_dir / "prepare").iterdir()] == [IDENTITY.key]


def test_the_artifact_that_another_run_made_meanwhile_is_taken(store):
    context = multiprocessing.get_context("spawn")

    def produce_after_them(folder):
        other = context.Process(target=make_alone, args=(store.data_dir,))
        other.start()
        other.join()
        return {**produce(folder), "by": "this"}

    assert store.make(IDENTITY, produce_after_them).facts == {"count": 3}
    assert [path.name for path in (store.data_dir / "prepare").iterdir()] == [IDENTITY.key]


def make_alone(data_dir):
    Store(data_dir).make(IDENTITY, produce)
