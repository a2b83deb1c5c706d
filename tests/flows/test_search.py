"""A search as a user meets it, on the fixture: run, requested again, widened; and its page."""

import json
import re
import shutil
from functools import partial

import pytest
from axe_playwright_python.sync_playwright import Axe

from flows import study
from flows.main import dag
from flows.parser import read_command
from flows.plan import plan
from tasks.pipeline.artifact import verify
from tasks.pipeline.cache_key import CacheKey
from tasks.pipeline.remote_store import RemoteStore
from tasks.reporting.index import render_index
from tasks.reporting.search import Search, render
from tasks.settings.settings import Settings
from tasks.settings.studies import SearchStudy
from tests.conftest import everything_in, made_once, prepared_in
from tests.machines import bucket_known
from tests.programs import FIXTURE, ON_THE_FIXTURE, PROJECT, SPECIFICATION, run_main

SEARCH = ("study.py", "search")
ASKED = (*ON_THE_FIXTURE, "--network", "logistic")  # the soonest trained


def ranking_of(folder):
    (path,) = (folder / "data" / "rank_trials").glob("*/trials.json")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def searched(server, tmp_path_factory, finished_run):
    """The folder of a search of six trials, in two rounds."""
    how = (*SEARCH, "--network", "logistic", "--trials", "6")
    return made_once(tmp_path_factory, server, *how, known=prepared_in(finished_run))


def planned(searched, *options):
    """Return what a search in this folder would do to each node."""
    settings, _ = read_command(SearchStudy, [*ASKED, "--data-dir", str(searched / "data"), *options])
    return {label: verb for label, verb, _ in plan(study.search, settings).steps}


def test_a_search_ends_with_verdict_table_and_a_page_of_its_own_and_opens_no_test_set(searched):
    output = (searched / "output").read_text()
    ranking = ranking_of(searched)
    assert len(ranking["trials"]) == 6
    assert re.search(rf"Keep {ranking['winner']}(:| for its size|, the most accurate)", output)
    assert f"Report: {searched / 'reports' / 'latest-trials.html'}" in output
    assert not (searched / "data" / "evaluate").exists()
    assert "6 trials of logistic" in render_index(searched / "reports")


def test_the_same_search_again_ends_at_once_and_one_trial_more_trains_only_that(searched):
    again = run_main(searched, None, *ASKED, "--trials", "6", program=SEARCH)
    assert again.stdout.splitlines()[-1].startswith("Up to date: ")
    assert again.stdout.splitlines()[:-1] == (searched / "output").read_text().splitlines()[:-1]
    trials = {label: verb for label, verb in planned(searched, "--trials", "7").items() if label.startswith("train")}
    kept = {f"train[logistic, trial {number}]": "reuse" for number in range(1, 7)}
    assert trials == kept | {"train[logistic, trial 7]": "run"}
    over = planned(searched, "--trials", "9", "--minutes", "0.001")  # after the first round
    assert len([label for label in over if label.startswith("train")]) == 5


def test_a_machine_that_trained_nothing_asks_for_the_same_trials_as_those_that_did(searched, tmp_path):
    with bucket_known("localbucket", tmp_path / "served") as bucket:
        trained = [verify(folder, "train") for folder in (searched / "data" / "train").glob("[!.]*")]
        shutil.copytree(searched / "data", tmp_path / "theirs")
        theirs = RemoteStore(tmp_path / "theirs", bucket)
        finished = {of.key: theirs.find(CacheKey(**of.manifest["cache_key"])) for of in trained}
        search = partial(
            SearchStudy, dataset=str(SPECIFICATION), epochs=1, batch_size=32, networks="logistic", trials=8
        )
        asked = search(data_dir=searched / "data").next_variants(finished)
        shutil.rmtree(tmp_path / "theirs")
        assert search(data_dir=tmp_path / "mine", store=bucket).next_variants(finished) == asked
    assert len(asked) == 2
    assert everything_in(tmp_path / "mine" / "train") == everything_in(searched / "data" / "train")


def test_the_winner_is_a_recipe_that_a_run_takes_from_its_file(searched):
    (path,) = (searched / "data" / "rank_trials").glob("*/recipe.json")
    recipe = json.loads(path.read_text())
    given = ["--source", str(FIXTURE), "--recipe-file", str(path), "--data-dir", str(searched / "data")]
    steps = {label: verb for label, verb, _ in plan(dag, read_command(Settings, given)[0]).steps}
    assert steps.keys() >= {"train[logistic]", "evaluate[logistic]"}
    assert "train[baseline]" not in steps, "the recipe names its network"
    assert steps["download"] == "reuse", "and the data set that it was searched on"
    best = ranking_of(searched)["trials"][0]["settings"]
    given = {"dataset": str(SPECIFICATION.relative_to(PROJECT)), "epochs": 1, "batch_size": 32}
    named = {"preset": "fast", "networks": ["logistic"], "precision": recipe["precision"]}
    assert recipe == named | given | best


def test_the_page_is_made_of_its_numbers_alone_and_a_trial_that_diverged_is_on_it_but_not_among_the_best(searched):
    (twin,) = (searched / "reports").glob("*T*.json")
    numbers = json.loads(twin.read_text())
    page = render(Search.model_validate(numbers))
    assert page == (searched / "reports" / "latest-trials.html").read_text(encoding="utf-8")
    first, second, *others = numbers["trials"]
    second |= {"accuracy": None, "accuracies": [], "pruned": True}
    diverged = Search.model_validate(numbers)
    assert "stopped early, epoch 1</small></th><td>–</td>" in render(diverged)
    assert list(diverged.rows) == [trial["name"] for trial in (first, *others)]


def test_the_page_fits_a_small_screen(searched, chromium):
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"file://{searched / 'reports' / 'latest-trials.html'}")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#trials-table tbody tr").count() == 6
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]})
    assert found.violations_count == 0, found.generate_report()
    page.close()
