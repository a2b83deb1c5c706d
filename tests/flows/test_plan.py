"""What a run would do: each node with what happens to it, and why; on the artifacts of a finished run."""

import json
import shutil

import pytest

from flows.main import dag
from flows.parser import read_command
from flows.plan import ForcedReruns, Plan, outlook, plan
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import UserError, ValidationFailed
from tasks.pipeline.node import Variant
from tasks.pipeline.run_records import recorded
from tasks.pipeline.store import Store
from tasks.rank_trials import rank_trials
from tasks.settings.settings import Settings, parse_settings
from tasks.settings.studies import SearchStudy
from tasks.train import train
from tasks.validate import validate
from tests.programs import ON_THE_FIXTURE

OF_NETWORKS = ("train[baseline]", "train[dropout]", "evaluate[baseline]", "evaluate[dropout]")
NODES = ["download", "validate", "prepare", *OF_NETWORKS, "compare", "report"]


@pytest.fixture
def settings(finished_run, tmp_path):
    """Settings of the finished run, on a copy of its data, with others on top."""
    shutil.copytree(finished_run / "data", tmp_path / "data")

    def settings(*options):
        places = ("--data-dir", str(tmp_path / "data"), "--reports-dir", str(tmp_path / "reports"))
        return read_command(Settings, [*ON_THE_FIXTURE, *places, *options])[0]

    return settings


def verbs(steps):
    return [verb for _, verb, _ in steps]


def reasons(steps, verb):
    return {label: why for label, what, why in steps if what == verb}


def test_a_changed_setting_is_named_and_what_comes_after_waits(settings):
    fewer = plan(dag, settings("--networks", "dropout")).steps
    assert verbs(fewer) == ["reuse"] * 5 + ["run", "wait"], "no training again for one network less"
    steps = plan(dag, settings("--epochs", "2")).steps
    assert verbs(steps) == ["reuse"] * 3 + ["run"] * 2 + ["wait"] * 4
    assert reasons(steps, "run") == dict.fromkeys(["train[baseline]", "train[dropout]"], "epochs 1 → 2")
    assert reasons(steps, "wait")["evaluate[dropout]"] == "(input train[dropout] may change)"
    assert reasons(steps, "wait")["report"] == "(input train[baseline] may change)"


def test_a_damaged_file_is_named_and_only_what_it_touches_is_not_kept(settings):
    (history,) = settings().data_dir.glob("train/dropout-*/history.json")
    history.write_text(history.read_text().replace("0", "1", 1))
    steps = plan(dag, settings()).steps
    assert reasons(steps, "run") == {"train[dropout]": "history.json altered since it was made"}
    assert list(reasons(steps, "wait")) == ["evaluate[dropout]", "compare", "report"]


def test_where_there_is_nothing_only_the_first_node_is_decided(tmp_path):
    steps = plan(dag, parse_settings({"data_dir": str(tmp_path / "data")})).steps
    assert verbs(steps) == ["run"] + ["wait"] * 8
    assert steps[0] == ("download", "run", "new")
    assert list(tmp_path.iterdir()) == []


def test_the_libraries_are_those_of_the_nodes_that_run_or_may_have_to(settings):
    assert plan(dag, settings()).libraries == set()
    of_the_report = {"jinja2", "markupsafe", "matplotlib", "pillow", "pydantic"}
    assert plan(dag, settings("--force", "report")).libraries == of_the_report
    assert plan(dag, settings("--force", "train[dropout]")).libraries > of_the_report | {"tensorflow"}


