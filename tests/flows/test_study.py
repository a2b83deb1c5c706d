"""The studies as a user meets them, on the fixture: run, asked for again, widened, killed."""

import json
import os
import re
import shutil
import signal

import pytest

from flows.cli import read_options
from flows.operations.processes import command_of
from tasks.settings.settings import parse_settings
from tasks.settings.studies import newest_study
from tests.conftest import (
    ON_THE_FIXTURE,
    ask,
    assert_refused,
    children_of,
    leftovers,
    run_main,
    start_main,
    wait_until,
    workers_of,
)

SEEDS, FOLDS = ("study.py", "seeds"), ("study.py", "folds")


def study_of(folder):
    (newest,) = (path for path in (folder / "data" / "compare_trainings").glob("*/study.json"))
    return json.loads(newest.read_text())


def trained(folder):
    return {
        (manifest["network"], manifest["cache_key"]["settings"]["seed"])
        for manifest in map(json.loads, (path.read_text() for path in (folder / "data").glob("train/*/manifest.json")))
    }


def test_a_study_of_seeds_ends_with_verdict_table_and_a_page_of_its_own(two_seeds):
    output = (two_seeds / "output").read_text()
    assert re.search(r"^Keep (baseline|dropout): over 2 seeds, its mean validation accuracy", output, re.MULTILINE)
    assert re.search(r"^network +train +validation +test +parameters +seconds$", output, flags=re.MULTILINE)
    assert f"Report: {two_seeds / 'reports' / 'latest-seeds.html'}" in output
    assert not (two_seeds / "reports" / "latest.html").exists()
    assert trained(two_seeds) == {(network, seed) for network in ("baseline", "dropout") for seed in (0, 1)}
    assert leftovers(two_seeds / "data") == []


def test_the_page_says_what_the_trainings_artifacts_say(two_seeds):
    twin = json.loads(next((two_seeds / "reports").glob("*T*.json")).read_text())
    for network, of in twin["networks"].items():
        for place, member in enumerate(twin["members"]):
            key = twin["keys"][f"evaluate[{network}, {member}]"]
            metrics = json.loads((two_seeds / "data" / "evaluate" / f"{network}-{key}" / "metrics.json").read_text())
            for split, found in of["accuracy"].items():
                assert found["values"][place] == metrics[split]["accuracy"]["value"]


def test_the_same_study_again_ends_at_once_and_one_more_seed_trains_only_that(two_seeds, server, tmp_path):
    again = run_main(two_seeds, server, *ON_THE_FIXTURE, "--seeds", "2", program=SEEDS)
    assert again.stdout == (two_seeds / "output").read_text()
    shutil.copytree(two_seeds / "data", tmp_path / "data")
    planned = run_main(tmp_path, server, *ON_THE_FIXTURE, "--seeds", "3", "--plan", program=SEEDS).stdout
    assert [line.split("  ")[0] for line in planned.splitlines() if " run " in line] == ["prepare[seed 2]"]
    more = run_main(tmp_path, server, *ON_THE_FIXTURE, "--seeds", "3", program=SEEDS)
    assert more.returncode == 0, more.stderr
    assert trained(tmp_path) - trained(two_seeds) == {("baseline", 2), ("dropout", 2)}
    named = {"name": {"any_": ["fashion-mnist-seeds"]}}
    newest = ask(server, "flow_runs", flows=named, sort="START_TIME_DESC", limit=1)[0]
    tasks = ask(server, "task_runs", flow_runs={"id": {"any_": [newest["id"]]}})
    assert {"train[dropout, seed 2]", "prepare[seed 0]", "compare_trainings"} <= {task["name"] for task in tasks}


def test_a_run_of_one_of_the_seeds_takes_what_the_study_has_trained(two_seeds, server, tmp_path):
    shutil.copytree(two_seeds / "data", tmp_path / "data")
    planned = run_main(tmp_path, server, *ON_THE_FIXTURE, "--seed", "1", "--plan").stdout
    assert [line.split()[0] for line in planned.splitlines() if " keep " in line][-2:] == [
        "evaluate[baseline]",
        "evaluate[dropout]",
    ]


