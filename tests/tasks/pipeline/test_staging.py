"""What lies where things are made: nothing of it is in the way, and nothing is removed but what was made here."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tasks.pipeline.artifact import Miss
from tasks.pipeline.staging import LOCKS, PREFIX, remove
from tests.conftest import CACHE_KEY, everything_in, produce, set_aside
from tests.strange_files import OTHER_THAN_FILES, nest

STAGED = f"{PREFIX}{CACHE_KEY.key}"


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
    assert store.find(CACHE_KEY) == Miss("deeper was not there when it was made")
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
