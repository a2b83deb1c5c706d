"""Parts: what a network computes of many images, some at a time, on several threads.

The images that one thread works on are so few that what it keeps of them stays in its core's cache. Each part is
computed by one thread alone and sums are taken in the order of the parts, so that the threads, however many, do not
shape the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import tensorflow as tf

from tasks.kernels import quicken

PART = {2: 64, 4: 32}  # images at least, by the bytes of a number in the arithmetic: see docs/decisions/0012
PARTS = 8  # of a batch at most: each has a gradient as large as the weights
DECAY, SQUARES_DECAY, EPSILON = 0.9, 0.999, 1e-7  # Adam's, as Keras has them
PREDICTED = 100  # images, of which nothing is kept: of 500, a network's activations take 400 MB more


class Update:
    """Steps of Adam that a model takes, after Kingma and Ba (2014), https://arxiv.org/abs/1412.6980.

    The gradient of a batch is the sum of its parts' gradients, so that a step is the same as one on the batch as a
    whole, but for the rounding. Batch normalization is the exception: each part is normalized by its own statistics,
    as in Hoffer, Hubara and Soudry (2017), https://arxiv.org/abs/1705.08741, and what it keeps of them is the parts'
    mean.
    """

    def __init__(self, model: keras.Model, seed: int, pool: ThreadPoolExecutor, label_smoothing: float = 0.0) -> None:
        quicken(model)
        self.model, self.seed, self.pool, self.label_smoothing = model, seed, pool, label_smoothing
        self.means, self.squares = (
            [tf.Variable(tf.zeros(variable.shape)) for variable in model.trainable_variables] for _ in range(2)
        )
        self.variables = [*model.weights, *self.means, *self.squares]
        self._random = [
            v for v in model.non_trainable_variables if not any(v is w for w in model.non_trainable_weights)
        ]

    def __call__(self, images: np.ndarray, labels: np.ndarray, step: int, learning_rate: float) -> dict[str, float]:
        """Take step number `step`, from 0, on these images (n × height × width × 1); return mean loss and accuracy.

        What is random, such as which activations are dropped, is a function of the seed, the step and the part.
        """
        size = max(PART[tf.as_dtype(self.model.compute_dtype).size], math.ceil(len(images) / PARTS))

        def of_part(start: int) -> list[tf.Tensor]:
            chosen = slice(start, start + size)
            seeds = np.random.SeedSequence([self.seed, step, start]).generate_state(2 * len(self._random))
            return self._sums(*map(tf.constant, (images[chosen], labels[chosen], seeds.reshape(-1, 2))))

        losses, hits, *sums = zip(*self.pool.map(of_part, range(0, len(images), size)), strict=True)
        self._apply(sums, *(tf.constant(float(n)) for n in (len(images), step + 1, learning_rate)))
        return {"loss": float(sum(losses)) / len(images), "accuracy": float(sum(hits)) / len(images)}

    @tf.function(reduce_retracing=True, autograph=False)
    def _sums(self, images: tf.Tensor, labels: tf.Tensor, seeds: tf.Tensor) -> list[tf.Tensor]:
        """Return the sums over these images of loss, of hits, of each weight's gradient, of each kept statistic."""
        model = self.model
        weights = [tf.convert_to_tensor(variable) for variable in model.trainable_variables]
        states = {
            id(variable): seed
            for variable, seed in zip(self._random, tf.unstack(seeds, len(self._random)), strict=True)
        }
        others = [states.get(id(variable), variable.value) for variable in model.non_trainable_variables]
        count = tf.cast(tf.shape(images)[0], tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            probabilities, after, penalties = model.stateless_call(
                weights, others, images, training=True, return_losses=True
            )
            probabilities = tf.cast(probabilities, tf.float32)  # a user's own network may end in bfloat16
            losses = keras.losses.sparse_categorical_crossentropy(labels, probabilities)
            penalty = tf.add_n([*penalties, 0.0]) * count
            loss = tf.reduce_sum(self._smoothed(losses, probabilities)) + penalty
        kept = [
            value * count
            for variable, value in zip(model.non_trainable_variables, after, strict=True)
            if id(variable) not in states
        ]
        hits = tf.math.count_nonzero(tf.argmax(probabilities, -1) == tf.cast(labels, tf.int64), dtype=tf.float32)
        return [tf.reduce_sum(losses) + penalty, hits, *tape.gradient(loss, weights), *kept]

    def _smoothed(self, losses: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        """Return the losses with smoothed labels; Szegedy et al. (2016), https://arxiv.org/abs/1512.00567."""
        if not self.label_smoothing:
            return losses
        of_all_classes = -tf.reduce_mean(tf.math.log(tf.maximum(probabilities, EPSILON)), axis=-1)
        return (1 - self.label_smoothing) * losses + self.label_smoothing * of_all_classes

    @tf.function(reduce_retracing=True, autograph=False)
    def _apply(self, sums: list[list[tf.Tensor]], images: tf.Tensor, step: tf.Tensor, rate: tf.Tensor) -> None:
        """Move each weight by its gradient, the parts' summed up: in one pass, where Keras' Adam makes several."""
        means = [tf.add_n(parts) / images for parts in sums]
        gradients, kept = means[: len(self.means)], means[len(self.means) :]
        for weight, value in zip(self.model.non_trainable_weights, kept, strict=True):
            weight.assign(value)
        powers = {"beta1_power": DECAY**step, "beta2_power": SQUARES_DECAY**step}
        constants = {"beta1": DECAY, "beta2": SQUARES_DECAY, "epsilon": EPSILON}
        for weight, mean, square, gradient in zip(
            self.model.trainable_variables, self.means, self.squares, gradients, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.value.handle,
                m=mean.handle,
                v=square.handle,
                lr=rate,
                grad=gradient,
                **powers,
                **constants,
            )
            if weight.constraint:
                weight.assign(weight.constraint(weight))


def predictor(model: keras.Model, pool: ThreadPoolExecutor) -> Callable[[np.ndarray], Iterator[np.ndarray]]:
    """Return a function that yields a model's probabilities of images, in inference mode, part by part, float32."""
    shape = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    predict = tf.function(
        lambda part: tf.cast(model(part, training=False), tf.float32), input_signature=[shape], autograph=False
    )

    def of(images: np.ndarray) -> Iterator[np.ndarray]:
        starts = range(0, len(images), PREDICTED)
        return pool.map(lambda start: predict(tf.constant(images[start : start + PREDICTED])).numpy(), starts)

    return of
