import json
import sys

import pytest

from tasks.pipeline.artifact import Miss
from tasks.pipeline.errors import RunError, Unreachable
from tasks.pipeline.remote_store import RemoteStore
from tasks.pipeline.store import Store
from tests.conftest import CACHE_KEY, produce, set_aside
from tests.machines import SERVERS, bucket_known
from tests.programs import free_port


@pytest.fixture(scope="module", params=sorted(SERVERS))
def program(request, tmp_path_factory):
    with bucket_known(request.param, tmp_path_factory.mktemp(request.param) / "served"):
        yield request.param


@pytest.fixture
def machines(program, request, tmp_path):
    """Two machines with disks of their own, and a bucket that they share."""
    url = f"s3://bucket/{request.node.name}"
    return [RemoteStore(tmp_path / name, url) for name in ("one", "two")]


def differently(folder, lock):
    (folder / "numbers.txt").write_text("one two four")
    return {"count": 4}


def never(folder, lock):
    raise AssertionError("it was to be taken, not made")


def test_what_one_machine_makes_another_takes_verified_or_is_told_that_it_is_gone(machines):
    one, two = machines
    assert isinstance(two.find(CACHE_KEY), Miss)
    made, _ = Store(one.data_dir).make(CACHE_KEY, produce)  # before there was a store to share it in
    assert one.make(CACHE_KEY, never) == (made, False)
    found = two.fetch(made)
    assert found.folder == two.folder(CACHE_KEY)
    assert found.manifest == made.manifest
    assert (found.folder / "more" / "letters.txt").read_text() == "a b c"
    assert two.make(CACHE_KEY, never) == (found, False)
    one.remote.files.rm_file(one._manifest_path(CACHE_KEY))
    with pytest.raises(RunError, match="is no longer in s3://bucket/"):
        RemoteStore(two.data_dir.with_name("three"), two.remote.url).fetch(made)


def test_another_machine_goes_on_from_the_last_checkpoint_which_ends_with_the_artifact(machines):
    ours, theirs = (each.checkpoints(CACHE_KEY) for each in machines)
    for step in ("000000001", "000000002"):
        ours.write(f"{step}-abc.npz", step.encode())
    ours.remove("000000001-abc.npz")
    assert theirs.names() == ["000000002-abc.npz"]
    assert theirs.read("000000002-abc.npz") == b"000000002"
    assert theirs.folder == ours.folder
    machines[1].make(CACHE_KEY, produce)
    assert ours.names() == []


def test_of_two_that_make_it_at_once_the_first_one_s_is_everybody_s(machines, program):
    one, two = machines

    def meanwhile(folder, lock):
        one.make(CACHE_KEY, produce)
        return differently(folder, lock)

    second, here = two.make(CACHE_KEY, meanwhile)
    standing = one.find(CACHE_KEY)
    assert standing.digest == second.digest == two.find(CACHE_KEY).digest  # one truth, whichever it is
    if program == "localbucket":
        assert not here
        assert standing.summary == {"count": 3}


def test_what_is_asked_for_afresh_takes_the_place_of_what_stood_everywhere(machines):
    one, two = machines
    one.make(CACHE_KEY, produce)
    two.find(CACHE_KEY)

    afresh, _ = one.make(CACHE_KEY, differently, force=True)
    assert two.find(CACHE_KEY).digest == afresh.digest


@pytest.mark.parametrize("damage", ["altered", "missing", "a file elsewhere"])
def test_what_is_damaged_there_is_no_hit_and_is_mended_by_who_makes_it(machines, damage, tmp_path):
    one, two = machines
    made, _ = one.make(CACHE_KEY, produce)
    file = one._file(made.manifest["files"]["numbers.txt"]["sha256"])
    if damage == "altered":
        one.remote.files.pipe_file(file, b"one two thre3")
    elif damage == "missing":
        one.remote.files.rm_file(file)
    else:
        named = {"../../../elsewhere": made.manifest["files"]["numbers.txt"]}
        one.remote.files.pipe_file(
            f"{one.remote.root}/prepare/{CACHE_KEY.name}.json", json.dumps({"files": named}).encode()
        )
    found = two.find(CACHE_KEY)
    assert isinstance(found, Miss)
    assert one.remote.url in found.reason
    assert not list(tmp_path.rglob("elsewhere"))
    again, _ = two.make(CACHE_KEY, produce)
    assert RemoteStore(tmp_path / "three", one.remote.url).find(CACHE_KEY).digest == again.digest


def test_what_is_damaged_here_is_mended_by_what_is_there(machines):
    one, _ = machines
    made, _ = one.make(CACHE_KEY, produce)
    (made.folder / "manifest.json").write_text("{}")
    assert one.fetch(made) == made
    assert one.make(CACHE_KEY, never) == (made, False)
    assert len(set_aside(one)) == 1


def test_a_kill_between_files_and_manifest_leaves_nothing_that_is_found(machines, monkeypatch):
    one, two = machines
    monkeypatch.setattr(one.remote.files, "open", lambda *_: sys.exit("killed"))
    with pytest.raises(SystemExit):
        one.make(CACHE_KEY, produce)
    assert len(one.remote.files.find(one._file(""))) == 2
    assert isinstance(two.find(CACHE_KEY), Miss)


def test_a_store_that_does_not_answer_is_said_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    type(RemoteStore(tmp_path, "s3://bucket/nobody").remote.files).clear_instance_cache()
    nobody = RemoteStore(tmp_path, "s3://bucket/nobody")
    with pytest.raises(Unreachable, match=r"^store s3://bucket/nobody: .*\S$") as refused:
        nobody.find(CACHE_KEY)
    assert "\n" not in str(refused.value)
    nobody.checkpoints(CACHE_KEY).write("000000001-abc.npz", b"")  # is left out: the training goes on
    with pytest.raises(Unreachable):
        nobody.checkpoints(CACHE_KEY).names()
