import contextlib
import json
import threading
import time

import pytest

from tasks.pipeline import shared
from tasks.pipeline.artifact import Artifact, Miss
from tasks.pipeline.errors import RunError, Unreachable
from tasks.pipeline.remote_store import SharedStore
from tasks.pipeline.staging import PREFIX
from tasks.pipeline.store import Store
from tests.conftest import CACHE_KEY, free_port, produce, wait_until
from tests.machines import SERVERS, bucket_known


@pytest.fixture(scope="module", params=sorted(SERVERS))
def program(request, tmp_path_factory):
    with bucket_known(request.param, tmp_path_factory.mktemp(request.param) / "served"):
        yield request.param


@pytest.fixture
def machines(program, request, tmp_path):
    """Two machines with disks of their own, and a bucket that they share."""
    url = f"s3://bucket/{request.node.name}"
    return [SharedStore(tmp_path / name, url) for name in ("one", "two")]


def never(folder, lock):
    raise AssertionError("it was to be taken, not made")


def test_what_one_machine_makes_another_takes_verified(machines):
    one, two = machines
    assert isinstance(two.find(CACHE_KEY), Miss)
    made, here = one.make(CACHE_KEY, produce)
    assert here
    found = two.find(CACHE_KEY)
    assert found.folder == two.folder(CACHE_KEY)
    assert found.manifest == made.manifest
    assert (found.folder / "more" / "letters.txt").read_text() == "a b c"
    assert two.make(CACHE_KEY, never) == (found, False)


def test_two_that_make_it_at_once_make_it_once(machines):
    waiters, begun, go_on, results = [], threading.Event(), threading.Event(), {}

    def slowly(folder, lock):
        begun.set()
        assert go_on.wait(60)
        return produce(folder)

    def waiting(holder):
        waiters.append(holder)
        go_on.set()

    def make(name, store, how, **options):
        results[name] = store.make(CACHE_KEY, how, **options)

    first = threading.Thread(target=make, args=("one", machines[0], slowly))
    first.start()
    assert begun.wait(60)
    make("two", machines[1], never, waiting=waiting)
    first.join()
    assert results["one"][1] and not results["two"][1]
    assert results["one"][0].manifest == results["two"][0].manifest
    assert waiters[0].endswith("which makes prepare")


def test_who_is_gone_is_waited_for_no_longer_than_its_lease_lasts(machines, monkeypatch):
    one, two = machines
    monkeypatch.setattr(shared, "EXPIRED", 0.3)
    one._created(f"{one._at(CACHE_KEY)}.lease", json.dumps({"pid": 1, "host": "one that lost its power"}).encode())
    waited = []
    made, here = two.make(CACHE_KEY, produce, waiting=waited.append)
    assert here and waited
    assert two.find(CACHE_KEY) == made


def test_a_renewed_lease_is_respected_however_long_it_takes(machines, monkeypatch):
    one, two = machines
    monkeypatch.setattr(shared, "EXPIRED", 1.0)
    monkeypatch.setattr(shared, "RENEWED", 0.1)
    began = time.monotonic()

    def waiting(holder):
        if time.monotonic() - began > 3:
            raise RunError("still at work")

    with one._turn(CACHE_KEY, never), pytest.raises(RunError, match="still at work"):
        two.make(CACHE_KEY, never, waiting=waiting)


def test_who_takes_over_goes_on_from_the_last_checkpoint_which_ends_with_the_artifact(machines, monkeypatch):
    one, two = machines
    monkeypatch.setattr(shared, "RENEWED", 0.05)

    def lost(folder, lock):
        place = one.checkpoints(CACHE_KEY)
        place.mkdir(parents=True)
        for step in ("000000001", "000000002"):
            (place / f"{step}-abc.npz").write_text(step)
            wait_until(lambda name=f"{step}-abc.npz": one._checkpoints_at(CACHE_KEY) == [name], 30)
        raise RunError("lost")

    with pytest.raises(RunError, match="lost"):
        one.make(CACHE_KEY, lost)

    def goes_on(folder, lock):
        (left,) = two.checkpoints(CACHE_KEY).iterdir()
        assert (left.name, left.read_text()) == ("000000002-abc.npz", "000000002")
        return produce(folder)

    two.make(CACHE_KEY, goes_on)
    assert one._checkpoints_at(CACHE_KEY) == []


