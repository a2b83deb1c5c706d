import json

import pytest

from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError
from tasks.pipeline.staging import write_whole
from tasks.reporting.publish import publish
from tests.conftest import everything_in
from tests.tasks.reporting.conftest import artifact_of


@pytest.fixture
def first(finished_run):
    return artifact_of(finished_run)


def another(first, folder, at="2026-01-02T03:04:05+00:00"):
    """Return another result, whose numbers nobody can read."""
    folder.mkdir()
    (folder / "report.html").write_text("another result")
    (folder / "report.json").write_text("{")
    return Artifact(folder, first.manifest | {"key": "0123456789abcdef", "made": {"at": at}})


def test_each_result_has_a_page_and_its_numbers_and_latest_is_that_of_the_newest_run(first, tmp_path):
    reports = tmp_path / "reports"
    second = another(first, tmp_path / "other")
    for published in (first, second, first):
        latest = publish(published, reports)
        assert latest == reports / "latest.html"
        assert latest.read_bytes() == (published.folder / "report.html").read_bytes()
    names = set(everything_in(reports))
    own = {name for name in names if first.key[:8] in name}
    assert {name.rpartition(".")[2] for name in own} == {"html", "json"}
    assert names - own == {
        "latest.html",
        "index.html",
        "20260102T030405-01234567.html",
        "20260102T030405-01234567.json",
    }
    (numbers,) = (reports / name for name in own if name.endswith(".json"))
    assert json.loads(numbers.read_text())["head"]["data_set"] == "fashion-mnist-600"


def test_a_live_page_gives_way_to_the_report_and_none_is_made(first, tmp_path):
    publish(first, tmp_path)
    assert not (tmp_path / "live.html").exists()
    (tmp_path / "live.html").write_text("running")
    publish(first, tmp_path)
    assert (tmp_path / "live.html").read_bytes() == (tmp_path / "latest.html").read_bytes()


def test_the_index_is_made_again_only_where_it_does_not_list_the_pages_that_are_there(first, tmp_path):
    reports = tmp_path / "reports"
    publish(first, reports)
    index = reports / "index.html"
    whole = index.read_text()
    marked = whole.replace("All runs", "As it was")
    index.write_text(marked)
    publish(first, reports)
    assert index.read_text() == marked
    for damaged in (b"", b"\xff", None):
        index.unlink() if damaged is None else index.write_bytes(damaged)
        publish(first, reports)
        assert index.read_text() == whole
    second = another(first, tmp_path / "other")
    publish(second, reports)
    assert index.read_text().count('<th scope="row"><a href=') == 2
    index.write_text(whole)  # as if it had been killed before it came to the index
    publish(second, reports)
    assert index.read_text().count('<th scope="row"><a href=') == 2
    (reports / "20260102T030405-01234567.html").unlink()
    publish(first, reports)
    assert index.read_text() == whole


def test_a_reports_folder_that_cannot_be_written_gets_one_sentence(first, tmp_path):
    (tmp_path / "reports").write_text("not a folder")
    with pytest.raises(RunError, match="cannot be put into .*/reports: not a directory; choose another --reports-dir"):
        publish(first, tmp_path / "reports")


def test_what_is_put_in_place_of_a_file_is_whole_and_leaves_nothing_beside_it_but_its_lock(tmp_path):
    write_whole(tmp_path / "page.html", b"one")
    write_whole(tmp_path / "page.html", b"two")
    assert everything_in(tmp_path) == ["page.html"]
    assert (tmp_path / "page.html").read_bytes() == b"two"
