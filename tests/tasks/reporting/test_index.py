import json

import pytest

from tasks.reporting.index import render_index
from tests.strange_files import OTHER_THAN_FILES, sparse


@pytest.fixture
def reports(report_data, tmp_path):
    """A folder with the page of one result."""
    (tmp_path / "20260102T030405-01234567.html").write_text("a page")
    (tmp_path / "20260102T030405-01234567.json").write_text(report_data.model_dump_json())
    return tmp_path


def test_a_run_stands_with_when_it_was_made_its_verdict_and_its_accuracies(reports, report_data):
    index = render_index(reports)
    assert '<a href="20260102T030405-01234567.html">2026-01-02 03:04 UTC</a>' in index
    assert report_data.verdict.sentences[0][:20] in index
    for name, accuracy in report_data.side_by_side.test_accuracy.items():
        assert f"<bdi>{name}</bdi> {100 * accuracy:.2f}\N{NO-BREAK SPACE}%" in index
    assert "There are not two runs yet" in index


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"head": {}}', "cannot be read"),
        (b'{"failed": []}', "cannot be read"),
        (b"[" * 200_000, "cannot be read"),
        (None, "are missing"),
    ],
)
def test_an_older_report_that_is_corrupt_is_listed_as_that_and_harms_no_other(reports, content, note):
    (reports / "20250102T030405-89abcdef.html").write_text("an older page")
    if content is not None:
        (reports / "20250102T030405-89abcdef.json").write_bytes(content)
    index = render_index(reports)
    assert f"Its numbers {note}; the page may still be." in index
    assert index.index("20260102T030405") < index.index("20250102T030405")  # newest first
    assert "There are not two runs yet" in index


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


@pytest.mark.parametrize("put", [*OTHER_THAN_FILES.values(), sparse], ids=[*OTHER_THAN_FILES, "too large"])
def test_numbers_that_are_no_file_are_not_waited_for(reports, put):
    (reports / "20250102T030405-89abcdef.html").write_text("an older page")
    put(reports / "20250102T030405-89abcdef.json")
    assert "Its numbers cannot be read; the page may still be." in render_index(reports)


def test_other_files_in_the_folder_are_no_runs(reports):
    (reports / "notes.html").write_text("")
    (reports / "latest.html").write_text("")
    assert "1 in this folder" in render_index(reports)