def test_a_run_says_what_the_study_says_in_which_its_trainings_have_part(two_seeds, server, tmp_path):
    shutil.copytree(two_seeds / "data", tmp_path / "data")
    ran = run_main(tmp_path, server, *ON_THE_FIXTURE, "--seed", "1")
    assert ran.returncode == 0, ran.stderr
    quoted = json.loads(next((tmp_path / "reports").glob("*T*.json")).read_text())["verdict"]["study"]
    assert (quoted["sentences"], quoted["seeds"]) == (study_of(tmp_path)["verdict"], 2)
    shutil.rmtree(tmp_path / "data" / "compare_trainings")
    planned = run_main(tmp_path, server, *ON_THE_FIXTURE, "--seed", "1", "--plan").stdout
    assert re.search(r"^report +run +input study\[seed\] ", planned, re.MULTILINE)


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({}, True),
        ({"seed": 1}, True),
        ({"networks": "dropout"}, True),
        ({"seed": 2}, False),
        ({"networks": "dropout,logistic"}, False),
        ({"epochs": 2}, False),
        ({"limit": 300}, False),
    ],
    ids=str,
)
def test_a_study_is_found_by_its_recipe_its_seeds_and_its_networks(other, found, two_seeds):
    given = read_options([*ON_THE_FIXTURE, "--data-dir", str(two_seeds / "data")])
    assert bool(newest_study(parse_settings(given | other))) == found


@pytest.mark.usefixtures("prepared_run")
def test_a_study_that_is_killed_ends_with_the_same_numbers(two_seeds, server, tmp_path):
    def at_work():
        return list((tmp_path / "data").glob("train/.staging-*"))

    with start_main(tmp_path, server, *ON_THE_FIXTURE, "--seeds", "2", program=SEEDS) as run:
        wait_until(at_work, 120)
        children = [*children_of(run.pid), *workers_of(run.pid)]
        os.kill(run.pid, signal.SIGKILL)
    wait_until(lambda: not any(map(command_of, children)), 20)
    done = run_main(tmp_path, server, *ON_THE_FIXTURE, "--seeds", "2", program=SEEDS)
    assert done.returncode == 0, done.stderr
    assert study_of(tmp_path) == study_of(two_seeds)
    runs = ask(server, "flow_runs", flows={"name": {"any_": ["fashion-mnist-seeds"]}})
    assert "Crashed" in {run["state_name"] for run in runs}
    assert "Running" not in {run["state_name"] for run in runs}


@pytest.mark.usefixtures("prepared_run")
def test_cross_validation_opens_no_test_set_and_asks_the_networks_as_the_recipe_says(server, tmp_path):
    done = run_main(tmp_path, server, *ON_THE_FIXTURE, "--folds", "2", "--tta", "flip", program=FOLDS)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^network +train +validation +parameters +seconds$", done.stdout, flags=re.MULTILINE)
    assert study_of(tmp_path)["members"] == ["fold 1", "fold 2"]
    assert len(list((tmp_path / "data" / "evaluate").glob("*/validation_probabilities.npy"))) == 4
    assert not [path for node in ("fold", "evaluate") for path in (tmp_path / "data" / node).glob("*/test*")]
    page = (tmp_path / "reports" / "latest-folds.html").read_text()
    assert "The test set is not opened" in page
    assert "Mirrored inference: dropout’s probabilities are means over an image and its mirror image" in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("study.py", "sedes"), "no study is called 'sedes'; did you mean 'seeds'?"),
        (("study.py",), "no study is called"),
        ((*SEEDS, "--seeds", "1"), "seeds is '1': input should be greater than or equal to 2"),
        ((*FOLDS, "--seeds", "3"), "no option is called '--seeds'; did you mean '--seed'?"),
        ((*FOLDS, "--validation-fraction", "0.2"), "no option is called '--validation-fraction'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(tmp_path, given, said):
    assert_refused(run_main(tmp_path, None, program=given), said)
