"""A study's page is a function of its numbers, and says of what it is."""

import json

import pytest
from markupsafe import escape

from tasks.reporting.index import render_index
from tasks.reporting.study import Study, render


@pytest.fixture
def content(two_seeds):
    (report_data,) = (two_seeds / "reports").glob("*T*.json")
    return json.loads(report_data.read_text())


def page_of(content):
    return render(Study.model_validate(content))


def test_the_page_is_made_of_its_numbers_alone_and_another_number_is_another_page(content, two_seeds):
    assert page_of(content) == (two_seeds / "reports" / "latest-seeds.html").read_text(encoding="utf-8")
    next(iter(content["networks"].values()))["accuracy"]["validation"]["mean"]["value"] = 0.4321
    assert "43.21" in page_of(content)


def test_the_index_lists_a_study_with_its_seeds_and_networks_though_it_opened_no_test_set(content, tmp_path):
    for network in content["networks"].values():
        network["accuracy"].pop("test", None)
    (tmp_path / "20260102T030405-01234567.html").write_text("")
    (tmp_path / "20260102T030405-01234567.json").write_text(json.dumps(content))
    index = render_index(tmp_path)
    assert "2 seeds" in index
    assert "over 0 runs" not in index
    assert 'href="latest.html"' not in index
    assert all(f"<option>{name}</option>" in index for name in content["networks"])
    assert f'data-networks="{escape(json.dumps(list(content["networks"]), separators=(",", ":")))}"' in index


def test_trainings_of_unequal_length_have_a_picture_and_equal_ones_no_interval(content):
    page = page_of(content)
    first = next(iter(content["trainings"].values()))
    first["histories"][0] = [first["histories"][0][0] | {"epoch": epoch} for epoch in (1, 2, 3)]
    of = next(iter(content["networks"].values()))["accuracy"]["train"]
    of |= {"values": [1.0, 1.0], "mean": {"value": 1.0, "low": 0.0, "high": 1.0}, "deviation": 0.0}
    other = page_of(content)
    assert other.count("<svg") == page.count("<svg") + 1
    assert "100.00%<small>all equal: no interval</small>" in other


def test_the_title_and_the_table_name_a_tie(content):
    first, second = content["networks"]
    page = page_of(content | {"winner": first, "tied": [second, first]})
    assert f"<title>Tie: keep {first} · 2 seeds" in page
    assert "<small>keep</small>" in page
    assert "<small>tie</small>" in page
    assert f"<title>Keep {first} · 2 seeds" in page_of(content | {"winner": first, "tied": []})
