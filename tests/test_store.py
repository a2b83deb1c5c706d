import json
import os
import shutil
from dataclasses import replace

import pytest

from tasks.pipeline.artifact import Artifact, Miss
from tasks.pipeline.cache_key import CacheKey, digest_of
from tasks.pipeline.store import Store
from tests.conftest import CACHE_KEY, everything_in, produce

OTHER = replace(CACHE_KEY, settings={"seed": 1, "limit": None})


def test_an_artifact_is_made_with_its_files_and_a_manifest(store, artifact):
    assert artifact.folder == store.data_dir / "prepare" / CACHE_KEY.key
    assert everything_in(artifact.folder) == ["manifest.json", "more", "more/letters.txt", "numbers.txt"]
    assert artifact.summary == {"count": 3}
    assert artifact.key == CACHE_KEY.key
    manifest = artifact.json("manifest.json")
    assert manifest == artifact.manifest
    assert manifest["files"]["numbers.txt"]["bytes"] == 13
    assert set(manifest["made"]) == {
        *("at", "seconds", "measured", "why", "run", "commit", "processor", "cores", "system", "python")
    }


def test_an_artifact_of_a_network_is_kept_under_its_name(store):
    mapped = replace(CACHE_KEY, node="train", network="dropout")
    assert store.folder(mapped).name == f"dropout-{mapped.key}"


def test_what_was_made_is_found_again_and_is_equal(store, artifact):
    assert store.find(CACHE_KEY) == artifact
    assert Store(store.data_dir).find(CACHE_KEY) == artifact


def test_what_was_never_made_is_a_miss(store):
    assert store.find(CACHE_KEY) == Miss("not made before")


def test_a_making_that_fails_leaves_nothing(store):
    def fail(folder, lock):
        produce(folder)
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        store.make(CACHE_KEY, fail)
    assert everything_in(store.data_dir) == ["prepare"]
    assert store.find(CACHE_KEY) == Miss("not made before")


