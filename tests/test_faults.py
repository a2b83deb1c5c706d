"""The short form of the faults; `python -m tests.faults` is the long one."""

import shutil

import pytest

from flows.cli import read_options
from tasks.settings.settings import parse_settings
from tests.conftest import ON_THE_FIXTURE
from tests.faults.damages import DAMAGES, damage_again_and_again
from tests.faults.kills import kill_again_and_again

pytestmark = pytest.mark.slow


def test_runs_killed_at_random_end_with_the_same_result_and_leave_nothing(tmp_path, server):
    counted = kill_again_and_again(tmp_path, server, count=2, seed=0)
    assert counted["killed"] == 2


def test_no_artifact_that_was_damaged_at_random_is_served(tmp_path, finished_run):
    shutil.copytree(finished_run / "data", tmp_path / "data")
    settings = parse_settings(read_options([*ON_THE_FIXTURE, "--data-dir", str(tmp_path / "data")]))
    done, served = damage_again_and_again(settings, count=100, seed=0)
    assert served == []
    assert done.keys() == {damage.__name__ for damage in DAMAGES}
