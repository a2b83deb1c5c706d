import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.data.dataset import load_data_set
from tasks.download import download, fetch
from tasks.pipeline.errors import UserError
from tasks.settings.settings import PROJECT
from tests import silent
from tests.conftest import FIRST, WEB_PAGE, assert_whole, full
from tests.programs import AS_ANYONE, FIXTURE, SPECIFICATION


@pytest.fixture
def source(tmp_path):
    """A folder with the four files that a test may damage."""
    return shutil.copytree(FIXTURE, tmp_path / "source")


def unpack(name):
    return gzip.decompress((FIXTURE / f"{name}.gz").read_bytes())


def download_as_anyone(data, output):
    """Run the node over the fixture without root's rights; return its last line of complaint."""
    script = "import sys; from tests.tasks.test_download import into; into(*sys.argv[1:])"
    command = (*AS_ANYONE, sys.executable, "-c", script, str(data), str(output))
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False).stderr.splitlines()[-1:]


def into(data, output):
    data_set = load_data_set(str(SPECIFICATION))
    download(Path(output), data_set=data_set, source_folder=FIXTURE, data_dir=Path(data), progress=silent)


def test_the_node_fills_its_artifact_and_tells_how_far_it_is_and_where_each_file_came_from(data_set, tmp_path):
    output, heard = tmp_path / "artifact", []
    output.mkdir()
    where = {"source_folder": FIXTURE, "data_dir": tmp_path / "data"}
    summary = download(output, data_set=data_set, **where, progress=lambda *said: heard.append(said))
    assert_whole(data_set, output)
    assert summary == {"measured": {"origins": {file.name: str(FIXTURE) for file in data_set.files.values()}}}
    milestones = [said[:3] for said in heard if said[3]]
    assert milestones[0] == (313_616, 313_616, f"{FIRST} from {FIXTURE}")
    assert len(milestones) == 4
    assert all(0 < done <= total for done, total, *_ in heard)


def test_what_is_whole_in_data_raw_stays_and_the_user_s_folder_comes_before_a_system_copy(data_set, raw, source):
    with_a_copy = data_set.model_copy(update={"folders": (FIXTURE,)})
    assert set(fetch(with_a_copy, raw, source, silent).values()) == {str(source)}
    (raw / FIRST).write_bytes(b"altered")
    origins = fetch(with_a_copy, raw, None, silent)
    assert origins == {file.name: str(FIXTURE if file.name == FIRST else raw) for file in data_set.files.values()}
    assert_whole(data_set, raw)


def test_files_that_someone_puts_into_data_raw_are_used_as_they_are_though_nothing_may_be_written_there(
    data_set, raw, tmp_path
):
    data, output = tmp_path / "data", tmp_path / "artifact"
    output.mkdir()
    shutil.copytree(FIXTURE, raw)
    for folder in (raw, data / "raw", data):
        folder.chmod(0o555)
    before = sorted(data.rglob("*"))
    assert download_as_anyone(data, output) == []
    assert_whole(data_set, output)
    assert sorted(data.rglob("*")) == before


def test_a_folder_in_data_raw_that_lacks_a_file_and_may_not_be_written_to_is_named_before_anything_is_fetched(
    raw, tmp_path
):
    raw.mkdir(parents=True)
    raw.chmod(0o555)
    assert download_as_anyone(tmp_path / "data", tmp_path) == [
        f"PermissionError: [Errno 13] Permission denied: '{raw}'"
    ]


def damaged(content):
    """Give the first file this content in place of its own."""
    return lambda source: (source / f"{FIRST}.gz").write_bytes(content)


DAMAGE = {
    "a web page": (damaged(WEB_PAGE), "it is a web page, not IDX: it begins with '<!DOCTYPE html><html'"),
    "missing": (lambda source: (source / f"{FIRST}.gz").unlink(), "not there"),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_is_not_the_expected_one_is_refused_with_its_reason(data_set, raw, source, damage, reason):
    fetch(data_set, raw, FIXTURE, silent)
    (raw / FIRST).unlink()
    kept = {path.name: path.stat().st_ino for path in raw.iterdir()}
    damage(source)
    with pytest.raises(UserError) as refused:
        fetch(data_set, raw, source, silent)
    assert str(refused.value).startswith(f"{FIRST} from {source}: ")
    assert str(refused.value).endswith("; --source must be a folder with the four complete files")
    refused.match(reason)
    assert {path.name: path.stat().st_ino for path in raw.iterdir()} == kept
    assert len(kept) == 3


def test_what_was_fetched_before_a_failure_is_kept_for_the_next_run(data_set, raw, source):
    last = data_set.files["test_labels"].name
    (source / f"{last}.gz").unlink()
    with pytest.raises(UserError, match=last):
        fetch(data_set, raw, source, silent)
    assert [name for name, of in fetch(data_set, raw, FIXTURE, silent).items() if of != str(raw)] == [last]


def test_a_full_disk_is_not_held_against_a_source(data_set, raw):
    with pytest.raises(OSError, match="No space left"):
        fetch(data_set, raw, FIXTURE, full)
    assert list(raw.iterdir()) == []
