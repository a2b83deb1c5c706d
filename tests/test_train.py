import copy
import json
import os
import shutil
import signal

import numpy as np
import pytest
from tasks.child import run_child

from flows.processes import command_of
from tasks.evaluate import evaluate_in_child
from tasks.pipeline.errors import RunError, WorkerCrashed
from tasks.pipeline.progress import silent
from tasks.prepare import SPLITS
from tasks.train import epoch_order, learning_rate_at, train_in_child
from tests.conftest import children_of

RECIPE = {
    "network": "dropout",
    "epochs": 2,
    "batch_size": 64,
    "learning_rate": 0.002,
    "schedule": "one-cycle",
    "seed": 0,
    "precision": "float32",
    "own_network": None,
    "shape": {"filters": 4, "dense_width": 16, "dropout_rate": 0.5},
    "given_up_below": [],
    "augmentation": "none",
    "label_smoothing": 0.0,
    "threads": 1,
    "seconds_between_checkpoints": 30,
}

PLAINLY = {"threads": 1, "own_network": None, "inference": "plain", "splits": SPLITS}  # how a network is evaluated


def job_of(prepared, folder, **changes):
    """Return the job of a training, and the folder that it is to fill."""
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    places = {
        "prepared": str(prepared),
        "output": str(output),
        "checkpoints": str(folder / "checkpoints" / "dropout-0"),
    }
    return RECIPE | changes | places, output


def train(prepared, folder, progress=silent, keep=False, **changes):
    """Train in a child; return its facts and the folder that it filled."""
    job, output = job_of(prepared, folder, **changes)
    return run_child("tasks.train", job, progress, keep=keep), output


@pytest.fixture
def train_here(prepared, tmp_path, tensorflow):
    """Train in this process, where no bits are held against others; return the facts and the folder that is filled."""

    def train_here(progress=silent, **changes):
        job, output = job_of(prepared, tmp_path, **changes)
        return train_in_child(job, progress), output

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
    facts, output = train_here(network="logistic", shape={}, epochs=4, given_up_below=bars)
    assert len(json.loads((output / "history.json").read_text())) == epochs
    assert facts["given_up"] == (epochs < 4)


def test_a_network_takes_the_shape_that_it_is_given(train_here):
    facts, _ = train_here(epochs=1, shape={"filters": 4, "dense_width": None, "dropout_rate": 0.1})
    convolutions = 4 * 10 + 8 * (4 * 9 + 1) + 16 * (8 * 9 + 1)
    assert facts["parameters"] == convolutions + 128 * (16 * 25 + 1) + 10 * 129


def test_a_constant_rate_stays():
    assert {learning_rate_at(position, 0.001, "constant") for position in (0, 0.2, 1)} == {0.001}


def test_training_saves_the_model_and_an_entry_of_history_an_epoch(train_here):
    heard = []
    facts, output = train_here(lambda *told: heard.append(copy.deepcopy(told)), shape={})
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
    assert facts["parameters"] == 503_690
    milestones = [told[2:] for told in heard if told[3]]
    assert [note[:9] for note, *_ in milestones] == ["epoch 1/2", "epoch 2/2"]
    assert [told for *_, told in milestones] == [history[:1], history]


