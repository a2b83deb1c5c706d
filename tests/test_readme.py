"""The pages and the code say the same: README, CONTRIBUTING, `docs/`."""

import json
import re
import shlex
import subprocess
import sys

import pytest

from docs import packages
from flows.export import ExportOptions
from flows.model_command import parser_of as model_parser
from flows.parser import parser_of
from flows.predict import PredictOptions
from tasks.settings.settings import PROJECT, Settings
from tasks.settings.studies import FoldStudy, SearchStudy, SeedStudy
from tests.benchmarks.figures import table

PAGES = {
    str(path.relative_to(PROJECT)): path.read_text() for path in (*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"))
}
STUDIES = {"seeds": SeedStudy, "folds": FoldStudy, "search": SearchStudy}
PARSERS = {
    **{name: parser_of(kind) for name, kind in {"main": Settings, **STUDIES}.items()},
    **{name: model_parser(kind) for name, kind in {"predict": PredictOptions, "export": ExportOptions}.items()},
}


def test_the_page_of_options_is_what_make_docs_prints():
    printed = subprocess.run(
        [sys.executable, "-m", "docs.options"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert PAGES["docs/options.md"] == printed.stdout, "run `make docs`"


def test_the_picture_of_the_packages_is_what_make_docs_draws():
    assert PAGES["CONTRIBUTING.md"] == packages.page(), "run `make docs`"


def test_the_commands_that_the_pages_give_are_understood():
    given = [
        (study or program, options.partition(" #")[0])
        for page in PAGES.values()
        for program, study, options in re.findall(
            r"^\.venv/bin/python flows/(main|study|predict|export)\.py ?([a-z]*(?= |$))(.*)$", page, re.MULTILINE
        )
    ]
    given += [("main", options) for page in PAGES.values() for options in re.findall(r"ARGS='([^']+)'", page)]
    assert len(given) > 15
    for program, options in given:
        PARSERS[program].parse_args(shlex.split(options.partition("||")[0].partition(">")[0]))


def test_the_options_that_the_readme_shows_are_options():
    shown = re.findall(r"^\| `(--[a-z-]+)` \|", PAGES["README.md"], re.MULTILINE)
    assert len(shown) == 10
    assert all(f"| `{option}` |" in PAGES["docs/options.md"] for option in shown)


def test_the_table_of_what_is_timed_is_what_was_measured():
    told = json.loads((PROJECT / "benchmarks.json").read_text())
    section = PAGES["docs/benchmarks.md"].partition("\n## `make bench`")[2].partition("\n## ")[0]
    _, _, *quoted = [line for line in section.splitlines() if line.startswith("|")]
    assert quoted
    assert set(quoted) <= set(table(told["figures"]).splitlines())
    assert f"{told['machine']['cores']} cores" in section


def test_every_make_target_that_the_pages_name_is_there():
    named = {
        target
        for page in PAGES.values()
        for targets in re.findall(r"(?:^|`|&& )make ((?:[a-z]+ ?)+)", page, re.MULTILINE)
        for target in targets.split()
    }
    assert {"run", "test", "server", "docs"} <= named
    for target in named:
        done = subprocess.run(["make", "--dry-run", target], cwd=PROJECT, capture_output=True, check=False)
        assert done.returncode == 0, target


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere_and_every_file_that_it_names_is_there(page):
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", PAGES[page]):
        file, _, heading = target.partition("#")
        found = (PROJECT / page).parent.joinpath(file).resolve() if file else PROJECT / page
        assert found.exists(), target
        headings = re.findall(r"^#+ (.+)$", found.read_text() if heading else "", re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}
        assert not heading or heading in anchors, target
    there, _, _ = PAGES[page].partition("\n## Add a network")  # what comes after it is to be made by a reader
    named = re.findall(r"`((?:docs|flows|tasks|tests)/[\w./-]+)`", there)
    assert [name for name in named if not (PROJECT / name).exists()] == []
