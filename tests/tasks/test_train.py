import copy
import json
import os
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest

from tasks.data.splits import load_split
from tasks.evaluate import evaluate
from tasks.pipeline import workers
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError, WorkerCrashed
from tasks.pipeline.fork_server import start_server
from tasks.settings.settings import PROJECT
from tasks.training.loop import epoch_order, learning_rate_at
from tasks.training.tensorflow import environment
from tests import silent
from tests.training_worker import call, train_network

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def tensorflow_imported_once():
    start_server(("keras", "tensorflow"), environment())


def train(prepared, folder, progress=silent, **how):
    """Train in a worker; return its summary and the folder that it filled."""
    return workers.run(partial(train_network, folder, prepared, **how), progress=progress), folder / "output"


def kill_the_worker():
    (worker,) = workers._running
    worker.kill()


@pytest.fixture
def train_here(prepared, tmp_path, tensorflow):
    """Train in this process, where no bits are held against others; return the summary and the filled folder."""

    def train_here(progress=silent, **how):
        return train_network(tmp_path, prepared, progress, **how), tmp_path / "output"

    return train_here


def content_of(output):
    return {path.name: path.read_bytes() for path in output.iterdir()}


def test_each_epoch_has_an_order_of_its_own_that_seed_and_epoch_decide():
    order = epoch_order(100, seed=3, epoch=7)
    assert sorted(order) == list(range(100))
    assert (order == epoch_order(100, seed=3, epoch=7)).all()
    assert (order != epoch_order(100, seed=3, epoch=8)).any()
    assert (order != epoch_order(100, seed=4, epoch=7)).any()


def test_a_one_cycle_rate_rises_to_its_peak_and_falls_to_nearly_nothing():
    rates = [learning_rate_at(position, 0.002, "one-cycle") for position in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.0002)
    assert max(rates) == rates[30] == pytest.approx(0.002)
    assert rates[:31] == sorted(rates[:31])
    assert rates[30:] == sorted(rates[30:], reverse=True)
    assert rates[-1] == pytest.approx(0.000002)


@pytest.mark.parametrize(("bars", "epochs"), [([], 4), ([1.1], 2), ([0.0, 0.0, 1.1], 3), ([0.0, 0.0, 0.0], 4)])
def test_a_training_below_its_bar_is_given_up_when_that_share_of_its_epochs_is_over(train_here, bars, epochs):
    summary, output = train_here(network="logistic", architecture={}, epochs=4, pruning_thresholds=bars)
    assert len(json.loads((output / "history.json").read_text())) == epochs
    assert summary["pruned"] == (epochs < 4)


def test_a_network_takes_the_shape_that_it_is_given(train_here):
    summary, _ = train_here(epochs=1, architecture={"filters": 4, "dense_width": None, "dropout_rate": 0.1})
    convolutions = 4 * 10 + 8 * (4 * 9 + 1) + 16 * (8 * 9 + 1)
    assert summary["parameters"] == convolutions + 128 * (16 * 25 + 1) + 10 * 129


def test_a_constant_rate_stays():
    assert {learning_rate_at(position, 0.001, "constant") for position in (0, 0.2, 1)} == {0.001}


def test_training_saves_the_model_and_an_entry_of_history_an_epoch(train_here):
    heard = []
    summary, output = train_here(lambda *told: heard.append(copy.deepcopy(told)), architecture={})
    history = json.loads((output / "history.json").read_text())
    assert sorted(path.name for path in output.iterdir()) == ["history.json", "model.keras"]
    assert [entry["epoch"] for entry in history] == [1, 2]
    assert history[0].keys() == {
        "epoch",
        "loss",
        "accuracy",
        "validation_loss",
        "validation_accuracy",
        "learning_rate",
    }
    assert history[1]["loss"] < history[0]["loss"]
    assert summary["parameters"] == 503_690
    assert summary["measured"]["threads"] == 1
    assert summary["measured"]["seconds"] > 0
    milestones = [told[2:] for told in heard if told[3]]
    assert [note[:9] for note, *_ in milestones] == ["epoch 1/2", "epoch 2/2"]
    assert [told for *_, told in milestones] == [history[:1], history]