def test_a_check_that_fails_is_told_and_stops_what_comes_after(settings):
    found = plan(dag, settings()).kept
    cache_key = validate.cache_key(settings(), None, {"download": found["download"]})
    failed = {"success": False, "severity": "critical", "failure": "Labels are 0–9 (train): 3 are not"}

    def fail(folder, lock):
        (folder / "results.json").write_text(json.dumps([failed]))
        return found["validate"].summary

    Store(settings().data_dir).make(cache_key, fail, force=True)
    stopped = plan(dag, settings())
    steps = {label: (verb, why) for label, verb, why in stopped.steps}
    assert isinstance(stopped.failed_check, ValidationFailed)
    assert outlook(stopped, settings()) == "A failed check stops the run."
    assert steps["validate"] == ("stop", "Labels are 0–9 (train): 3 are not")
    assert steps["prepare"] == steps["report"] == ("wait", "(a failed check stops the run)")


@pytest.mark.parametrize(
    ("force", "labels"),
    [
        ("train", NODES[3:]),
        ("train[dropout]", ["train[dropout]", "evaluate[dropout]", "compare", "report"]),
        ("validate", ["validate", "report"]),
    ],
)
def test_from_a_node_on_everything_that_takes_from_it_is_made_again(settings, force, labels):
    reasons = {label: why for label, _, why in plan(dag, settings("--force", force)).steps if why.endswith("forced")}
    assert list(reasons) == labels
    assert reasons[labels[0]] == "forced"


def test_an_unknown_node_is_refused_with_the_nearest(settings):
    with pytest.raises(UserError, match=r"^--force: unknown step train\[dropuot\]. Did you mean train"):
        plan(dag, settings("--force", "train[dropuot]"))


def test_a_trial_that_is_not_known_before_the_search_runs_is_forced_like_the_others_by_its_network():
    forced, sixth = ForcedReruns("train[dropout]"), train.of(Variant("trial 6", {}))
    assert forced.reason(sixth, "dropout", ["prepare"]) == "forced"
    assert forced.reason(rank_trials, None, ["train[dropout, trial 6]"]) == ("after train[dropout, trial 6], forced")
    assert forced.reason(validate, None, ["download"]) is None


def steps_of(tmp_path, *to_run):
    """A plan in which these steps run and the others are kept."""
    labels = ("prepare", "train[baseline]", "train[dropout]", "compare")
    steps = [(label, "run" if label in to_run else "reuse", "") for label in labels]
    return Plan(steps=steps, kept={label: Artifact(tmp_path, {}) for label in labels if label not in to_run})


def ran(settings, **seconds):
    with recorded(settings.data_dir, command="", recipe=settings.run_name) as record:
        for label, of in seconds.items():
            record.node(label, label, False, {"why": "new", "seconds": of})
        record.end("completed")


@pytest.mark.parametrize(("cores", "minutes"), [(9, 4), (1, 7)])
def test_a_plan_takes_its_longest_step_or_its_share_of_the_cores(tmp_path, monkeypatch, cores, minutes):
    monkeypatch.setattr("flows.plan.cores", lambda: cores)
    settings = Settings(data_dir=tmp_path)
    ran(settings, **{"train[baseline]": 170.0, "train[dropout]": 220.0, "compare": 10.0})
    found = outlook(steps_of(tmp_path, "train[baseline]", "train[dropout]", "compare"), settings)
    assert found == f"3 steps to run, 1 reused; about {minutes} min (from earlier runs of preset fast)"
    assert outlook(steps_of(tmp_path, "prepare"), settings) == "1 step to run, 3 reused"
    found = outlook(steps_of(tmp_path, "compare"), SearchStudy(data_dir=tmp_path))
    assert found == "1 step to run, 3 reused; further trials depend on what these find"


def test_what_ran_with_the_same_options_counts_and_otherwise_what_ran_last_with_the_preset(tmp_path):
    for settings, seconds in (({"epochs": 6}, 30.0), ({"epochs": 5}, 40.0), ({"preset": "smoke"}, 1.0)):
        ran(Settings(data_dir=tmp_path, **settings), compare=seconds)
    for epochs, seconds in ((6, 30), (7, 40)):
        found = outlook(steps_of(tmp_path, "compare"), Settings(data_dir=tmp_path, epochs=epochs))
        assert found == f"1 step to run, 3 reused; about {seconds} s (from earlier runs of preset fast)"
