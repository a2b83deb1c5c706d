import json
from functools import partial

import numpy as np
import pytest
import xgboost

from tasks.data.splits import load_split
from tasks.evaluation.probabilities import load_probabilities
from tasks.evaluation.xgboost import evaluate
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.checkpoints import Checkpoints
from tasks.pipeline.workers import run
from tasks.training.trees import flat
from tasks.training.xgboost import EARLY_STOPPING_ROUNDS, Boosted, train
from tests import silent
from tests.training_worker import call

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def split(finished_run):
    (folder,) = (finished_run / "data" / "prepare").glob("[!.]*")
    return folder


@pytest.fixture(scope="module")
def trained(split, tmp_path_factory):
    """What a worker makes of the fixture's images, and what it told."""
    scratch, heard = tmp_path_factory.mktemp("trees"), []
    folder, given = scratch / "output", {"prepare": Artifact.at(split), "checkpoints": Checkpoints(scratch)}
    summary = run(partial(call, train, folder, **given), progress=lambda *told: heard.append(told))
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


def test_the_history_is_what_the_trees_say(trained, split):
    folder, summary, _ = trained
    booster = xgboost.Booster(model_file=folder / "model.ubj")
    best = json.loads((folder / "history.json").read_text())[booster.num_boosted_rounds() - 1]
    for prefix, name in (("", "train"), ("validation_", "validation")):
        images, labels = load_split(split, name)
        probabilities = booster.inplace_predict(flat(images))
        assert best[f"{prefix}accuracy"] == pytest.approx((probabilities.argmax(axis=1) == labels).mean())
        of_labels = probabilities[np.arange(len(labels)), labels]
        assert best[f"{prefix}loss"] == pytest.approx(-np.log(of_labels).mean(), rel=1e-4)
    thresholds_and_values = sum(tree.count("[") + tree.count("leaf=") for tree in booster.get_dump())
    assert summary["parameters"] == thresholds_and_values


def test_the_evaluation_is_of_these_trees_and_they_have_learned(trained, split, tmp_path):
    folder, _, _ = trained
    evaluated = tmp_path / "evaluate"
    inputs = {"train": Artifact(folder, {}), "prepare": Artifact.at(split)}
    summary = run(partial(call, evaluate, evaluated, **inputs), progress=silent)
    images, labels = load_split(split, "test")
    expected = xgboost.Booster(model_file=folder / "model.ubj").inplace_predict(flat(images))
    found = load_probabilities(evaluated, "test")
    assert found == pytest.approx(expected, abs=1e-6)
    assert summary["test_accuracy"] == (found.argmax(axis=1) == labels).mean() > 0.5
    (trees,) = json.loads((evaluated / "layers.json").read_text())
    assert trees["settings"]["trees"] == 10 * xgboost.Booster(model_file=folder / "model.ubj").num_boosted_rounds()


def test_what_was_killed_goes_on_to_the_same_bits(split, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.training.xgboost.THREADS", 1)

    def grown(boosted, rounds):
        while len(boosted.history) < rounds:
            boosted.grow()
        return boosted

    whole = grown(Boosted(split, Checkpoints(tmp_path / "never"), silent), 6)
    kept = Checkpoints(tmp_path / "kept")
    grown(Boosted(split, kept, silent), 3).save()
    told = []
    resumed = Boosted(split, kept, lambda *message: told.append(message[2]))
    assert (len(resumed.history), told) == (3, ["goes on after round 3"])
    grown(resumed, 6)
    assert resumed.booster.save_raw("ubj") == whole.booster.save_raw("ubj")
    assert resumed.history == whole.history