ALONE = """
import sys
from functools import partial
from pathlib import Path

from tasks.evaluate import evaluate
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.fork_server import start_server
from tasks.pipeline.provenance import cores
from tasks.pipeline.workers import run
from tasks.training.tensorflow import environment
from tests import silent
from tests.training_worker import call, train_network

where, precision, (folder, prepared) = *sys.argv[1:3], map(Path, sys.argv[3:])
recipe = {"epochs": 1, "architecture": {}, "precision": precision, "threads": cores()}
if where == "worker":
    start_server(["keras", "tensorflow"], environment())
else:
    def run(function, progress):
        function(progress)
run(partial(train_network, folder, prepared, **recipe), progress=silent)
inputs = {"train": Artifact(folder / "output", {}), "prepare": Artifact.at(prepared)}
others = {"network_module": None, "own_network": None, "precision": precision, "tta": "none"}
run(partial(call, evaluate, folder / "evaluate", **inputs, **others), progress=silent)
"""


def train_and_evaluate(prepared, folder, where, precision="float32", **variables):
    """Do so in a fresh Python, itself or by workers that it forks from a server which has imported TensorFlow."""
    command = [sys.executable, "-c", ALONE, where, precision, str(folder), str(prepared)]
    done = subprocess.run(command, cwd=PROJECT, env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_workers_have_the_bits_of_a_fresh_python(prepared, tmp_path, precision):
    for where in ("worker", "here"):
        train_and_evaluate(prepared, tmp_path / where, where, precision)
    for made in ("output", "evaluate"):
        assert content_of(tmp_path / "worker" / made) == content_of(tmp_path / "here" / made)


def test_a_training_leaves_nothing_where_temporary_files_are_kept(prepared, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    train_and_evaluate(prepared, tmp_path, "worker", TMPDIR=str(scratch))
    assert not list(scratch.iterdir())


def test_a_training_that_is_killed_again_and_again_ends_with_the_same_bits(prepared, tmp_path):
    large = {"filters": 64, "dense_width": 16, "dropout_rate": 0.5}  # slow enough to be killed in mid-epoch
    how = {"threads": 2, "batch_size": 8, "epochs": 4, "architecture": large, "checkpoint_interval": 0.1}
    summary, undisturbed = train(prepared, tmp_path / "undisturbed", **how)
    resumed = []

    def kill_in_mid_epoch(done, *told):
        notes.append(told[1])
        checkpoints = [int(path.name[:9]) for path in (tmp_path / "killed").glob("checkpoints/*/*.npz")]
        begun = max(checkpoints, default=0) % (360 / how["batch_size"])
        if (
            len(resumed) < 2 and len(notes) > 1 and begun and done % 1 < 0.8
        ):  # so that it is dead before the epoch's end
            kill_the_worker()

    while True:
        notes = []
        try:
            again, output = train(prepared, tmp_path / "killed", kill_in_mid_epoch, **how)
        except WorkerCrashed:
            resumed.append(notes[0])
        else:
            break
    assert len(resumed) == 2, notes
    assert not resumed[0].startswith("goes on after")
    assert all(note.startswith("goes on after batch ") for note in [resumed[1], notes[0]])
    assert content_of(output) == content_of(undisturbed)
    for of_training in (summary, again):
        assert of_training.pop("measured")["threads"] == 2
    assert again == summary


def test_how_many_threads_there_are_and_when_that_changes_does_not_shape_the_bits(prepared, tmp_path):
    def kill_after_an_epoch(*told):
        if told[3]:
            kill_the_worker()

    _, undisturbed = train(prepared, tmp_path / "one", threads=1)
    with pytest.raises(WorkerCrashed):
        train(prepared, tmp_path / "changing", kill_after_an_epoch, threads=3)
    _, changing = train(prepared, tmp_path / "changing", threads=2)
    assert content_of(changing) == content_of(undisturbed)


def test_a_training_that_validates_for_longer_than_a_worker_may_be_silent_is_not_killed(
    prepared, tmp_path, monkeypatch
):
    many = tmp_path / "many"
    many.mkdir()
    for split, times in (("train", 1), ("validation", 100)):
        for kind, array in zip(("images", "labels"), load_split(prepared, split), strict=True):
            np.save(many / f"{split}_{kind}.npy", np.concatenate([array[:40]] * times))
    ends = []

    def allow_half_an_epochs_silence(*told):
        if told[3]:
            ends.append(time.perf_counter())
        if len(ends) == 2:  # the second epoch, unlike the first, was all work
            monkeypatch.setattr(workers, "TIMEOUT", (ends[1] - ends[0]) / 2)
            monkeypatch.setattr(workers, "WAKE", workers.TIMEOUT / 10)

    summary, _ = train(many, tmp_path, allow_half_an_epochs_silence, epochs=3, architecture={"filters": 64})
    assert not summary["pruned"]
    assert ends[2] - ends[1] > workers.TIMEOUT


def test_a_damaged_checkpoint_is_said_and_the_one_before_it_used(prepared, tmp_path):
    _, undisturbed = train(prepared, tmp_path)
    kept = content_of(undisturbed)
    _, last = sorted((tmp_path / "checkpoints" / "dropout-0").iterdir())
    last.write_bytes(last.read_bytes()[:-1])
    notes = []
    _, output = train(prepared, tmp_path, lambda *told: notes.append(told[2]))
    assert f"checkpoint {last.name[:16]}… refused: altered since it was made" in notes
    assert "goes on after epoch 1" in notes
    assert content_of(output) == kept
    assert not last.exists()


def test_the_running_figures_are_the_mean_over_an_epochs_images(train_here, prepared, tmp_path):
    """A rate near nothing leaves the weights still, so that one pass over the images is the same as evaluating them."""
    still = {
        "network": "baseline",
        "architecture": {"filters": 4, "dense_width": 16},
        "epochs": 1,
        "batch_size": 50,
        "learning_rate": 1e-12,
        "schedule": "constant",
    }
    _, output = train_here(**still)
    evaluated = tmp_path / "evaluate"
    inputs = {"train": Artifact(output, {}), "prepare": Artifact.at(prepared)}
    others = {"network_module": None, "own_network": None, "precision": "float32", "tta": "none"}
    workers.run(partial(call, evaluate, evaluated, **inputs, **others), progress=silent)
    (epoch,) = json.loads((output / "history.json").read_text())
    metrics = json.loads((evaluated / "metrics.json").read_text())
    assert metrics["train"]["images"] % 50 != 0  # the last batch is smaller, and counts for less
    assert epoch["accuracy"] == pytest.approx(metrics["train"]["accuracy"]["value"], abs=1e-6)
    assert epoch["loss"] == pytest.approx(metrics["train"]["cross_entropy"], rel=1e-5)
    assert epoch["validation_accuracy"] == pytest.approx(metrics["validation"]["accuracy"]["value"], abs=1e-6)
    assert epoch["validation_loss"] == pytest.approx(metrics["validation"]["cross_entropy"], rel=1e-5)


@pytest.mark.parametrize(("batch_size", "where"), [(64, "batch 2"), (400, "on validation data")])
def test_a_loss_that_is_not_finite_ends_training_with_one_sentence(train_here, tmp_path, batch_size, where):
    steep = {"learning_rate": 1e38, "schedule": "constant", "batch_size": batch_size}
    with pytest.raises(RunError, match=f"^the loss is nan in epoch 1, {where}; try a lower --learning-rate$"):
        train_here(**steep)
    assert list((tmp_path / "output").iterdir()) == []


def test_a_trial_whose_loss_is_not_finite_is_given_up(train_here):
    summary, output = train_here(
        learning_rate=1e38, schedule="constant", batch_size=64, pruning_thresholds=(0.0, 0.0, 0.0)
    )
    assert summary["pruned"] and summary["validation_accuracy"] is None
    assert json.loads((output / "history.json").read_text()) == []