def test_a_making_that_is_interrupted_leaves_nothing(store):
    def interrupt(folder, lock):
        produce(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.make(CACHE_KEY, interrupt)
    assert everything_in(store.data_dir) == ["prepare"]


def test_a_summary_that_cannot_be_written_down_leaves_nothing(store):
    with pytest.raises(TypeError, match="not JSON serializable"):
        store.make(CACHE_KEY, lambda folder, lock: {"count": {1, 2}})
    assert everything_in(store.data_dir) == ["prepare"]


def test_a_making_after_a_failed_one_succeeds(store):
    with pytest.raises(ZeroDivisionError):
        store.make(CACHE_KEY, lambda folder, lock: {"count": 1 / 0})
    assert store.make(CACHE_KEY, produce) == (store.find(CACHE_KEY), True)


def test_what_the_summary_says_is_content_and_what_was_measured_is_not(store, artifact):
    def of(summary):
        return store.make(CACHE_KEY, lambda folder, lock: produce(folder) | summary, fresh=True)[0]

    timed = of({"measured": {"seconds": 3}})
    assert timed.digest == artifact.digest
    assert (timed.summary, timed.measured) == ({"count": 3}, {"seconds": 3})
    assert of({"parameters": 7}).digest != artifact.digest


def test_a_node_that_is_keyed_by_the_content_of_its_inputs_gets_nothing_else(artifact):
    alone = artifact.content_alone()
    assert (alone.folder, alone.digest, alone.summary) == (artifact.folder, artifact.digest, artifact.summary)
    assert not {"made", "cache_key", "key"} & alone.manifest.keys()


def test_the_content_decides_the_digest_and_the_key_does_not(store, artifact):
    assert store.make(OTHER, produce)[0].digest == artifact.digest
    another = replace(CACHE_KEY, code={})
    other, _ = store.make(another, lambda folder, lock: (folder / "numbers.txt").write_text("four") and {})
    assert other.digest != artifact.digest


def remove_file(folder):
    (folder / "numbers.txt").unlink()


def alter_byte(folder):
    """Change a byte, and leave the size and the times as they were."""
    path = folder / "numbers.txt"
    times = path.stat()
    path.write_text("one two threE")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def lengthen(folder):
    with (folder / "numbers.txt").open("a") as file:
        file.write("!")


def add_folder(folder):
    (folder / "extra").mkdir()


def pipe_in_place_of_file(folder):
    remove_file(folder)
    os.mkfifo(folder / "numbers.txt")


def link_in_place_of_folder(folder):
    (folder / "more").rename(folder.parent.parent / "more")
    (folder / "more").symlink_to(folder.parent.parent / "more")


def link_in_place_of_manifest(folder):
    (folder / "manifest.json").rename(folder.parent.parent / "manifest.json")
    (folder / "manifest.json").symlink_to(folder.parent.parent / "manifest.json")


def link_in_place_of_all(folder):
    folder.rename(folder.parent.parent / folder.name)
    folder.symlink_to(folder.parent.parent / folder.name)


def file_in_place_of_all(folder):
    shutil.rmtree(folder)
    folder.write_text("a file")


def sealed_manifest_of_another(folder):
    def change(manifest):
        manifest["cache_key"]["code"] = {}
        manifest["key"] = CacheKey(**manifest["cache_key"]).key
        del manifest["seal"]
        manifest["seal"] = digest_of(manifest)

    rewrite(folder, change)


def artifact_of_another(folder):
    other, _ = Store(folder.parent.parent).make(OTHER, produce)
    shutil.rmtree(folder)
    other.folder.rename(folder)


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


def manifest_too_deep(folder):
    (folder / "manifest.json").write_text("[" * 200_000)


def manifest_of_another(folder):
    rewrite(folder, lambda manifest: manifest["cache_key"].update(code={}))


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
    "a byte more": (lengthen, "numbers.txt altered since it was made"),
    "truncated": (truncate, "more/letters.txt truncated to 2 of 5 bytes"),
    "emptied": (empty, "numbers.txt truncated to 0 of 13 bytes"),
    "a file more": (add_file, "more/extra.txt was not there when it was made"),
    "a link to a folder more": (add_link_to_a_folder, "extra was not there when it was made"),
    "a folder more": (add_folder, "extra was not there when it was made"),
    "a link in place of a file": (link_in_place_of_file, "numbers.txt is a link, not a file"),
    "a link in place of a folder": (link_in_place_of_folder, "more is a link, not a folder"),
    "a folder in place of a file": (folder_in_place_of_file, "numbers.txt is a folder, not a file"),
    "a pipe in place of a file": (pipe_in_place_of_file, "numbers.txt is a device, not a file"),
    "a link in place of the whole": (link_in_place_of_all, "not a folder"),
    "a file in place of the whole": (file_in_place_of_all, "not a folder"),
    "a file renamed": (rename_file, "figures.txt was not there when it was made"),
    "two files swapped": (swap_files, "altered since it was made"),
    "no manifest": (remove_manifest, "manifest.json missing"),
    "a link in place of the manifest": (link_in_place_of_manifest, "manifest.json missing"),
    "a manifest that is not JSON": (manifest_is_not_json, "manifest.json damaged"),
    "a manifest that is not text": (manifest_is_not_text, "manifest.json damaged"),
    "a manifest that is a list": (manifest_is_a_list, "manifest.json damaged"),
    "a manifest too deep to be read": (manifest_too_deep, "manifest.json damaged"),
    "a manifest whose files are a list": (
        altered_manifest(lambda manifest: manifest.update(files=[])),
        "manifest.json ",
    ),
    "a manifest of an older version": (
        altered_manifest(lambda manifest: manifest.update(format=1)),
        "manifest.json is of another version of this project",
    ),
    "a manifest without files": (altered_manifest(lambda manifest: manifest.pop("files")), "manifest.json "),
    "a manifest of another cache_key": (manifest_of_another, "manifest.json altered since it was made"),
    "a sealed manifest of another cache_key": (sealed_manifest_of_another, "manifest.json belongs to something else"),
    "the whole artifact of another key": (artifact_of_another, "manifest.json belongs to something else"),
    "a manifest with another content digest": (
        altered_manifest(lambda manifest: manifest.update(digest="0" * 64)),
        "manifest.json altered since it was made",
    ),
    "a manifest with another file digest": (
        altered_manifest(lambda manifest: manifest["files"]["numbers.txt"].update(sha256="0" * 64)),
        "manifest.json altered since it was made",
    ),
    "a manifest with another summary": (
        altered_manifest(lambda manifest: manifest.update(summary={"count": 4})),
        "manifest.json altered since it was made",
    ),
    "a manifest without a summary": (altered_manifest(lambda manifest: manifest.pop("summary")), "manifest.json "),
    "a manifest with another key": (
        altered_manifest(lambda manifest: manifest.update(key="0" * 16)),
        "manifest.json altered since it was made",
    ),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_artifact_is_a_miss_with_its_reason_and_kept_when_it_is_made_again(store, artifact, damage, reason):
    damage(artifact.folder)
    left = everything_in(artifact.folder)
    for _ in range(2):  # asking changes nothing: who asks next hears the same
        miss = store.find(CACHE_KEY)
        assert isinstance(miss, Miss)
        assert reason in miss.reason
    assert store.make(CACHE_KEY, produce) == (store.find(CACHE_KEY), True)
    (aside,) = (store.data_dir / "damaged").iterdir()
    assert aside.name.startswith(f"prepare-{CACHE_KEY.key}-")
    assert everything_in(aside) == left


def test_a_damaged_artifact_stays_where_it_is_when_making_it_again_fails(store, artifact):
    alter_byte(artifact.folder)
    with pytest.raises(ZeroDivisionError):
        store.make(CACHE_KEY, lambda folder, lock: {"count": 1 / 0})
    assert everything_in(store.data_dir) == [
        "prepare",
        f"prepare/{CACHE_KEY.key}",
        *(f"prepare/{CACHE_KEY.key}/{name}" for name in ("manifest.json", "more", "more/letters.txt", "numbers.txt")),
    ]


def test_what_was_set_aside_stays_when_the_artifact_is_made_again_and_damaged_again(store, artifact):
    for _ in range(2):
        alter_byte(artifact.folder)
        assert isinstance(store.find(CACHE_KEY), Miss)
        assert store.make(CACHE_KEY, produce)[0].digest == artifact.digest
    assert len(list((store.data_dir / "damaged").iterdir())) == 2
    assert isinstance(store.find(CACHE_KEY), Artifact)


def test_finding_an_artifact_changes_nothing(store, artifact):
    before = {path: path.stat().st_mtime_ns for path in store.data_dir.rglob("*")}
    store.find(CACHE_KEY)
    assert {path: path.stat().st_mtime_ns for path in store.data_dir.rglob("*")} == before
