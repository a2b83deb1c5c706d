"""The studies as a user meets them, on the fixture: run, requested again, widened."""

import json
import re
import shutil

import pytest

from flows import study
from flows.main import dag
from flows.operations.server_client import find
from flows.parser import read_command
from flows.plan import plan
from tasks.settings.settings import Settings
from tasks.settings.studies import SeedStudy, newest_study
from tests.programs import ON_THE_FIXTURE, leftovers, run_main

SEEDS, FOLDS = ("study.py", "seeds"), ("study.py", "folds")


def study_of(folder):
    (newest,) = (path for path in (folder / "data" / "compare_trainings").glob("*/study.json"))
    return json.loads(newest.read_text())


def planned(folder, *options, of=(dag, Settings)):
    """Return what a run in this folder would do to each node, and why."""
    settings, _ = read_command(of[1], [*ON_THE_FIXTURE, "--data-dir", str(folder / "data"), *options])
    return {label: (verb, why) for label, verb, why in plan(of[0], settings).steps}


def labels(steps, verb):
    return [label for label, (what, _) in steps.items() if what == verb]


def test_a_study_of_seeds_ends_with_verdict_table_and_a_page_of_its_own(two_seeds):
    output = (two_seeds / "output").read_text()
    assert re.search(r"^Tie: 2 seeds cannot tell (\w+) and (?!\1)\w+ apart\.\s+Keep\s+the\s+\1\s", output, re.MULTILINE)
    assert re.search(r"^network +train +validation +test +parameters +training$", output, flags=re.MULTILINE)
    assert f"Report: {two_seeds / 'reports' / 'latest-seeds.html'}" in output
    assert not (two_seeds / "reports" / "latest.html").exists()
    manifests = [json.loads(path.read_text()) for path in (two_seeds / "data").glob("train/*/manifest.json")]
    trained = {(manifest["network"], manifest["cache_key"]["settings"]["seed"]) for manifest in manifests}
    assert trained == {(network, seed) for network in ("baseline", "dropout") for seed in (0, 1)}
    assert leftovers(two_seeds / "data") == []


def test_the_same_study_again_ends_at_once_and_one_more_seed_trains_only_that(two_seeds):
    again = run_main(two_seeds, None, *ON_THE_FIXTURE, "--seeds", "2", program=SEEDS)
    *now, up_to_date = again.stdout.splitlines()
    assert re.fullmatch(r"Up to date: \d+ of \d+ steps reused \(.+ s\)\.", up_to_date)
    assert now == (two_seeds / "output").read_text().splitlines()[:-1]
    steps = planned(two_seeds, "--seeds", "3", of=(study.comparison, SeedStudy))
    assert labels(steps, "run") == ["prepare[seed 2]"]
    waiting = {"train[baseline, seed 2]", "train[dropout, seed 2]", "evaluate[dropout, seed 2]", "compare_trainings"}
    assert waiting < {*labels(steps, "wait")}
    assert "train[dropout, seed 1]" in labels(steps, "reuse")


def test_a_run_of_one_of_the_seeds_takes_what_the_study_has_trained_and_says_what_it_says(two_seeds, server, tmp_path):
    shutil.copytree(two_seeds / "data", tmp_path / "data")
    steps = planned(tmp_path, "--seed", "1")
    assert labels(steps, "reuse")[-2:] == ["evaluate[baseline]", "evaluate[dropout]"]
    ran = run_main(tmp_path, server, *ON_THE_FIXTURE, "--seed", "1")
    assert ran.returncode == 0, ran.stderr
    quoted = json.loads(next((tmp_path / "reports").glob("*T*.json")).read_text())["verdict"]["study"]
    assert (quoted["sentences"], quoted["seeds"]) == (study_of(tmp_path)["verdict"], 2)
    shutil.rmtree(tmp_path / "data" / "compare_trainings")
    verb, why = planned(tmp_path, "--seed", "1")["report"]
    assert (verb, why.startswith("input study[seed] ")) == ("run", True)


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (("--networks", "dropout"), True),
        (("--seed", "2"), False),
        (("--epochs", "2"), False),
    ],
)
def test_a_study_is_found_by_its_recipe_its_seeds_and_its_networks(other, found, two_seeds):
    settings, _ = read_command(Settings, [*ON_THE_FIXTURE, "--data-dir", str(two_seeds / "data"), *other])
    assert bool(newest_study(settings)) == found


@pytest.mark.usefixtures("prepared_run")
def test_cross_validation_opens_no_test_set_and_asks_the_networks_as_the_recipe_says(server, tmp_path):
    options = ("--folds", "2", "--tta", "flip", "--networks", "dropout")
    done = run_main(tmp_path, server, *ON_THE_FIXTURE, *options, program=FOLDS)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^network +train +validation +parameters +training$", done.stdout, flags=re.MULTILINE)
    assert study_of(tmp_path)["members"] == ["fold 1", "fold 2"]
    assert len(list((tmp_path / "data" / "evaluate").glob("*/validation_probabilities.npy"))) == 2
    assert not [path for node in ("fold", "evaluate") for path in (tmp_path / "data" / node).glob("*/test*")]
    page = (tmp_path / "reports" / "latest-folds.html").read_text()
    assert "The test set stays closed." in page
    assert "The probabilities of dropout are averaged over each image and its mirror image" in page
    (run,) = find(server.url, "flow_runs", flows={"name": {"any_": ["fashion-mnist-folds"]}})
    tasks = find(server.url, "task_runs", flow_runs={"id": {"any_": [run["id"]]}})
    assert {"train[dropout, fold 1]", "fold[fold 2]", "compare_trainings"} <= {task["name"] for task in tasks}
