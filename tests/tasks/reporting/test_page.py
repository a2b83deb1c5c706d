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
from tasks.reporting.sections import (
    SECTIONS,
    disagreement,
    provenance,
    side_by_side,
    verdict,
)
from tasks.settings.settings import PROJECT
from tests.tasks.reporting.conftest import Text, gathered, sections_of, text_of

SCHEMA = PROJECT / "docs" / "report.schema.json"


@pytest.fixture(scope="module")
def html(report):
    return report.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(html):
    return Text(html).whole


def test_the_sections_stand_in_their_order_and_the_verdict_leads(html, text, run):
    titles = [section.TITLE for section in SECTIONS]
    places = [html.index(f'-title">{title}</h2>') for title in titles]
    assert places == sorted(places)
    assert titles[0] == "The verdict"
    for sentence in run.comparison.verdict:
        assert sentence.replace("\N{NO-BREAK SPACE}", " ") in text


def test_a_section_is_a_module_with_a_template_of_its_name():
    folder = Path(SECTIONS[0].__file__).parent
    modules = {path.stem for path in folder.glob("[a-z]*.py")}
    assert {name_of(section) for section in SECTIONS} == modules
    assert {path.name.removesuffix(".html.j2") for path in folder.glob("*.j2")} == modules


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


def kinds_of_number(content, names):
    """Return one path for each kind of number: the same but for which network, class or place in a list."""
    kinds = {}
    for path in leaves(content):
        kinds.setdefault(tuple(key for key in path if key not in names and not isinstance(key, int)), []).append(path)
    generator = np.random.default_rng(0)
    return {kind: paths[generator.integers(len(paths))] for kind, paths in kinds.items()}


def remembered(draw):
    """Return a function that draws the same figure once."""
    drawn = {}

    def draw_once(*given, **options):
        if repr((given, options)) not in drawn:
            drawn[repr((given, options))] = draw(*given, **options)
        return drawn[repr((given, options))]

    return draw_once


def test_another_number_in_the_report_data_is_another_page(run, report_data, monkeypatch):
    """Every number has its place on the page, and the page holds none of its own."""
    for section in SECTIONS:
        for name in {"interval_plot", "_curves", "_reliability"} & vars(section).keys():
            monkeypatch.setattr(section, name, remembered(getattr(section, name)))
    content = json.loads(report_data.model_dump_json())
    sprite = sprite_of(report_data, run.images)
    sections = {name_of(section): section for section in SECTIONS}
    now = {name: render_section(section, report_data, sprite) for name, section in sections.items()}
    kinds = kinds_of_number(content, run.names)
    unseen = []
    for kind, path in kinds.items():
        if kind[-1] == "index" or kind == ("data", "classes", "pictures", "label"):
            continue  # the sprite has no other picture; the row says the label
        name, *within = path
        numbers = sections[name].Numbers.model_validate(changed(content[name], within))
        other = report_data.model_copy(update={name: numbers})
        if render_section(sections[name], other, sprite) == now[name]:
            unseen.append(kind)
    assert len(kinds) > 80
    assert unseen == []


def test_the_report_data_is_as_its_schema_says_and_the_schema_is_that_of_the_code(report_data):
    content = json.loads(report_data.model_dump_json())
    schema = json.loads(SCHEMA.read_text())
    assert schema == ReportData.model_json_schema(), "run `make schema`"
    jsonschema.validate(content, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content | {"made_up": 1}, schema)


def test_the_page_asks_the_network_for_nothing_and_its_figures_are_named_and_described(html):
    read = Text(html)
    assert "default-src 'none'" in html
    assert not {target for target in read.loads if not target.startswith("#")}
    assert {link for link in read.links if not link.startswith(("#", "https://"))} == {"index.html"}  # beside it
    assert set(re.findall(r"url\(['\"]?(\w+:|#)", html)) <= {"data:", "#"}
    assert len(read.ids) == len(set(read.ids))
    assert read.figures
    assert all(figure["role"] == "img" and figure["aria-label"] for figure in read.figures)
    assert len(re.findall(r"<svg[^>]*><title>[^<]+</title><desc>[^<]+</desc>", html)) == len(read.figures)


def test_what_the_article_says_of_fashion_mnist_is_not_compared_with_another_data_set(made, data_set, text):
    assert "Is dropout’s gap between training and test accuracy smaller?" in text
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
    manifests = copy.deepcopy(run.manifests)
    manifests["train[dropout]"]["summary"]["repeatable"] = False
    partial = run.data_set.model_copy(update={"counts": {"train": 60_000, "test": 10_000}})
    other = sections_of(dataclasses.replace(run, departures=(), data_set=partial, manifests=manifests), verdict)
    assert departs not in other
    assert 'id="caution">This run used only 400 of the 60,000 training images; ' in other
    assert "Results of dropout are not reproducible: " in other


def test_each_machine_and_commit_is_named_with_what_was_made_of_it(run, report_data):
    ((_, made_here),) = report_data.provenance.machines.items()
    assert made_here[2:5] == ["prepare", "train[baseline]", "train[dropout]"]
    assert not any(node.reused for node in report_data.provenance.nodes.values())
    elsewhere = {"processor": "a laptop's", "commit": "commit 0123456789ab, tree clean"}
    manifests = copy.deepcopy(run.manifests)
    manifests["train[dropout]"]["made"] |= elsewhere | {"run": "an earlier one", "at": "2026-01-01T00:00:00+00:00"}
    other = dataclasses.replace(run, manifests=manifests)
    text = text_of(other, provenance)
    assert "a laptop&#39;s" not in text
    assert re.search(r"a laptop's, \d+ cores, [0-9.]+ GiB of memory, .*? \(train\[dropout\]\)", text)
    assert "commit 0123456789ab, tree clean (train[dropout])" in text
    assert [label for label, node in provenance.numbers(other).nodes.items() if node.reused] == ["train[dropout]"]


def test_the_page_links_the_json_file_of_its_own_name(visit, report):
    assert visit(report).locator("#json").get_attribute("href") == "report.json"


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
