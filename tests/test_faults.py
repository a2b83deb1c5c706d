"""The short form of the damages; `python -m tests.faults` is the long one, and kills runs at random besides."""

import shutil

import pytest

from flows.parser import read_command
from tasks.settings.settings import Settings
from tests.faults.damages import DAMAGES, damage_again_and_again
from tests.programs import ON_THE_FIXTURE

pytestmark = pytest.mark.slow


def test_no_artifact_that_was_damaged_at_random_is_served(tmp_path, finished_run):
    shutil.copytree(finished_run / "data", tmp_path / "data")
    settings, _ = read_command(Settings, [*ON_THE_FIXTURE, "--data-dir", str(tmp_path / "data")])
    done, served = damage_again_and_again(settings, count=40, seed=0)
    assert served == []
    assert done.keys() == DAMAGES.keys()
