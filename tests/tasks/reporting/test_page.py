"""The page as text: what it says, that it says no more than its numbers, and that nothing odd breaks it."""

import copy
import dataclasses
import functools
import json
import operator
import re
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import jsonschema
import numpy as np
import pytest

from tasks.pipeline.artifact import Artifact
from tasks.reporting.html import templates
from tasks.reporting.page import ReportData, name_of, render, render_section, sprite_of
from tasks.reporting.sections import SECTIONS, disagreement, side_by_side, verdict
from tasks.settings.settings import PROJECT
from tests.tasks.reporting.conftest import gathered, sections_of, text_of


@pytest.fixture(scope="module")
def html(report):
    return report.read_text(encoding="utf-8")


def test_the_sections_stand_in_their_order_and_the_verdict_leads(html, run):
    assert re.findall(r'<h2 id="[a-z-]+-title">(.*?)</h2>', html) == [section.TITLE for section in SECTIONS]
    text = text_of(run, SECTIONS[0])
    for sentence in run.comparison.verdict:
        assert " ".join(sentence.split()) in text


def test_the_page_is_made_of_its_numbers_alone(run, report_data, html):
    read_back = ReportData.model_validate_json(report_data.model_dump_json())
    assert render(read_back, sprite_of(read_back, run.images)) == html


def leaves(value, path=()):
    """Give the path of every number in the report data."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, (*path, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


def changed(content, path):
    """Return the report data's content with another number in one place."""
    content = copy.deepcopy(content)
    *way, last = path
    part = functools.reduce(operator.getitem, way, content)
    if isinstance(part[last], int):
        part[last] = part[last] - 1 if part[last] > 0 else 1
    else:
        part[last] = part[last] / 3 if part[last] > 0.3 else part[last] + 0.5
    return content


def remembered(draw):
    """Return a function that draws the same figure once."""
    drawn = {}
    return lambda *given: drawn.get(repr(given)) or drawn.setdefault(repr(given), draw(*given))


def test_another_number_in_the_report_data_is_another_page(run, report_data, monkeypatch):
    """Every number has its place on the page, and the page holds none of its own."""
    for section in SECTIONS:
        for name in {"interval_plot", "_curves", "_reliability"} & vars(section).keys():
            monkeypatch.setattr(section, name, remembered(getattr(section, name)))
    content, sprite = json.loads(report_data.model_dump_json()), sprite_of(report_data, run.images)
    now = {name_of(section): render_section(section, report_data, sprite) for section in SECTIONS}
    kinds = {}  # the paths of the same number but for which network, class or place in a list
    for path in leaves(content):
        kinds.setdefault(tuple(key for key in path if key not in run.names and isinstance(key, str)), []).append(path)
    unseen, generator = [], np.random.default_rng(0)
    for kind, paths in kinds.items():
        if kind[-1] == "index" or kind == ("data", "classes", "pictures", "label"):
            continue  # the sprite has no other picture; the row says the label
        name, *within = paths[generator.integers(len(paths))]
        section = next(section for section in SECTIONS if name_of(section) == name)
        numbers = section.Numbers.model_validate(changed(content[name], within))
        if render_section(section, report_data.model_copy(update={name: numbers}), sprite) == now[name]:
            unseen.append(kind)
    assert len(kinds) > 80
    assert unseen == []


def test_the_report_data_is_as_its_schema_says_and_the_schema_is_that_of_the_code(report_data):
    schema = json.loads((PROJECT / "docs" / "report.schema.json").read_text())
    assert schema == ReportData.model_json_schema(), "run `make schema`"
    jsonschema.validate(json.loads(report_data.model_dump_json()), schema)


def test_the_page_loads_nothing_and_its_figures_are_named_and_described(html):
    assert "default-src 'none'" in html
    assert set(re.findall(r'<a [^>]*href="([^"#:]+)"', html)) == {"index.html"}  # beside it
    ids = re.findall(r'\sid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    described = re.findall(r'<svg[^>]* role="img" aria-label="[^"]+"[^>]*><title>[^<]+</title><desc>[^<]+</desc>', html)
    assert len(described) == html.count("<svg")
    for tag in ("a", "div", "figure", "g", "li", "p", "section", "span", "svg", "table", "td", "ul"):
        assert len(re.findall(rf"<{tag}[ >]", html)) == html.count(f"</{tag}>"), tag


def test_what_the_article_says_of_fashion_mnist_is_not_compared_with_another_data_set(made, data_set, html):
    assert "Is dropout’s gap between training and test accuracy smaller?" in html
    other = text_of(gathered(made, data_set), verdict, side_by_side, disagreement)
    assert "article’s" not in other
    assert "ResNet" not in other


@pytest.mark.parametrize(("other", "quoted"), [({}, True), ({"train[dropout, seed 0]": "of other code"}, False)])
def test_a_study_is_quoted_if_these_very_trainings_are_among_its_own(made, data_set, other, quoted):
    inputs = {f"train[{name}, seed 0]": made[f"train[{name}]"].digest for name in ("baseline", "dropout")}
    study = Artifact(Path(), {"cache_key": {"inputs": inputs | other}})
    assert bool(gathered(made, data_set, seed=study).study) == quoted


def test_what_a_reader_must_know_is_said_beside_the_verdict(run, html):
    departs = "This run does not follow the article’s recipe"
    assert departs in html
    assert 'id="caution"' not in html
    partial = run.data_set.model_copy(update={"counts": {"train": 60_000, "test": 10_000}})
    other = sections_of(dataclasses.replace(run, departures=(), data_set=partial), verdict)
    assert departs not in other
    assert 'id="caution">This run used only 400 of the 60,000 training images; ' in other


def test_each_networks_model_is_named_where_it_lies(report_data, finished_run):
    for network in report_data.networks.networks.values():
        assert (finished_run / "data" / network.model).is_file()


def test_the_section_that_contributing_adds_can_be_rendered(run, report_data):
    chapter = (PROJECT / "CONTRIBUTING.md").read_text().partition("## Add a section")[2]
    code, template = map(dedent, re.findall(r" *```(?:python|jinja)\n(.*?) *```", chapter, re.DOTALL)[:2])
    section = ModuleType("confidence")
    exec(code, vars(section))  # noqa: S102 (our own page)
    numbers = section.numbers(run)
    values = {"head": report_data.head, "numbers": numbers, "plots": section.plots(numbers)}
    rendered = templates().from_string(template).render(values)
    assert "<title>Mean confidence</title>" in rendered
