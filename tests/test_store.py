import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tasks.artifacts.identity import Identity
from tasks.artifacts.store import Artifact, Miss, Store, sweep

IDENTITY = Identity(
    node="prepare",
    network=None,
    settings={"seed": 0, "limit": None},
    inputs={"download": "d1"},
    code="c1",
    versions={"numpy": "2.1"},
)
OTHER = replace(IDENTITY, settings={"seed": 1, "limit": None})


def produce(folder):
    """Make two files, one of them in a folder."""
    (folder / "numbers.txt").write_text("one two three")
    (folder / "more").mkdir()
    (folder / "more" / "letters.txt").write_text("a b c")
    return {"count": 3}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "data")


@pytest.fixture
def artifact(store):
    return store.make(IDENTITY, produce)


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# Made whole or not at all


def test_an_artifact_is_made_with_its_files_and_a_manifest(store, artifact):
    assert artifact.folder == store.data_dir / "prepare" / IDENTITY.key
    assert everything_in(artifact.folder) == ["manifest.json", "more", "more/letters.txt", "numbers.txt"]
    assert artifact.facts == {"count": 3}
    assert artifact.key == IDENTITY.key
    manifest = artifact.json("manifest.json")
    assert manifest == artifact.manifest
    assert manifest["files"]["numbers.txt"]["bytes"] == 13
    assert set(manifest["made"]) == {"at", "seconds", "processor", "cores", "system", "python"}


def test_an_artifact_of_a_network_is_kept_under_its_name(store):
    mapped = replace(IDENTITY, node="train", network="dropout")
    assert store.folder(mapped).name == f"dropout-{mapped.key}"
    assert mapped.label == "train[dropout]"
    assert IDENTITY.label == "prepare"


def test_what_was_made_is_found_again_and_is_equal(store, artifact):
    assert store.find(IDENTITY) == artifact
    assert Store(store.data_dir).find(IDENTITY) == artifact


def test_what_was_never_made_is_a_miss(store):
    assert store.find(IDENTITY) == Miss("not made before")


def test_a_making_that_fails_leaves_nothing(store):
    def fail(folder):
        produce(folder)
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        store.make(IDENTITY, fail)
    assert everything_in(store.data_dir) == ["prepare"]
    assert store.find(IDENTITY) == Miss("not made before")


def test_a_making_that_is_interrupted_leaves_nothing(store):
    def interrupt(folder):
        produce(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.make(IDENTITY, interrupt)
    assert everything_in(store.data_dir) == ["prepare"]


def test_facts_that_cannot_be_written_down_leave_nothing(store):
    with pytest.raises(TypeError, match="not JSON serializable"):
        store.make(IDENTITY, lambda folder: {"count": {1, 2}})
    assert everything_in(store.data_dir) == ["prepare"]


def test_a_making_after_a_failed_one_succeeds(store):
    with pytest.raises(ZeroDivisionError):
        store.make(IDENTITY, lambda folder: {"count": 1 / 0})
    assert store.make(IDENTITY, produce) == store.find(IDENTITY)


def test_the_content_decides_the_digest_and_the_identity_does_not(store, artifact):
    assert store.make(OTHER, produce).digest == artifact.digest
    another = replace(IDENTITY, code="c2")
    assert (
        store.make(another, lambda folder: (folder / "numbers.txt").write_text("four") and {}).digest != artifact.digest
    )


# Proves itself


def remove_file(folder):
    (folder / "numbers.txt").unlink()


def alter_byte(folder):
    """Change a byte, and leave the size and the times as they were."""
    path = folder / "numbers.txt"
    times = path.stat()
    path.write_text("one two threE")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def truncate(folder):
    os.truncate(folder / "more" / "letters.txt", 2)


def empty(folder):
    os.truncate(folder / "numbers.txt", 0)


def add_file(folder):
    (folder / "more" / "extra.txt").write_text("")


def add_link_to_a_folder(folder):
    (folder / "extra").symlink_to(folder / "more")


def link_in_place_of_file(folder):
    """Put a link to the same bytes in the file's place."""
    elsewhere = folder.parent.parent / "numbers.txt"
    (folder / "numbers.txt").rename(elsewhere)
    (folder / "numbers.txt").symlink_to(elsewhere)


def folder_in_place_of_file(folder):
    remove_file(folder)
    (folder / "numbers.txt").mkdir()


def rename_file(folder):
    (folder / "numbers.txt").rename(folder / "figures.txt")


def swap_files(folder):
    (folder / "numbers.txt").rename(folder / "between")
    (folder / "more" / "letters.txt").rename(folder / "numbers.txt")
    (folder / "between").rename(folder / "more" / "letters.txt")


def remove_manifest(folder):
    (folder / "manifest.json").unlink()


def manifest_is_not_json(folder):
    (folder / "manifest.json").write_text("{")


def manifest_is_not_text(folder):
    (folder / "manifest.json").write_bytes(b"\xff\xfe\xfd")


def manifest_is_a_list(folder):
    (folder / "manifest.json").write_text("[]")


def manifest_of_another(folder):
    rewrite(folder, lambda manifest: manifest["identity"].update(code="c2"))


def rewrite(folder, change):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest, indent=1))


