import json

import numpy as np
import pytest
import xgboost

from tasks.data.splits import load_split
from tasks.evaluation.predictions import load_probabilities
from tasks.evaluation.xgboost import evaluate
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.checkpoints import Checkpoints
from tasks.training.xgboost import EARLY_STOPPING_ROUNDS, PARAMETERS, train
from tests import silent
from tests.training_worker import call

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.training.xgboost.THREADS", 1)
        patch.setitem(PARAMETERS, "nthread", 1)
        yield


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    """What is made of the fixture's images, and what was reported."""
    scratch, heard = tmp_path_factory.mktemp("trees"), []
    folder, given = scratch / "output", {"prepare": prepared, "checkpoints": Checkpoints(scratch)}
    summary = call(train, folder, lambda *reported: heard.append(reported), **given)
    return folder, summary, heard


def test_trees_grow_until_the_validation_loss_has_not_fallen_for_some_rounds_and_those_up_to_its_lowest_stay(trained):
    folder, summary, heard = trained
    history = json.loads((folder / "history.json").read_text())
    losses = [entry["validation_loss"] for entry in history]
    best = int(np.argmin(losses)) + 1
    assert len(losses) == best + EARLY_STOPPING_ROUNDS
    assert xgboost.Booster(model_file=folder / "model.ubj").num_boosted_rounds() == best
    assert summary["validation_accuracy"] == history[best - 1]["validation_accuracy"]
    assert heard[-1][0] == len(history)
    assert heard[-1][4] == history


def test_the_evaluation_is_of_these_trees_and_they_have_learned(trained, prepared, tmp_path):
    folder, _, _ = trained
    evaluated = tmp_path / "evaluate"
    summary = call(evaluate, evaluated, silent, train=Artifact(folder, {}), prepare=prepared)
    images, labels = load_split(prepared.folder, "test")
    expected = xgboost.Booster(model_file=folder / "model.ubj").inplace_predict(images.reshape(-1, 784))
    found = load_probabilities(evaluated, "test")
    assert found == pytest.approx(expected, abs=1e-6)
    assert summary["test_accuracy"] == (found.argmax(axis=1) == labels).mean() > 0.5
    (trees,) = json.loads((evaluated / "layers.json").read_text())
    assert trees["settings"]["trees"] == 10 * xgboost.Booster(model_file=folder / "model.ubj").num_boosted_rounds()


def test_what_was_killed_goes_on_to_the_same_bits(trained, prepared, tmp_path, monkeypatch):
    kept, notes = Checkpoints(tmp_path / "kept"), []

    def stop(done, *_):
        if done == 4:  # before this round is kept
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("tasks.training.xgboost.CHECKPOINT_INTERVAL", 0)
        call(train, tmp_path / "killed", stop, prepare=prepared, checkpoints=kept)
    resumed = tmp_path / "resumed"
    call(train, resumed, lambda *told: notes.append(told[2:4]), prepare=prepared, checkpoints=kept)
    assert [note for note, milestone in notes if milestone] == ["goes on after round 3"]
    for path in trained[0].iterdir():
        assert (resumed / path.name).read_bytes() == path.read_bytes()
