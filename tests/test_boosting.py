import json

import numpy as np
import pytest
import xgboost
from tasks.boosting import PATIENCE, Boosted, flat
from tasks.child import run_child

from tasks.pipeline.progress import silent
from tasks.prepare import SPLITS
from tasks.train import load_split


@pytest.fixture(scope="module")
def split(finished_run):
    (folder,) = (finished_run / "data" / "prepare").iterdir()
    return folder


@pytest.fixture(scope="module")
def trained(split, tmp_path_factory):
    """What a child makes of the fixture's images, and what it told."""
    folder, heard = tmp_path_factory.mktemp("trees"), []
    job = {"work": "train", "output": str(folder), "prepared": str(split), "checkpoints": str(folder / "kept")}
    facts = run_child("tasks.boosting", job, lambda *told: heard.append(told))
    return folder, facts, heard


def test_trees_grow_until_the_validation_loss_has_not_fallen_for_some_rounds_and_those_up_to_its_lowest_stay(trained):
    folder, facts, heard = trained
    history = json.loads((folder / "history.json").read_text())
    losses = [entry["validation_loss"] for entry in history]
    best = int(np.argmin(losses)) + 1
    assert len(losses) == best + PATIENCE
    assert xgboost.Booster(model_file=folder / "model.ubj").num_boosted_rounds() == best
    assert facts["validation_accuracy"] == history[best - 1]["validation_accuracy"]
    assert heard[-1][0] == len(history)
    assert heard[-1][4] == history


def test_the_history_is_what_the_trees_say(trained, split):
    folder, facts, _ = trained
    booster = xgboost.Booster(model_file=folder / "model.ubj")
    best = json.loads((folder / "history.json").read_text())[booster.num_boosted_rounds() - 1]
    for prefix, name in (("", "train"), ("validation_", "validation")):
        images, labels = load_split(split, name)
        probabilities = booster.inplace_predict(flat(images))
        assert best[f"{prefix}accuracy"] == pytest.approx((probabilities.argmax(axis=1) == labels).mean())
        of_labels = probabilities[np.arange(len(labels)), labels]
        assert best[f"{prefix}loss"] == pytest.approx(-np.log(of_labels).mean(), rel=1e-4)
    thresholds_and_values = sum(tree.count("[") + tree.count("leaf=") for tree in booster.get_dump())
    assert facts["parameters"] == thresholds_and_values


def test_the_evaluation_is_of_these_trees_and_they_have_learned(trained, split, tmp_path):
    folder, _, _ = trained
    job = {"work": "evaluate", "output": str(tmp_path), "prepared": str(split), "model": str(folder / "model.ubj")}
    facts = run_child("tasks.boosting", job | {"splits": SPLITS, "threads": 1}, silent)
    images, labels = load_split(split, "test")
    expected = xgboost.Booster(model_file=folder / "model.ubj").inplace_predict(flat(images))
    found = np.load(tmp_path / "test_probabilities.npy")
    assert found == pytest.approx(expected, abs=1e-6)
    assert facts["test_accuracy"] == (found.argmax(axis=1) == labels).mean() > 0.5
    (trees,) = json.loads((tmp_path / "layers.json").read_text())
    assert trees["settings"]["trees"] == 10 * xgboost.Booster(model_file=folder / "model.ubj").num_boosted_rounds()


def test_what_was_killed_goes_on_to_the_same_bits(split, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.boosting.THREADS", 1)

    def grown(boosted, rounds):
        while len(boosted.history) < rounds:
            boosted.grow()
        return boosted

    whole = grown(Boosted(split, tmp_path / "never", silent), 6)
    grown(Boosted(split, tmp_path / "kept", silent), 3).save()
    told = []
    resumed = Boosted(split, tmp_path / "kept", lambda *message: told.append(message[2]))
    assert (len(resumed.history), told) == (3, ["goes on after round 3"])
    grown(resumed, 6)
    assert resumed.booster.save_raw("ubj") == whole.booster.save_raw("ubj")
    assert resumed.history == whole.history
