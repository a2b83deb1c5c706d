"""What lies where things are made: one maker a key, what a kill leaves, and nothing removed but what was made here."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.pipeline import store as module
from tasks.pipeline.artifact import Artifact, Miss
from tasks.pipeline.staging import LOCKS, PREFIX, remove
from tasks.pipeline.store import NEW, Store
from tests.conftest import CACHE_KEY, everything_in, full, produce, set_aside
from tests.strange_files import OTHER_THAN_FILES, nest

WHOLE = ["manifest.json", "more", "more/letters.txt", "numbers.txt"]
STAGED = f"{PREFIX}{CACHE_KEY.key}"
FORK = multiprocessing.get_context("fork")


def made_in(store):
    """Return what is there besides the locks, which stay."""
    return sorted(path.name for path in (store.data_dir / "prepare").iterdir() if path.name != LOCKS)


def test_cleaning_up_follows_no_link_and_spares_what_is_not_a_staging_folder(store, artifact, tmp_path):
    mine = [tmp_path / "mine", store.data_dir / "prepare" / ".hidden", store.data_dir / "prepare" / "staging-x"]
    for folder in mine:
        folder.mkdir()
        (folder / "notes").write_text("mine")
    (store.data_dir / "prepare" / STAGED).symlink_to(mine[0])
    store.clean_up()
    assert all((folder / "notes").exists() for folder in mine)
    assert made_in(store) == sorted([".hidden", CACHE_KEY.key, "staging-x"])


def test_cleaning_up_leaves_alone_what_is_called_like_a_leftover_where_nothing_was_ever_made(store, artifact, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    left = [f"{PREFIX}x/notes", f"{PREFIX}/notes"]
    for name in left:
        (elsewhere / name).parent.mkdir(parents=True)
        (elsewhere / name).write_text("mine")
    (store.data_dir / "mine").symlink_to(elsewhere)
    store.clean_up()
    assert sorted(str(path.relative_to(elsewhere)) for path in elsewhere.glob("*/*")) == sorted(left)
    assert not (elsewhere / LOCKS).exists()


def test_what_a_killed_remover_left_is_removed_however_deep_it_is(store, artifact):
    nest(artifact.folder)
    artifact.folder.rename(artifact.folder.with_name(STAGED))
    store.clean_up()
    assert made_in(store) == []


@pytest.mark.parametrize("link", [STAGED, f"{LOCKS}/{CACHE_KEY.key}", LOCKS])
def test_no_maker_writes_through_a_link_or_empties_where_it_leads(store, tmp_path, link):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / CACHE_KEY.key).write_text("mine")
    path = store.data_dir / "prepare" / link
    path.parent.mkdir(parents=True)
    path.symlink_to(mine / CACHE_KEY.key if link.startswith(f"{LOCKS}/") else mine)
    with contextlib.suppress(OSError):
        store.make(CACHE_KEY, produce)
    store.clean_up()
    assert everything_in(mine) == [CACHE_KEY.key]
    assert (mine / CACHE_KEY.key).read_text() == "mine"


def test_of_a_link_that_no_node_is_called_like_nothing_is_cleaned_up(store, artifact, tmp_path):
    another = store.data_dir / "another"
    shutil.copytree(store.data_dir / "prepare", another)
    (another / STAGED).mkdir()
    (another / STAGED / "notes").write_text("mine")
    another.rename(tmp_path / "elsewhere")
    another.symlink_to(tmp_path / "elsewhere")
    store.clean_up()
    assert (tmp_path / "elsewhere" / STAGED / "notes").read_text() == "mine"


def test_a_lock_that_is_a_file_of_another_name_too_is_not_written_to(store, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (store.data_dir / "prepare" / LOCKS).mkdir(parents=True)
    os.link(mine, store.data_dir / "prepare" / LOCKS / CACHE_KEY.key)
    assert store.make(CACHE_KEY, produce)[1]
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("put", OTHER_THAN_FILES.values(), ids=OTHER_THAN_FILES)
def test_what_is_in_a_staging_folder_s_place_is_in_nobody_s_way(store, put):
    (store.data_dir / "prepare").mkdir(parents=True)
    put(store.data_dir / "prepare" / STAGED)
    assert store.make(CACHE_KEY, produce)[1]
    assert made_in(store) == [CACHE_KEY.key]


def test_folders_in_folders_are_a_miss_and_set_aside_however_deep_they_are(store, artifact):
    nest(artifact.folder)
    assert store.find(CACHE_KEY) == Miss("deeper added since it was made")
    assert store.make(CACHE_KEY, produce)[1]
    (aside,) = set_aside(store)
    remove(aside)
    assert set_aside(store) == []


def test_a_damaged_artifact_is_set_aside_though_its_node_s_folder_is_on_another_disk(store, artifact):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as disk:
        assert Path(disk).stat().st_dev != store.data_dir.stat().st_dev
        shutil.move(artifact.folder.parent, disk)
        artifact.folder.parent.symlink_to(Path(disk, "prepare"))
        (artifact.folder / "numbers.txt").write_text("one two threE")
        assert store.make(CACHE_KEY, produce) == (store.find(CACHE_KEY), True)
        (aside,) = set_aside(store)
        assert (aside / "numbers.txt").read_text() == "one two threE"


def make_and_be_killed(data_dir, function, when):
    """Make the artifact and be killed as soon as a function of the store is called so many times."""
    real, calls = getattr(module, function), []

    def kill(*arguments, **keywords):
        calls.append(arguments)
        if len(calls) == when:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **keywords)

    setattr(module, function, kill)
    Store(data_dir).make(CACHE_KEY, produce, force=True)


def killed(store, function="put_manifest", when=1):
    maker = FORK.Process(target=make_and_be_killed, args=(store.data_dir, function, when))
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


def test_whoever_waits_is_told_for_whom_and_a_reader_does_not_wait(store):
    told = []

    def waiting(holder):
        assert told or store.find(CACHE_KEY).reason == "new"
        told.append(holder)
        may_end.set()

    with maker(store) as (process, may_end):
        artifact, here = store.make(CACHE_KEY, produce, waiting=waiting)
    assert not here
    assert artifact == store.find(CACHE_KEY)
    assert set(told) == {f"pid {process.pid} on this host, which is building prepare"}


def test_threads_that_make_the_same_key_make_it_once(store):
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(store.make, CACHE_KEY, produce) for _ in range(8)]
    assert sorted(each.result()[1] for each in made) == [False] * 7 + [True]


def test_what_a_killed_maker_left_is_swept_and_a_living_ones_is_not(store):
    with maker(store) as (process, _):
        store.clean_up()
        assert made_in(store) == [STAGED]
        process.kill()
    store.clean_up()
    assert made_in(store) == []


def test_what_is_half_made_is_not_taken_and_goes_though_no_folder_can_be_made(store, monkeypatch):
    killed(store)
    assert everything_in(store.data_dir / "prepare" / STAGED / NEW) == WHOLE[1:]
    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", full)
        store.clean_up()
    assert made_in(store) == []
    assert store.make(CACHE_KEY, produce)[1]


@pytest.mark.parametrize("again", [Store.clean_up, lambda store: store.make(CACHE_KEY, produce)], ids=["swept", "made"])
@pytest.mark.parametrize("before", ["nothing", "damaged", "whole"])
def test_what_a_killed_maker_had_finished_but_for_its_place_is_put_there(store, again, before):
    old = None if before == "nothing" else store.make(CACHE_KEY, produce)[0]
    number = old and old.folder.stat().st_ino
    if before == "damaged":
        (old.folder / "numbers.txt").write_text("one two threE")
    store.checkpoints(CACHE_KEY).write("1.npz", b"")
    killed(store, "fsync", len(WHOLE) + 1)  # the last before the renaming brings the folder itself to the disk
    assert store.find(CACHE_KEY) == old if before == "whole" else isinstance(store.find(CACHE_KEY), Miss)
    assert store.checkpoints(CACHE_KEY).names() == ["1.npz"]
    again(store)
    found = store.find(CACHE_KEY)
    assert isinstance(found, Artifact)
    assert found.folder.stat().st_ino != number
    assert [name for name in made_in(store) if not name.startswith("damaged-")] == [CACHE_KEY.key]
    assert len(set_aside(store)) == (before == "damaged")
    assert not store.checkpoints(CACHE_KEY).folder.exists()


def test_one_asked_for_afresh_stands_until_the_new_one_does(store, artifact):
    def look(folder, lock):
        assert store.find(CACHE_KEY) == artifact
        return {**produce(folder), "count": 4}

    renewed, here = store.make(CACHE_KEY, look, force=True)
    assert here
    assert store.find(CACHE_KEY) == renewed != artifact
    assert made_in(store) == [CACHE_KEY.key]


def test_checkpoints_outlive_a_making_that_fails_and_go_when_it_is_made(store, artifact):
    store.checkpoints(CACHE_KEY).write("1.npz", b"")
    with pytest.raises(OSError, match="No space"):
        store.make(CACHE_KEY, full, force=True)
    store.clean_up()
    assert store.checkpoints(CACHE_KEY).names() == ["1.npz"]
    store.make(CACHE_KEY, produce, force=True)
    assert not store.checkpoints(CACHE_KEY).folder.exists()
