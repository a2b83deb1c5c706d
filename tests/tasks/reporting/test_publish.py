import json

import pytest

from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError
from tasks.reporting.publish import publish
from tests.conftest import everything_in

ANOTHER = "20260102T030405-01234567"


@pytest.fixture
def first(made):
    return made["report"]


@pytest.fixture
def second(first, tmp_path):
    """Another result, whose numbers nobody can read."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "report.html").write_text("another result")
    (folder / "report.json").write_text("{")
    made = {"at": "2026-01-02T03:04:05+00:00"}
    return Artifact(folder, first.manifest | {"key": "0123456789abcdef", "made": made})


def test_each_result_has_a_page_and_its_numbers_and_latest_is_that_of_the_newest_run(first, second, tmp_path):
    reports = tmp_path / "reports"
    for published in (first, second, first):
        latest = publish(published, reports)
        assert latest == reports / "latest.html"
        assert latest.read_bytes() == (published.folder / "report.html").read_bytes()
    names = set(everything_in(reports))
    own = {name for name in names if first.key[:8] in name}
    assert {name.rpartition(".")[2] for name in own} == {"html", "json"}
    assert names - own == {"latest.html", "latest.json", "index.html", f"{ANOTHER}.html", f"{ANOTHER}.json"}
    (numbers,) = (reports / name for name in own if name.endswith(".json"))
    assert json.loads(numbers.read_text())["head"]["data_set"] == "fashion-mnist-600"


def test_the_index_is_made_again_only_where_it_does_not_list_the_pages_that_are_there(first, second, tmp_path):
    index = tmp_path / "index.html"
    publish(first, tmp_path)
    whole = index.read_bytes()
    for content, made_again in ((whole.replace(b"All runs", b"As it was"), False), (b"", True), (b"\xff", True)):
        index.write_bytes(content)
        publish(first, tmp_path)
        assert (index.read_bytes() == whole) == made_again
    publish(second, tmp_path)
    assert index.read_text().count('<th scope="row"><a href=') == 2
    (tmp_path / f"{ANOTHER}.html").unlink()
    publish(first, tmp_path)
    assert index.read_bytes() == whole


def test_a_reports_folder_that_cannot_be_written_gets_one_sentence(first, tmp_path):
    (tmp_path / "reports").write_text("not a folder")
    with pytest.raises(RunError, match="cannot be put into .*/reports: not a directory; choose another --reports-dir"):
        publish(first, tmp_path / "reports")
