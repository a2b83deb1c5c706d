"""The training loop: a model on its way through the epochs, from the start or from a checkpoint."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.data.splits import load_split
from tasks.pipeline.errors import RunError
from tasks.training.augmentation import augment
from tasks.training.checkpoint import Checkpoint, save_checkpoint
from tasks.training.cross_entropy import per_sample_cross_entropy
from tasks.training.recipe import Recipe

if TYPE_CHECKING:
    import keras

    from tasks.pipeline.checkpoints import Checkpoints
    from tasks.pipeline.progress import Progress

WARM_UP = 0.3  # share of a one-cycle schedule that rises
PROGRESS_INTERVAL = 0.25  # seconds between two lines of progress
CHECKPOINT_INTERVAL = 30  # seconds between two checkpoints within an epoch: what a kill may cost, and a little more


class Diverged(RunError):
    """The loss is no longer finite."""


class Training:
    """A model, its optimizer and its history, batch by batch."""

    def __init__(
        self,
        model: keras.Model,
        recipe: Recipe,
        prepared: Path,
        checkpoints: Checkpoints,
        checkpoint: Checkpoint | None,
        pool: ThreadPoolExecutor,
        checkpoint_interval: float = CHECKPOINT_INTERVAL,
    ) -> None:
        from tasks.training.train_step import Predictor, TrainStep

        self.recipe, self.checkpoints, self.checkpoint_interval = recipe, checkpoints, checkpoint_interval
        self.update = TrainStep(model, recipe.seed, pool, recipe.label_smoothing)
        self.predict = Predictor(model, pool)
        self.repeatable = self.update.repeatable and self.predict.repeatable
        self.train = load_split(prepared, "train")
        self.validation = load_split(prepared, "validation")
        self.batches = math.ceil(len(self.train[1]) / recipe.batch_size)  # in an epoch
        self.step = 0
        self.history: list[dict[str, Any]] = []  # an entry an epoch
        self.running: dict[str, float] = {}  # means over the images of this epoch so far
        self.before = 0.0  # seconds of training that the checkpoint holds
        if checkpoint:
            self._restore(checkpoint)
        self.began = self.saved = self.reported = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long the training took, without what was lost when it was killed."""
        return self.before + time.perf_counter() - self.began

    def run(self, progress: Progress) -> None:
        """Train to the end of the last epoch, keeping a checkpoint at each epoch's end and every half minute.

        Raises:
            Diverged: the loss is no longer finite.
        """
        if self.step:
            epoch, batch = divmod(self.step, self.batches)
            self._report(progress, f"goes on after {f'batch {batch} of ' if batch else ''}epoch {epoch + bool(batch)}")
        while len(self.history) < self.recipe.epochs and not self.pruned:
            epoch, first = divmod(self.step, self.batches)
            order = epoch_order(len(self.train[1]), self.recipe.seed, epoch)
            for batch in range(first, self.batches):
                start = batch * self.recipe.batch_size
                self._update(order[start : start + self.recipe.batch_size], epoch, batch)
                self._report_now_and_then(progress)
                if time.perf_counter() - self.saved > self.checkpoint_interval and batch + 1 < self.batches:
                    self._save()
            self._end_epoch(epoch, progress)
            self._save()
            self._report(progress, self._note())

    @property
    def pruned(self) -> bool:
        """Whether validation accuracy was below its bar after a share of the epochs: of three bars, a quarter each."""
        bars = self.recipe.pruning_thresholds
        for place, bar in enumerate(bars, 1):
            over = round(self.recipe.epochs * place / (len(bars) + 1))
            if 0 < over <= len(self.history) and self.history[over - 1]["validation_accuracy"] < bar:
                return True
        return False

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

    def _end_epoch(self, epoch: int, progress: Progress) -> None:
        images, labels = self.validation
        chunks = []
        for chunk in self.predict(images):
            chunks.append(chunk)
            self._report_now_and_then(progress)
        probabilities = np.concatenate(chunks)
        finite = np.isfinite(probabilities).all()  # of the other classes too
        loss = float(per_sample_cross_entropy(probabilities, labels).mean()) if finite else math.nan
        _check_finite(loss, f"epoch {epoch + 1}, on validation data")
        self.history.append(
            {
                "epoch": epoch + 1,
                **self.running,
                "validation_loss": loss,
                "validation_accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
                "learning_rate": self._learning_rate(self.step - 1),
            }
        )

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
        self.history = checkpoint.state["history"]
        self.running = checkpoint.state["running"]
        self.before = checkpoint.state["seconds"]

    def _report_now_and_then(self, progress: Progress) -> None:
        now = time.perf_counter()
        if now - self.reported > PROGRESS_INTERVAL:
            self.reported = now
            self._report(progress)

    def _report(self, progress: Progress, milestone: str = "") -> None:
        history = self.history if milestone else None
        progress(self.step / self.batches, self.recipe.epochs, milestone or self._note(), bool(milestone), history)

    def _note(self) -> str:
        validated = f" · validation accuracy {self.history[-1]['validation_accuracy']:.4f}" if self.history else ""
        epoch = math.ceil(self.step / self.batches)
        return f"epoch {epoch}/{self.recipe.epochs} · loss {self.running['loss']:.4f}{validated}"


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the training images in one epoch: a function of seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(count)


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
        raise Diverged(f"the loss is {loss} in {where}; try a lower --learning-rate")
