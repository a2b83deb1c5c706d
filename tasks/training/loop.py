"""The training loop: a model on its way through the epochs, from the start or from a checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.data.splits import load_split
from tasks.pipeline.errors import RunError
from tasks.training.augmentation import augment
from tasks.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tasks.training.cross_entropy import per_sample_cross_entropy
from tasks.training.recipe import Recipe

if TYPE_CHECKING:
    import keras

    from tasks.pipeline.checkpoints import Checkpoints
    from tasks.pipeline.progress import Progress

WARM_UP = 0.3  # share of a one-cycle schedule that rises
PROGRESS_INTERVAL = 0.25  # seconds between two lines of progress
CHECKPOINT_INTERVAL = 30  # seconds between two checkpoints within an epoch: what a kill may cost, and a little more


class Training:
    """A model, its optimizer and its history, batch by batch, from the start or from the last checkpoint."""

    def __init__(
        self,
        model: keras.Model,
        recipe: Recipe,
        prepared: Path,
        checkpoints: Checkpoints,
        pool: ThreadPoolExecutor,
        progress: Progress,
    ) -> None:
        from tasks.training.train_step import Predictor, TrainStep

        self.recipe, self.checkpoints, self.progress = recipe, checkpoints, progress
        self.update = TrainStep(model, recipe.seed, pool, recipe.label_smoothing)
        self.predict = Predictor(model, pool)
        self.repeatable = self.update.repeatable and self.predict.repeatable
        self.train, self.validation = load_split(prepared, "train"), load_split(prepared, "validation")
        self.batches = math.ceil(len(self.train[1]) / recipe.batch_size)  # in an epoch
        self.step = 0
        self.history: list[dict[str, Any]] = []  # an entry an epoch
        self.correct = np.zeros(0, bool)  # which validation images the model predicted correctly last, once it did (n)
        self.running: dict[str, float] = {}  # means over the images of this epoch so far
        self.began = self.saved = self.reported = time.perf_counter()
        if not self.repeatable:
            self._report("not reproducible: it draws without a seed, or keeps values of its own")
        if checkpoint := load_checkpoint(checkpoints, self._report):
            self._restore(checkpoint)

    @property
    def seconds(self) -> float:
        """How long the training took, without what was lost when it was killed."""
        return time.perf_counter() - self.began

    def run(self) -> None:
        """Train to the end of the last epoch, keeping a checkpoint at each epoch's end and every half minute.

        Raises:
            RunError: the loss is no longer finite.
        """
        epochs, bars, size = self.recipe.epochs, self.recipe.pruning_thresholds, self.recipe.batch_size
        while len(self.history) < epochs and not is_pruned(self.history, bars, epochs):
            epoch, first = divmod(self.step, self.batches)
            order = np.random.default_rng([self.recipe.seed, epoch]).permutation(len(self.train[1]))
            for batch in range(first, self.batches):
                self._update(order[batch * size :][:size], epoch, batch)
                self._report()
                if time.perf_counter() - self.saved > CHECKPOINT_INTERVAL and batch + 1 < self.batches:
                    self._save()
            self._end_epoch(epoch)
            self._save()
            self._report(self._note())

    def validate(self) -> np.ndarray:
        """Return the probabilities of the validation images (n × classes), and keep which are predicted correctly."""
        chunks = []
        for chunk in self.predict(self.validation[0]):
            chunks.append(chunk)
            self._report()
        probabilities = np.concatenate(chunks)
        self.correct = probabilities.argmax(axis=1) == self.validation[1]
        return probabilities

    def _update(self, chosen: np.ndarray, epoch: int, batch: int) -> None:
        """Take one step on these images, and count them into the running figures."""
        images, labels = self.train
        if batch == 0:
            self.running = {"loss": 0.0, "accuracy": 0.0}
        shown = augment(images[chosen], self.recipe.augmentation, self.recipe.seed, self.step)
        of_batch = self.update(shown, labels[chosen], self.step, self._learning_rate(self.step))
        _check_finite(of_batch["loss"], f"epoch {epoch + 1}, batch {batch + 1}")
        seen = batch * self.recipe.batch_size + len(chosen)
        for name in self.running:
            self.running[name] += (of_batch[name] - self.running[name]) * len(chosen) / seen
        self.step += 1

    def _end_epoch(self, epoch: int) -> None:
        loss = float(per_sample_cross_entropy(self.validate(), self.validation[1]).mean())
        _check_finite(loss, f"epoch {epoch + 1}, on validation data")
        found = {"validation_loss": loss, "validation_accuracy": float(self.correct.mean())}
        rate = self._learning_rate(self.step - 1)
        self.history.append({"epoch": epoch + 1, **self.running, **found, "learning_rate": rate})

    def _learning_rate(self, step: int) -> float:
        position = step / (self.recipe.epochs * self.batches)
        return learning_rate_at(position, self.recipe.learning_rate, self.recipe.schedule)

    def _save(self) -> None:
        state = {"history": self.history, "running": self.running, "seconds": self.seconds}
        variables = [variable.numpy() for variable in self.update.variables]
        save_checkpoint(self.checkpoints, Checkpoint(self.step, state, variables))
        self.saved = time.perf_counter()

    def _restore(self, checkpoint: Checkpoint) -> None:
        for variable, value in zip(self.update.variables, checkpoint.variables, strict=True):
            variable.assign(value)
        self.step = checkpoint.step
        self.history, self.running = checkpoint.state["history"], checkpoint.state["running"]
        self.began -= checkpoint.state["seconds"]
        epoch, batch = divmod(self.step, self.batches)
        self._report(f"goes on after {f'batch {batch} of ' if batch else ''}epoch {epoch + bool(batch)}")

    def _report(self, milestone: str = "") -> None:
        """Report a milestone; or how far the training is, now and then."""
        now = time.perf_counter()
        if milestone or now - self.reported > PROGRESS_INTERVAL:
            self.reported = now
            done, history = self.step / self.batches, self.history if milestone else None
            self.progress(done, self.recipe.epochs, milestone or self._note(), bool(milestone), history)

    def _note(self) -> str:
        validated = f" · validation accuracy {self.history[-1]['validation_accuracy']:.4f}" if self.history else ""
        epoch = math.ceil(self.step / self.batches)
        return f"epoch {epoch}/{self.recipe.epochs} · loss {self.running['loss']:.4f}{validated}"


def is_pruned(history: list[dict[str, Any]], bars: Sequence[float], epochs: int) -> bool:
    """Return whether validation accuracy was below its bar after a share of the epochs: of 3 bars, a quarter each."""
    over = [round(epochs * place / (len(bars) + 1)) for place in range(1, len(bars) + 1)]
    return any(
        0 < epoch <= len(history) and history[epoch - 1]["validation_accuracy"] < bar
        for epoch, bar in zip(over, bars, strict=True)
    )


def learning_rate_at(position: float, peak: float, schedule: str) -> float:
    """Return the learning rate at a position from 0 (first batch) to 1 (after the last).

    One-cycle rises in a line from a tenth of the peak, then falls along a half cosine to nearly nothing; after Smith
    and Topin, "Super-Convergence" (2018), https://arxiv.org/abs/1708.07120.
    """
    if schedule == "constant":
        return peak
    if position < WARM_UP:
        return peak * (0.1 + 0.9 * position / WARM_UP)
    return peak * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * (position - WARM_UP) / (1 - WARM_UP))))


def _check_finite(loss: float, where: str) -> None:
    if not math.isfinite(loss):
        raise RunError(f"the loss is {loss} in {where}; try a lower --learning-rate")
