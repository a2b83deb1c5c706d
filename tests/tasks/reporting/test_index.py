import copy
import json
import os
import re

import pytest

from tasks.reporting.index import render_index

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
    assert "<p>2 runs</p>" in index or "<p>2 runs · " in index
    assert '<a href="20260102T030405-01234567.html">2026-01-02 03:04\xa0UTC</a>' in index
    assert report_data.verdict.sentences[0][:20] in index
    for name, accuracy in report_data.side_by_side.rows["test_accuracy"].values.items():
        assert f"<bdi>{name}</bdi></span> <span>{100 * accuracy.value:.2f}%</span>" in index
    assert "Its numbers are missing; the page may still be." in index
    assert index.index("20260102T030405") < index.index(OLDER)  # newest first
    assert "Nothing to compare yet: this folder has one run." in index


CORRUPT = [b"{", b"\xff\xfe", b"[]", b'{"head": {}}', b'{"failed": []}']
PUT = {str(content[:9]): lambda path, content=content: path.write_bytes(content) for content in CORRUPT}
PUT |= {"a folder": os.mkdir}


@pytest.mark.parametrize("put", PUT.values(), ids=PUT)
def test_numbers_that_are_corrupt_or_no_file_are_listed_as_that_and_harm_no_others(reports, report_data, put):
    put(reports / f"{OLDER}.json")
    index = render_index(reports)
    assert index.count("Its numbers cannot be read; the page may still be.") == 1
    assert report_data.verdict.sentences[0][:20] in index


@pytest.mark.parametrize("accuracy", ["null", '"much"', "[]", "NaN", "1e999", f"1{'0' * 400}"])
def test_an_accuracy_that_is_none_is_as_corrupt(reports, report_data, accuracy):
    numbers = json.loads(report_data.model_dump_json())
    numbers["side_by_side"]["rows"]["test_accuracy"]["values"]["dropout"]["value"] = "here"
    (reports / "20260102T030405-01234567.json").write_text(json.dumps(numbers).replace('"here"', accuracy))
    assert "Its numbers cannot be read" in render_index(reports)


def test_names_in_older_numbers_cannot_run_script(reports, report_data):
    hostile = json.loads(report_data.model_dump_json().replace("dropout", "</script><script>alert(1)</script>"))
    (reports / "20260102T030405-01234567.json").write_text(json.dumps(hostile))
    index = render_index(reports)
    assert index.count("<script") == 2  # its own, and its data
    assert "alert(1)" in index


def test_an_empty_folder_has_an_index_too(tmp_path):
    index = render_index(tmp_path)
    assert "0 runs" in index
    assert "Nothing to compare yet." in index


def groups_of(index):
    """Return how many runs each recipe lists, by its title."""
    bodies = re.findall(r"<tbody>(.*?)</tbody>", index, re.DOTALL)
    return [(re.search(r'"3">([^<]*)', body)[1], body.count("<tr data-networks")) for body in bodies]


def put(folder, name, data):
    (folder / f"{name}.html").write_text("a page")
    (folder / f"{name}.json").write_text(json.dumps(data))


def test_runs_of_a_recipe_are_listed_together_whatever_their_seed(report_data, tmp_path):
    data = json.loads(report_data.model_dump_json())
    put(tmp_path, "20260101T030405-00000001", data)
    longer = copy.deepcopy(data)
    longer["provenance"]["nodes"]["train[dropout]"]["settings"]["batch_size"] = 64
    longer["provenance"]["command"] = "python flows/main.py --batch-size 64"
    put(tmp_path, "20260102T030405-00000002", longer)
    seed = copy.deepcopy(data)
    for of_node in seed["provenance"]["nodes"].values():
        of_node["settings"] |= {"seed": 7} if "seed" in of_node["settings"] else {}
    put(tmp_path, "20260103T030405-00000003", seed)
    index = render_index(tmp_path)
    (title, together), (same_title, alone) = groups_of(index)
    assert (together, alone, title) == (2, 1, same_title)
    assert "fashion-mnist · 360 training images · epochs: baseline, dropout 1" in title
    assert "<span>--batch-size</span> 64" in index  # tells two recipes of the same title apart
    assert index.count('class="spark"') == 2  # a line for each network of the recipe that has two runs


def test_numbers_that_are_compared_have_units(report_data, tmp_path):
    data = json.loads(report_data.model_dump_json())
    for day in (1, 2):
        put(tmp_path, f"2026010{day}T030405-00000000", data)
    found = json.loads(re.search(r'id="data">(.*?)</script>', render_index(tmp_path), re.DOTALL)[1])
    numbers = found["runs"][0]["values"]["dropout"]
    megabytes = data["side_by_side"]["rows"]["file_bytes"]["values"]["dropout"]["value"] / 1e6
    saved = numbers["Saved model (MB)"]
    assert (saved["unit"], saved["text"], saved["value"]) == ("MB", f"{megabytes:.2f}", pytest.approx(megabytes))
    assert {numbers["Test accuracy"]["unit"], numbers["Train − test gap (points)"]["unit"]} == {"points"}
    assert found["runs"][0]["settings"]["batch size"] == {"baseline": "32", "dropout": "32"}
