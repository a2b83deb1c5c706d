from pathlib import Path

import pytest

from tasks.pipeline.artifact import Artifact


@pytest.mark.parametrize(("changed", "quoted"), [({}, True), ({"train[dropout, seed 0]": "of other code"}, False)])
def test_a_study_is_quoted_if_these_very_trainings_are_among_its_own(gathered, data_set, changed, quoted):
    def study(train):
        inputs = {f"train[{name}, seed 0]": made.digest for name, made in train.items()} | changed
        return {"seed": Artifact(Path(), {"cache_key": {"inputs": inputs}})}

    assert bool(gathered(data_set, study).study) == quoted