def test_a_training_leaves_nothing_where_temporary_files_are_kept(prepared, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    train(prepared, tmp_path)
    assert not list(scratch.iterdir())


def test_a_training_that_is_killed_again_and_again_ends_with_the_same_bits(prepared, tmp_path):
    shape = {"filters": 16, "dense_width": 16, "dropout_rate": 0.5}  # slow enough to be killed in mid-epoch
    recipe = {"threads": 2, "batch_size": 8, "epochs": 4, "shape": shape, "seconds_between_checkpoints": 0.1}
    facts, undisturbed = train(prepared, tmp_path / "undisturbed", **recipe)
    resumed = []

    def kill_in_mid_epoch(done, *told):
        notes.append(told[1])
        checkpoints = [int(path.name[:9]) for path in (tmp_path / "killed").glob("checkpoints/*/*.npz")]
        begun = max(checkpoints, default=0) % (360 / recipe["batch_size"])
        if (
            len(resumed) < 2 and len(notes) > 2 and begun and done % 1 < 0.8
        ):  # so that it is dead before the epoch's end
            (child,) = (c for c in children_of(os.getpid()) if "tasks.train" in command_of(c))
            os.kill(child, signal.SIGKILL)

    while True:
        notes = []
        try:
            again, output = train(prepared, tmp_path / "killed", kill_in_mid_epoch, **recipe)
        except WorkerCrashed:
            resumed.append(notes[1])
        else:
            break
    assert len(resumed) == 2
    assert not resumed[0].startswith("goes on after")
    assert all(note.startswith("goes on after batch ") for note in [resumed[1], notes[1]])
    assert content_of(output) == content_of(undisturbed)
    assert again | {"seconds": 0} == facts | {"seconds": 0}


def test_how_many_threads_there_are_and_when_that_changes_does_not_shape_the_bits(prepared, tmp_path):
    def kill_after_an_epoch(*told):
        if told[3]:
            (child,) = (c for c in children_of(os.getpid()) if "tasks.train" in command_of(c))
            os.kill(child, signal.SIGKILL)

    _, undisturbed = train(prepared, tmp_path / "one", threads=1)
    with pytest.raises(WorkerCrashed):
        train(prepared, tmp_path / "changing", kill_after_an_epoch, threads=3)
    _, changing = train(prepared, tmp_path / "changing", threads=2)
    assert content_of(changing) == content_of(undisturbed)


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


def test_the_running_figures_are_the_mean_over_an_epochs_images(train_here, prepared, tmp_path):
    """A rate near nothing leaves the weights still, so that one pass over the images is the same as evaluating them."""
    still = {
        "network": "baseline",
        "shape": {"filters": 4, "dense_width": 16},
        "epochs": 1,
        "batch_size": 50,
        "learning_rate": 1e-12,
        "schedule": "constant",
    }
    evaluated = tmp_path / "evaluate"
    evaluated.mkdir()
    _, output = train_here(**still)
    job = {
        "output": str(evaluated),
        "model": str(output / "model.keras"),
        "prepared": str(prepared),
    } | PLAINLY
    evaluate_in_child(job, silent)
    (epoch,) = json.loads((output / "history.json").read_text())
    metrics = json.loads((evaluated / "metrics.json").read_text())
    assert metrics["train"]["images"] % 50 != 0  # the last batch is smaller, and counts for less
    assert epoch["accuracy"] == pytest.approx(metrics["train"]["accuracy"], abs=1e-6)
    assert epoch["loss"] == pytest.approx(metrics["train"]["cross_entropy"], rel=1e-5)
    assert epoch["validation_accuracy"] == pytest.approx(metrics["validation"]["accuracy"], abs=1e-6)
    assert epoch["validation_loss"] == pytest.approx(metrics["validation"]["cross_entropy"], rel=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_evaluation_in_the_trainings_process_has_the_bits_of_one_in_its_own(prepared, tmp_path, precision):
    _, output = train(prepared, tmp_path, keep=True, precision=precision, epochs=1, shape={})
    job = {"model": str(output / "model.keras"), "prepared": str(prepared)} | PLAINLY
    for name in ("kept", "own"):
        (tmp_path / name).mkdir()
        run_child("tasks.evaluate", job | {"output": str(tmp_path / name)}, silent)
    assert content_of(tmp_path / "kept") == content_of(tmp_path / "own")


@pytest.mark.parametrize(("batch_size", "where"), [(64, "batch 2"), (400, "on validation data")])
def test_a_loss_that_is_not_finite_ends_training_with_one_sentence(train_here, tmp_path, batch_size, where):
    steep = {"learning_rate": 1e38, "schedule": "constant", "batch_size": batch_size}
    with pytest.raises(RunError, match=f"^the loss is nan in epoch 1, {where}; try a lower --learning-rate$"):
        train_here(**steep)
    assert list((tmp_path / "output").iterdir()) == []


def test_a_trial_whose_loss_is_not_finite_is_given_up(train_here):
    facts, output = train_here(learning_rate=1e38, schedule="constant", batch_size=64, given_up_below=[0.0] * 3)
    assert facts["given_up"] and facts["validation_accuracy"] is None
    assert json.loads((output / "history.json").read_text()) == []
