import copy
import json
import re

import pytest

from tasks.reporting.index import render_index

NEWER, OLDER = "20260102T030405-01234567", "20250102T030405-89abcdef"


@pytest.fixture
def content(report_data):
    return json.loads(report_data.model_dump_json())


@pytest.fixture
def reports(content, tmp_path):
    """A folder with the page of one result, an older one that nobody can read, and files that are no results."""
    put(tmp_path, NEWER, content)
    for name in (OLDER, "notes", "latest"):
        (tmp_path / f"{name}.html").write_text("")
    return tmp_path


def put(folder, name, data):
    (folder / f"{name}.html").write_text("a page")
    (folder / f"{name}.json").write_text(data if isinstance(data, str) else json.dumps(data))


def test_a_run_stands_with_when_it_was_made_its_verdict_and_its_accuracies(reports, report_data):
    index = render_index(reports)
    assert "<p>2 runs · " in index
    assert f'<a href="{NEWER}.html">2026-01-02 03:04\xa0UTC</a>' in index
    assert report_data.verdict.sentences[0][:20] in index
    for name, accuracy in report_data.side_by_side.rows["test_accuracy"].values.items():
        assert f"<bdi>{name}</bdi></span> <span>{100 * accuracy.value:.2f}%</span>" in index
    assert "Its numbers are missing; the page may still be." in index
    assert index.index(NEWER) < index.index(OLDER)  # newest first
    assert "Nothing to compare yet: this folder has one run." in index


ACCURACIES = ("null", '"much"', "NaN", "1e999", f"1{'0' * 400}")


@pytest.mark.parametrize("numbers", ["{", "[]", '{"head": {}}', '{"failed": []}', *ACCURACIES], ids=lambda of: of[:14])
def test_numbers_that_are_corrupt_are_listed_as_that_and_harm_no_others(reports, report_data, content, numbers):
    content["side_by_side"]["rows"]["test_accuracy"]["values"]["dropout"]["value"] = "here"
    put(reports, OLDER, json.dumps(content).replace('"here"', numbers) if numbers in ACCURACIES else numbers)
    index = render_index(reports)
    assert index.count("Its numbers cannot be read; the page may still be.") == 1
    assert report_data.verdict.sentences[0][:20] in index


def test_names_in_older_numbers_cannot_run_script(reports, report_data):
    put(reports, NEWER, report_data.model_dump_json().replace("dropout", "</script><script>alert(1)</script>"))
    index = render_index(reports)
    assert index.count("<script") == 2  # its own, and its data
    assert "alert(1)" in index


def test_an_empty_folder_has_an_index_too(tmp_path):
    index = render_index(tmp_path)
    assert "0 runs" in index
    assert "Nothing to compare yet." in index


def test_runs_of_a_recipe_are_listed_together_whatever_their_seed(content, tmp_path):
    put(tmp_path, "20260101T030405-00000001", content)
    longer, seed = copy.deepcopy(content), copy.deepcopy(content)
    longer["provenance"]["nodes"]["train[dropout]"]["settings"]["batch_size"] = 64
    longer["provenance"]["command"] = "python flows/main.py --batch-size 64"
    put(tmp_path, "20260102T030405-00000002", longer)
    seed["provenance"]["nodes"]["prepare"]["settings"]["seed"] = 7
    put(tmp_path, "20260103T030405-00000003", seed)
    index = render_index(tmp_path)
    groups = re.findall(r"<tbody>(.*?)</tbody>", index, re.DOTALL)[:2]
    title, same_title = (re.search(r'"3">([^<]*)', group)[1] for group in groups)
    assert [group.count("<tr data-networks") for group in groups] == [2, 1]
    assert "fashion-mnist · 360 training images · epochs: baseline, dropout 1" in title
    assert title == same_title
    assert "<span>--batch-size</span> 64" in index  # tells two recipes of the same title apart
    assert index.count('class="spark"') == 2  # a line for each network of the recipe that has two runs
