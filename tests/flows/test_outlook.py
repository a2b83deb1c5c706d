"""The last line of a plan: what it comes to, and about how long it takes."""

import pytest

from flows import outlook as module
from flows.outlook import outlook
from flows.plan import Plan
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError
from tasks.pipeline.run_records import recorded
from tasks.settings.settings import Settings
from tasks.settings.studies import SearchStudy

WAITS_FOR = {
    "prepare": [],
    "train[baseline]": [],
    "train[dropout]": [],
    "compare": ["train[baseline]", "train[dropout]"],
}


def planned(tmp_path, *to_run):
    steps = [(label, "run" if label in to_run else "reuse", "") for label in WAITS_FOR]
    kept = {label: Artifact(tmp_path, {}) for label in WAITS_FOR if label not in to_run}
    return Plan(steps=steps, kept=kept, waits_for=WAITS_FOR)


def ran(settings, **seconds):
    with recorded(settings.data_dir, command="", recipe=settings.run_name) as record:
        for label, of in seconds.items():
            record.node(label, label, False, {"why": "new", "seconds": of})
        record.end("completed")


@pytest.mark.parametrize(
    ("cores", "to_run", "line"),
    [
        (2, ["train[dropout]", "compare"], "2 steps to run, 2 reused; about 4 min (from earlier runs of preset fast)"),
        (2, ["compare"], "1 step to run, 3 reused; about 10 s (from earlier runs of preset fast)"),
        (9, ["train[baseline]", "train[dropout]", "compare"], "3 steps to run, 1 reused; about 4 min (from "),
        (1, ["train[baseline]", "train[dropout]", "compare"], "3 steps to run, 1 reused; about 7 min (from "),
        (2, ["prepare"], "1 step to run, 3 reused"),
        (2, [], "Up to date: 4 of 4 steps reused."),
    ],
)
def test_a_plan_takes_its_longest_chain_or_its_share_of_the_cores(tmp_path, monkeypatch, cores, to_run, line):
    monkeypatch.setattr(module, "cores", lambda: cores)
    settings = Settings(data_dir=tmp_path)
    ran(settings, **{"train[baseline]": 170.0, "train[dropout]": 220.0, "compare": 10.0})
    assert outlook(planned(tmp_path, *to_run), settings).startswith(line)


def test_what_ran_with_the_same_options_counts_and_otherwise_what_ran_last_with_the_preset(tmp_path):
    for settings, seconds in (({"epochs": 6}, 30.0), ({"epochs": 5}, 40.0), ({"preset": "smoke"}, 1.0)):
        ran(Settings(data_dir=tmp_path, **settings), compare=seconds)
    for epochs, seconds in ((6, 30), (7, 40)):
        found = outlook(planned(tmp_path, "compare"), Settings(data_dir=tmp_path, epochs=epochs))
        assert found == f"1 step to run, 3 reused; about {seconds} s (from earlier runs of preset fast)"


def test_a_failed_check_is_said_instead_and_a_search_that_its_trials_depend_on_those_before(tmp_path):
    stopped = planned(tmp_path, "compare")
    ran(Settings(data_dir=tmp_path), compare=10.0)
    found = outlook(stopped, SearchStudy(data_dir=tmp_path))
    assert found == "1 step to run, 3 reused; further trials depend on what these find"
    stopped.failed_check = RunError("no")
    assert outlook(stopped, Settings(data_dir=tmp_path)) == "A failed check stops the run."
