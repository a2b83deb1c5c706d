"""A study's page is a function of its numbers, and says of what it is."""

import json

import pytest
from markupsafe import escape

from tasks.reporting.index import render_index
from tasks.reporting.study import Study, render


@pytest.fixture
def numbers(two_seeds):
    (report_data,) = (two_seeds / "reports").glob("*T*.json")
    return Study.model_validate_json(report_data.read_text())


def test_the_page_is_made_of_its_numbers_alone(numbers, study):
    assert render(numbers) == study.read_text(encoding="utf-8")


def test_another_number_is_another_page(numbers):
    network = next(iter(numbers.networks))
    content = json.loads(numbers.model_dump_json())
    content["networks"][network]["accuracy"]["validation"]["mean"]["value"] = 0.4321
    page = render(Study.model_validate(content))
    assert "43.21" in page
    assert "43.21" not in render(numbers)


def test_the_index_finds_a_study_by_its_networks_though_it_opened_no_test_set(numbers, tmp_path):
    content = json.loads(numbers.model_dump_json())
    for network in content["networks"].values():
        network["accuracy"].pop("test", None)
    (tmp_path / "20260102T030405-01234567.html").write_text("")
    (tmp_path / "20260102T030405-01234567.json").write_text(json.dumps(content))
    index = render_index(tmp_path)
    assert all(f"<option>{name}</option>" in index for name in content["networks"])
    assert f'data-networks="{escape(json.dumps(list(content["networks"]), separators=(",", ":")))}"' in index


def test_a_hostile_name_stays_text(numbers):
    content = json.loads(numbers.model_dump_json()) | {"data_set": "<script>alert(1)</script>", "caution": "<b>no</b>"}
    page = render(Study.model_validate(content))
    assert "<script>alert" not in page
    assert "<b>no" not in page


def test_eight_networks_have_a_page_without_a_pair_too_many(numbers):
    content = json.loads(numbers.model_dump_json())
    network, trainings = (next(iter(content[key].values())) for key in ("networks", "trainings"))
    names = [f"network {place}" for place in range(8)]
    content |= {
        "networks": dict.fromkeys(names, network),
        "trainings": dict.fromkeys(names, trainings),
        "pairs": [],
        "winner": names[0],
    }
    content["keys"] = {f"train[{name}, {member}]": "0" * 16 for name in names for member in content["members"]}
    assert "network 7" in render(Study.model_validate(content))


def test_trainings_of_unequal_length_have_a_picture(numbers):
    content = json.loads(numbers.model_dump_json())
    first = next(iter(content["trainings"].values()))
    first["histories"][0] = [first["histories"][0][0] | {"epoch": epoch} for epoch in (1, 2, 3)]
    assert render(Study.model_validate(content)) != render(numbers)


def test_the_index_lists_a_study_with_its_seeds(two_seeds):
    index = render_index(two_seeds / "reports")
    assert "2 seeds" in index
    assert "over 0 runs" not in index
    assert 'href="latest.html"' not in index
    assert "cannot be read" not in index