def altered_manifest(change):
    return lambda folder: rewrite(folder, change)


DAMAGES = {
    "a file missing": (remove_file, "numbers.txt missing"),
    "a byte altered": (alter_byte, "numbers.txt altered since it was made"),
    "truncated": (truncate, "more/letters.txt altered since it was made"),
    "emptied": (empty, "numbers.txt altered since it was made"),
    "a file more": (add_file, "more/extra.txt was not there when it was made"),
    "a link to a folder more": (add_link_to_a_folder, "extra was not there when it was made"),
    "a link in place of a file": (link_in_place_of_file, "numbers.txt altered since it was made"),
    "a folder in place of a file": (folder_in_place_of_file, "numbers.txt missing"),
    "a file renamed": (rename_file, "figures.txt was not there when it was made"),
    "two files swapped": (swap_files, "altered since it was made"),
    "no manifest": (remove_manifest, "manifest.json unreadable"),
    "a manifest that is not JSON": (manifest_is_not_json, "manifest.json unreadable"),
    "a manifest that is not text": (manifest_is_not_text, "manifest.json unreadable"),
    "a manifest that is a list": (manifest_is_a_list, "manifest.json unreadable"),
    "a manifest whose files are a list": (
        altered_manifest(lambda manifest: manifest.update(files=[])),
        "manifest.json ",
    ),
    "a manifest without files": (altered_manifest(lambda manifest: manifest.pop("files")), "manifest.json "),
    "a manifest of another identity": (manifest_of_another, "manifest.json belongs to something else"),
    "a manifest with another content digest": (
        altered_manifest(lambda manifest: manifest.update(digest="0" * 64)),
        "manifest.json altered since it was made",
    ),
    "a manifest with another file digest": (
        altered_manifest(lambda manifest: manifest["files"]["numbers.txt"].update(sha256="0" * 64)),
        "manifest.json altered since it was made",
    ),
    "a manifest with other facts": (
        altered_manifest(lambda manifest: manifest.update(facts={"count": 4})),
        "manifest.json altered since it was made",
    ),
    "a manifest without facts": (altered_manifest(lambda manifest: manifest.pop("facts")), "manifest.json "),
    "a manifest with another key": (
        altered_manifest(lambda manifest: manifest.update(key="0" * 16)),
        "manifest.json altered since it was made",
    ),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_artifact_is_a_miss_with_its_reason_and_is_set_aside(store, artifact, damage, reason):
    damage(artifact.folder)
    left = everything_in(artifact.folder)
    miss = store.find(IDENTITY)
    assert isinstance(miss, Miss)
    (aside,) = (store.data_dir / "damaged").iterdir()
    assert reason in miss.reason
    assert miss.reason.endswith(f"; set aside in {aside}")
    assert aside.name.startswith(f"prepare-{IDENTITY.key}-")
    assert everything_in(aside) == left
    assert not artifact.folder.exists()


def test_what_was_set_aside_stays_when_the_artifact_is_made_again_and_damaged_again(store, artifact):
    for _ in range(2):
        alter_byte(artifact.folder)
        assert isinstance(store.find(IDENTITY), Miss)
        assert store.make(IDENTITY, produce).digest == artifact.digest
    assert len(list((store.data_dir / "damaged").iterdir())) == 2
    assert isinstance(store.find(IDENTITY), Artifact)


def test_finding_an_artifact_changes_nothing(store, artifact):
    before = {path: path.stat().st_mtime_ns for path in store.data_dir.rglob("*")}
    store.find(IDENTITY)
    assert {path: path.stat().st_mtime_ns for path in store.data_dir.rglob("*")} == before


# Leftovers of runs that were killed


def scratch_of(store, process):
    folder = store.data_dir / "prepare" / f".{IDENTITY.key}.{process}"
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
    others = [store.data_dir / "prepare" / name for name in (".hidden", ".cache.old", "notes.123")]
    for folder in others:
        folder.mkdir()
    sweep(store.data_dir)
    assert all(folder.exists() for folder in others)


def test_sweeping_where_there_is_no_data_does_nothing(tmp_path):
    sweep(tmp_path / "nowhere")


def test_the_leftover_of_a_dead_process_that_had_this_ones_number_does_not_stop_a_making(store):
    scratch_of(store, os.getpid())  # in a container, a killed run and the next one often have the same number
    assert store.make(IDENTITY, produce).facts == {"count": 3}
    assert everything_in(store.folder(IDENTITY)) == ["manifest.json", "more", "more/letters.txt", "numbers.txt"]


# Two makers


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


# Identity
