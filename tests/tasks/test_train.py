import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib import import_module

import numpy as np
import pytest

from tasks.data.splits import load_split
from tasks.evaluation.metrics import measure
from tasks.pipeline import workers
from tasks.pipeline.errors import RunError, WorkerCrashed
from tasks.pipeline.fork_server import start_server
from tasks.train import build_model
from tasks.training.loop import is_pruned, learning_rate_at
from tasks.training.tensorflow import environment
from tests import silent
from tests.training_worker import RECIPE, train_network, train_until_killed

pytestmark = pytest.mark.slow


@pytest.fixture
def train(prepared, tmp_path, tensorflow):
    """Train in this process; return the summary and the filled folder."""

    def train(progress=silent, images=prepared.folder, **how):
        return train_network(tmp_path, images, progress, **how), tmp_path / "output"

    return train


def content_of(output):
    return {path.name: path.read_bytes() for path in output.iterdir()}


def test_a_one_cycle_rate_rises_to_its_peak_and_falls_to_nearly_nothing_and_a_constant_one_stays():
    rates = [learning_rate_at(position, 0.002, "one-cycle") for position in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.0002)
    assert max(rates) == rates[30] == pytest.approx(0.002)
    assert rates[:31] == sorted(rates[:31])
    assert rates[30:] == sorted(rates[30:], reverse=True)
    assert rates[-1] == pytest.approx(0.000002)
    assert {learning_rate_at(position, 0.001, "constant") for position in (0, 0.2, 1)} == {0.001}


@pytest.mark.parametrize(("bars", "epochs"), [([], None), ([1.1], 2), ([0.0, 0.0, 1.1], 3), ([0.0, 0.0, 0.0], None)])
def test_a_training_below_its_bar_is_pruned_when_that_share_of_its_epochs_is_over(bars, epochs):
    pruned = [is_pruned([{"validation_accuracy": 0.5}] * over, bars, 4) for over in range(5)]
    assert pruned == [epochs is not None and over >= epochs for over in range(5)]


def test_a_network_takes_the_shape_that_it_is_given(tensorflow):
    recipe = replace(RECIPE, filters=4, dropout_rate=0.1)
    convolutions = 4 * 10 + 8 * (4 * 9 + 1) + 16 * (8 * 9 + 1)
    model = build_model(import_module("tasks.networks.dropout"), recipe)
    assert model.count_params() == convolutions + 128 * (16 * 25 + 1) + 10 * 129


def test_training_saves_the_model_and_an_entry_of_history_an_epoch_and_is_pruned_below_its_bar(train):
    heard = []
    summary, output = train(
        lambda *said: heard.append((said[2], said[3], len(said[4] or []))), pruning_thresholds=[1.1]
    )
    (entry,) = history = json.loads((output / "history.json").read_text())
    assert content_of(output).keys() == {"history.json", "model.keras", "validation_correct.npy"}
    assert entry.keys() == {"epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate"}
    assert summary["pruned"] and summary["repeatable"]
    correct = np.load(output / "validation_correct.npy")
    assert summary["validation_accuracy"] == history[0]["validation_accuracy"] == correct.mean()
    assert summary["measured"].keys() == {"seconds", "threads"}
    assert [(note[:9], count) for note, milestone, count in heard if milestone] == [("epoch 1/2", 1)]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_that_is_killed_again_and_again_on_any_number_of_threads_ends_with_the_same_bits(
    prepared, tmp_path, precision
):
    start_server(("keras", "tensorflow"), environment())
    notes = []

    def run(train, folder, **how):
        train = partial(train, tmp_path / folder, prepared.folder, precision=precision, **how)
        summary = workers.run(train, progress=lambda *said: notes.append(said[2]) if said[3] else None)
        assert summary.pop("measured")["threads"] == how["threads"]
        return summary, content_of(tmp_path / folder / "output")

    undisturbed = run(train_network, "undisturbed", threads=2)
    notes.clear()
    for batches, threads in ((4, 1), (9, 3)):
        with pytest.raises(WorkerCrashed):
            run(partial(train_until_killed, batches), "killed", threads=threads)
    last = max((tmp_path / "killed" / "checkpoints" / "dropout-0").iterdir())
    last.write_bytes(last.read_bytes()[:-1])
    assert run(train_network, "killed", threads=2) == undisturbed
    assert [note for note in notes if not note.startswith("epoch")] == [
        "goes on after batch 3 of epoch 1",
        f"checkpoint {last.name[:16]}… refused: altered since it was made",
        "goes on after batch 1 of epoch 2",
    ]


def test_the_running_figures_are_the_mean_over_an_epochs_images(train, prepared):
    """A rate near nothing leaves the weights still, so that one pass over the images is the same as evaluating them."""
    import keras

    from tasks.training.train_step import Predictor

    still = {"epochs": 1, "batch_size": 50, "learning_rate": 1e-12, "schedule": "constant"}
    _, output = train(network="baseline", architecture={"filters": 4, "dense_width": 16}, **still)
    (epoch,) = json.loads((output / "history.json").read_text())
    with ThreadPoolExecutor(1) as pool:
        predict = Predictor(keras.saving.load_model(output / "model.keras"), pool)
        for prefix, split in (("", "train"), ("validation_", "validation")):
            images, labels = load_split(prepared.folder, split)
            found = measure(np.concatenate(list(predict(images))), labels)
            assert epoch[f"{prefix}accuracy"] == pytest.approx(found.accuracy.value, abs=1e-6)
            assert epoch[f"{prefix}loss"] == pytest.approx(found.cross_entropy, rel=1e-5)
    assert len(load_split(prepared.folder, "train")[1]) % 50 != 0  # the last batch is smaller, and counts for less


STEEP = {"learning_rate": 1e38, "schedule": "constant"}


@pytest.mark.parametrize(("batch_size", "where"), [(64, "batch 2"), (400, "on validation data")])
def test_a_loss_that_is_not_finite_ends_training_with_one_sentence_and_prunes_a_trial(train, batch_size, where):
    with pytest.raises(RunError, match=f"^the loss is nan in epoch 1, {where}; try a lower --learning-rate$"):
        train(**STEEP, batch_size=batch_size)
    summary, output = train(**STEEP, batch_size=batch_size, pruning_thresholds=(0.0, 0.0, 0.0))
    assert summary["pruned"] and summary["validation_accuracy"] is None
    assert json.loads((output / "history.json").read_text()) == []
