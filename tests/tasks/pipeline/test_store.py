import json
import os
import shutil
from dataclasses import replace

import pytest

from tasks.pipeline.artifact import Miss
from tasks.pipeline.store import Store
from tests.conftest import CACHE_KEY, everything_in, produce, set_aside

OTHER = replace(CACHE_KEY, settings={"seed": 1, "limit": None})


def test_an_artifact_is_made_with_its_files_and_a_manifest(store, artifact):
    assert Store(store.data_dir).find(CACHE_KEY) == artifact
    assert artifact.folder == store.data_dir / "prepare" / CACHE_KEY.key
    assert everything_in(artifact.folder) == ["manifest.json", "more", "more/letters.txt", "numbers.txt"]
    assert artifact.summary == {"count": 3}
    assert artifact.key == CACHE_KEY.key
    manifest = artifact.json("manifest.json")
    assert manifest == artifact.manifest
    assert manifest["files"]["numbers.txt"]["bytes"] == 13
    assert set(manifest["made"]) == {
        *("at", "seconds", "measured", "why", "run", "commit", "processor", "cores", "memory", "system", "python")
    }


def interrupted(folder, lock):
    produce(folder)
    raise KeyboardInterrupt


def with_a_summary_that_cannot_be_written_down(folder, lock):
    return {"count": {1, 2}}


@pytest.mark.parametrize("making", [interrupted, with_a_summary_that_cannot_be_written_down])
def test_a_making_that_ends_early_leaves_nothing_and_the_next_one_succeeds(store, making):
    with pytest.raises((KeyboardInterrupt, TypeError)):
        store.make(CACHE_KEY, making)
    assert everything_in(store.data_dir) == ["prepare"]
    assert store.find(CACHE_KEY) == Miss("new")
    assert store.make(CACHE_KEY, produce) == (store.find(CACHE_KEY), True)


def test_what_files_and_summary_say_is_content_and_neither_the_key_nor_what_was_measured_is(store, artifact):
    def of(summary):
        return store.make(CACHE_KEY, lambda folder, lock: produce(folder) | summary, force=True)[0]

    timed = of({"measured": {"seconds": 3}})
    assert timed.digest == artifact.digest == store.make(OTHER, produce)[0].digest
    assert (timed.summary, timed.measured) == ({"count": 3}, {"seconds": 3})
    assert of({"parameters": 7}).digest != artifact.digest
    another = replace(CACHE_KEY, code={})
    other, _ = store.make(another, lambda folder, lock: (folder / "numbers.txt").write_text("four") and {"count": 3})
    assert other.digest != artifact.digest


def written(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def linked(name):
    """Put a link to the same content in the place of a file or a folder."""

    def damage(folder):
        elsewhere = folder.parent.parent / "elsewhere"
        (folder / name).rename(elsewhere)
        (folder / name).symlink_to(elsewhere)

    return damage


def alter_byte(folder):
    """Change a byte, and leave the size and the times as they were."""
    path = folder / "numbers.txt"
    times = path.stat()
    path.write_text("one two threE")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def rewritten(**changes):
    """Change the manifest, without the seal that would fit it."""

    def damage(folder):
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes, indent=1))

    return damage


def take_anothers(folder):
    other, _ = Store(folder.parent.parent).make(OTHER, produce)
    shutil.rmtree(folder)
    other.folder.rename(folder)


ALTERED = "altered since it was made"
DAMAGES = {
    "a file missing": (lambda folder: (folder / "numbers.txt").unlink(), "numbers.txt missing"),
    "a byte altered": (alter_byte, f"numbers.txt {ALTERED}"),
    "a file more": (written("more/extra.txt", b""), "more/extra.txt added since it was made"),
    "a link in place of a file": (linked("numbers.txt"), "numbers.txt missing"),
    "a link in place of a folder": (linked("more"), "more/letters.txt missing"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "manifest.json missing"),
    "a link in place of the manifest": (linked("manifest.json"), "manifest.json missing"),
    "a manifest that is not text": (written("manifest.json", b"\xff\xfe\xfd"), "manifest.json damaged"),
    "a manifest that is a list": (written("manifest.json", b"[]"), "manifest.json damaged"),
    "another summary": (rewritten(summary={}), f"manifest.json {ALTERED}"),
    "an older version": (rewritten(format=1), "manifest.json is of another version of this project"),
    "the whole artifact of another key": (take_anothers, "manifest.json belongs to something else"),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_artifact_is_a_miss_with_its_reason_and_kept_when_it_is_made_again(store, artifact, damage, reason):
    damage(artifact.folder)
    left = everything_in(artifact.folder)
    with pytest.raises(ZeroDivisionError):
        store.make(CACHE_KEY, lambda folder, lock: {"count": 1 / 0})
    assert store.find(CACHE_KEY) == Miss(reason)  # asking, and failing to make it again, changes nothing
    assert store.make(CACHE_KEY, produce) == (store.find(CACHE_KEY), True)
    (aside,) = set_aside(store)
    assert everything_in(aside) == left
