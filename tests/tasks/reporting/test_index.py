import json

import pytest

from tasks.reporting.index import render_index
from tests.strange_files import OTHER_THAN_FILES, sparse

OLDER = "20250102T030405-89abcdef"


@pytest.fixture
def reports(report_data, tmp_path):
    """A folder with the page of one result, an older one that nobody can read, and files that are no results."""
    (tmp_path / "20260102T030405-01234567.html").write_text("a page")
    (tmp_path / "20260102T030405-01234567.json").write_text(report_data.model_dump_json())
    (tmp_path / f"{OLDER}.html").write_text("an older page")
    (tmp_path / "notes.html").write_text("")
    (tmp_path / "latest.html").write_text("")
    return tmp_path


def test_a_run_stands_with_when_it_was_made_its_verdict_and_its_accuracies(reports, report_data):
    index = render_index(reports)
    assert "2 in this folder" in index
    assert '<a href="20260102T030405-01234567.html">2026-01-02 03:04 UTC</a>' in index
    assert report_data.verdict.sentences[0][:20] in index
    for name, accuracy in report_data.side_by_side.test_accuracy.items():
        assert f"<bdi>{name}</bdi> {100 * accuracy:.2f}\N{NO-BREAK SPACE}%" in index
    assert "Its numbers are missing; the page may still be." in index
    assert index.index("20260102T030405") < index.index(OLDER)  # newest first
    assert "There are not two runs yet" in index


CORRUPT = [b"{", b"\xff\xfe", b"[]", b'{"head": {}}', b'{"failed": []}', b"[" * 200_000]
PUT = {str(content[:9]): lambda path, content=content: path.write_bytes(content) for content in CORRUPT}
PUT |= OTHER_THAN_FILES | {"too large": sparse}


@pytest.mark.parametrize("put", PUT.values(), ids=PUT)
def test_numbers_that_are_corrupt_or_no_file_are_listed_as_that_and_harm_no_others(reports, report_data, put):
    put(reports / f"{OLDER}.json")
    index = render_index(reports)
    assert index.count("Its numbers cannot be read; the page may still be.") == 1
    assert report_data.verdict.sentences[0][:20] in index


@pytest.mark.parametrize("accuracy", ["null", '"much"', "[]", "NaN", "1e999", f"1{'0' * 400}"])
def test_an_accuracy_that_is_none_is_as_corrupt(reports, report_data, accuracy):
    numbers = json.loads(report_data.model_dump_json())
    numbers["side_by_side"]["test_accuracy"]["dropout"] = "here"
    (reports / "20260102T030405-01234567.json").write_text(json.dumps(numbers).replace('"here"', accuracy))
    assert "Its numbers cannot be read" in render_index(reports)


def test_names_in_older_numbers_cannot_run_script(reports, report_data):
    hostile = json.loads(report_data.model_dump_json().replace("dropout", "</script><script>alert(1)</script>"))
    (reports / "20260102T030405-01234567.json").write_text(json.dumps(hostile))
    index = render_index(reports)
    assert index.count("<script") == 2  # its own, and its data
    assert "alert(1)" in index


def test_an_empty_folder_has_an_index_too(tmp_path):
    assert "0 in this folder" in render_index(tmp_path)