def test_of_two_that_have_made_it_the_first_ones_stands(machines, program):
    one, two = machines

    def meanwhile(folder, lock):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(one, "_turn", lambda *_: contextlib.nullcontext())  # its lease was lost to the other
            one.make(CACHE_KEY, produce)
        (folder / "numbers.txt").write_text("one two four")
        return {"count": 4}

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

    def differently(folder, lock):
        (folder / "numbers.txt").write_text("one two four")
        return {"count": 4}

    afresh, _ = one.make(CACHE_KEY, differently, fresh=True)
    assert two.find(CACHE_KEY).digest == afresh.digest


def test_what_was_made_before_it_was_shared_is_shared_when_it_is_found(machines, tmp_path):
    one, two = machines
    alone, _ = Store(tmp_path / "one").make(CACHE_KEY, produce)
    assert one.find(CACHE_KEY).manifest == alone.manifest
    assert two.find(CACHE_KEY).manifest == alone.manifest


@pytest.mark.parametrize("damage", ["altered", "missing", "no manifest", "a file elsewhere"])
def test_what_is_damaged_there_is_no_hit_and_is_mended_by_who_makes_it(machines, damage, tmp_path):
    one, two = machines
    made, _ = one.make(CACHE_KEY, produce)
    file = one._file(made.manifest["files"]["numbers.txt"]["sha256"])
    if damage == "altered":
        one.files.pipe_file(file, b"one two thre3")
    elif damage == "missing":
        one.files.rm_file(file)
    else:
        named = 3 if damage == "no manifest" else {"../../../elsewhere": made.manifest["files"]["numbers.txt"]}
        one.files.pipe_file(f"{one._at(CACHE_KEY)}.json", json.dumps({"files": named}).encode())
    found = two.find(CACHE_KEY)
    assert isinstance(found, Miss)
    assert one.url in found.reason
    assert not list(tmp_path.rglob("elsewhere"))
    again, here = two.make(CACHE_KEY, produce)
    assert here
    assert SharedStore(tmp_path / "three", one.url).find(CACHE_KEY).digest == again.digest


@pytest.mark.parametrize("damage", ["numbers.txt", "manifest.json"])
def test_what_is_damaged_here_is_mended_by_what_is_there(machines, damage):
    one, _ = machines
    made, _ = one.make(CACHE_KEY, produce)
    (made.folder / damage).write_text("{}")
    assert one.bring(made) == made
    assert one.make(CACHE_KEY, never) == (made, False)
    assert len(list((one.data_dir / "damaged").iterdir())) == 1


def test_what_a_killed_reader_has_left_is_in_nobodys_way(machines):
    one, two = machines
    made, _ = one.make(CACHE_KEY, produce)
    left = two.folder(CACHE_KEY).with_name(f"{PREFIX}{CACHE_KEY.key}")
    (left / CACHE_KEY.key).mkdir(parents=True)
    (left / "lock").touch()
    assert two.find(CACHE_KEY).manifest == made.manifest


def test_a_kill_between_files_and_manifest_leaves_nothing_that_is_found(machines, monkeypatch):
    one, two = machines

    def killed(path, content):
        if path.endswith(".json"):
            raise KeyboardInterrupt
        return SharedStore._created(one, path, content)

    monkeypatch.setattr(one, "_created", killed)
    with pytest.raises(KeyboardInterrupt):
        one.make(CACHE_KEY, produce)
    assert isinstance(two.find(CACHE_KEY), Miss)
    assert two.make(CACHE_KEY, produce)[1]


def test_what_another_machine_names_is_brought_or_said_to_be_gone(machines):
    one, two = machines
    made, _ = one.make(CACHE_KEY, produce)
    assert two.bring(made) == Artifact.at(two.folder(CACHE_KEY))
    one.files.rm_file(f"{one._at(CACHE_KEY)}.json")
    with pytest.raises(RunError, match="is no longer in s3://bucket/"):
        SharedStore(two.data_dir.with_name("three"), two.url).bring(made)


def test_a_store_that_does_not_answer_is_said_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    nobody = SharedStore(tmp_path, "s3://bucket/nobody")
    nobody.files = type(nobody.files)(skip_instance_cache=True)
    with pytest.raises(Unreachable, match=r"^store s3://bucket/nobody: .*\S$") as refused:
        nobody.find(CACHE_KEY)
    assert "\n" not in str(refused.value)
