import shutil

import pytest

from tasks.download import download, fetch
from tasks.pipeline.errors import UserError
from tests import silent
from tests.conftest import FIRST, WEB_PAGE, assert_whole, full
from tests.programs import FIXTURE


@pytest.fixture
def source(tmp_path):
    """A folder with the four files that a test may damage."""
    return shutil.copytree(FIXTURE, tmp_path / "source")


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


def test_files_that_someone_puts_into_data_raw_are_used_and_nothing_is_written_there(data_set, raw):
    shutil.copytree(FIXTURE, raw)
    before = sorted(raw.parents[1].rglob("*"))
    assert set(fetch(data_set, raw, None, silent).values()) == {str(raw)}
    assert sorted(raw.parents[1].rglob("*")) == before


@pytest.mark.parametrize(
    ("content", "reason"), [(WEB_PAGE, "it is not IDX of bytes: it begins with"), (None, "No such file or directory")]
)
def test_a_source_without_one_of_the_files_is_refused_and_what_it_has_is_kept(data_set, raw, source, content, reason):
    last = data_set.files["test_labels"].name
    damaged = source / f"{last}.gz"
    damaged.unlink() if content is None else damaged.write_bytes(content)
    with pytest.raises(UserError, match=f"^{last} from {source}: {reason}.*; --source must be a folder with the four"):
        fetch(data_set, raw, source, silent)
    assert [name for name, of in fetch(data_set, raw, FIXTURE, silent).items() if of != str(raw)] == [last]


def test_a_full_disk_is_not_held_against_a_source(data_set, raw):
    with pytest.raises(OSError, match="No space left"):
        fetch(data_set, raw, FIXTURE, full)
    assert list(raw.iterdir()) == []
