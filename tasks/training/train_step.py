"""Parts: what a network computes of many images, some at a time, on several threads.

The images that one thread works on are so few that what it keeps of them stays in its core's cache. Each part is
computed by one thread alone and sums are taken in the order of the parts, so that the threads, however many, do not
shape the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.random.seed_generator import global_seed_generator  # that of what draws without a seed: not public
from tensorflow.python.framework import op_def_registry  # what each operation is: not public

from tasks.training.fast_ops import use_fast_ops

MIN_MICROBATCH = 32  # images at least, and twice as many in bfloat16: see docs/decisions/0012
MAX_MICROBATCHES = 8  # of a batch at most: each has a gradient as large as the weights
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Adam's, as Keras has them
PREDICTED = 100  # images, of which nothing is kept: of 500, a network's activations take 400 MB more
# Of the operations that have a state, or call others, those that give the same each time; the threads' order, or a new
# start, shapes what the others give.
REPEATABLE = {"Assert", "Case", "If", "LookupTableFindV2", "PrintV2", "ReadVariableOp", "ResourceGather"}
REPEATABLE |= {"ResourceGatherNd", "StatefulPartitionedCall", "VarHandleOp", "VariableShape", "While"}
UNKNOWN = (
    "draws or keeps values by what the model does not know, or within a loop, such as in the cell of an RNN; "
    "make that an attribute of one of its layers, and use it outside of loops"
)


class TrainStep:
    """Steps of Adam that a model takes, `repeatable` or not, after Kingma and Ba (2014), https://arxiv.org/abs/1412.6980.

    The gradient of a batch is the sum of its parts' gradients, so that a step is the same as one on the batch as a
    whole, but for the rounding. Batch normalization is the exception: each part is normalized by its own statistics,
    as in Hoffer, Hubara and Soudry (2017), https://arxiv.org/abs/1705.08741, and what it keeps of them is the parts'
    mean, as is all else that a network keeps.
    """

    def __init__(self, model: keras.Model, seed: int, pool: ThreadPoolExecutor, label_smoothing: float = 0.0) -> None:
        """Trace a step.

        Raises:
            ValueError: what the model draws or keeps cannot be followed; or as its layers raise it.
        """
        use_fast_ops(model)
        self.model, self.seed, self.pool, self.label_smoothing = model, seed, pool, label_smoothing
        self.first_moments, self.second_moments = (
            [tf.Variable(tf.zeros(variable.shape, variable.dtype)) for variable in model.trainable_variables]
            for _ in range(2)
        )
        self.variables = [*model.weights, *self.first_moments, *self.second_moments]
        self._random = random_states(model)
        self._moving: list[keras.Variable] = []  # what a step changes besides the weights that are trained
        labels = tf.TensorSpec((None,), tf.uint8)
        self._sums, self.repeatable = _trace(self._sums_of_part, model, self._random, labels)

    def __call__(self, images: np.ndarray, labels: np.ndarray, step: int, learning_rate: float) -> dict[str, float]:
        """Take step number `step`, from 0, on these images (n × height × width × 1); return mean loss and accuracy.

        What is random, such as which activations are dropped, is a function of the seed, the step and the part.
        """
        smallest = MIN_MICROBATCH * (2 if self.model.compute_dtype == "bfloat16" else 1)
        size = max(smallest, math.ceil(len(images) / MAX_MICROBATCHES))

        def of_part(start: int) -> list[tf.Tensor]:
            chosen = slice(start, start + size)
            seeds = _seeds([self.seed, step, start], len(self._random))
            return self._sums(*map(tf.constant, (images[chosen], labels[chosen], seeds)))

        losses, hits, *sums = zip(*self.pool.map(of_part, range(0, len(images), size)), strict=True)
        self._apply(sums, *(tf.constant(float(n)) for n in (len(images), step + 1, learning_rate)))
        return {"loss": float(sum(losses)) / len(images), "accuracy": float(sum(hits)) / len(images)}

    def _sums_of_part(self, images: tf.Tensor, labels: tf.Tensor, seeds: tf.Tensor) -> list[tf.Tensor]:
        """Return the sums over these images of loss, of hits, of each weight's gradient, of each kept statistic."""
        model = self.model
        weights = [tf.convert_to_tensor(variable) for variable in model.trainable_variables]
        states = zip([*model.trainable_variables, *self._random], [*weights, *tf.unstack(seeds)], strict=True)
        count = tf.cast(tf.shape(images)[0], tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            with keras.StatelessScope(list(states), collect_losses=True) as scope:
                probabilities = tf.cast(model(images, training=True), tf.float32)  # a user's own may be bfloat16
                penalties = model.losses
            known = {id(variable) for variable in (*model.variables, *self._random)}
            graphs = {getattr(value, "graph", images.graph) for value in scope.state_mapping.values()}
            if not known.issuperset(scope.state_mapping) or graphs - {images.graph}:
                raise ValueError(UNKNOWN)
            losses = keras.losses.sparse_categorical_crossentropy(labels, probabilities)
            penalty = tf.add_n([*(tf.cast(of_layer, tf.float32) for of_layer in penalties), 0.0]) * count
            loss = tf.reduce_sum(self._smoothed(losses, probabilities)) + penalty
        hits = tf.math.count_nonzero(tf.argmax(probabilities, -1) == tf.cast(labels, tf.int64), dtype=tf.float32)
        gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        found = [(variable, scope.get_current_value(variable)) for variable in model.non_trainable_weights]
        moved = [(variable, value) for variable, value in found if value is not None]
        self._moving = [variable for variable, _ in moved]
        kept = [value * tf.cast(count, value.dtype) for _, value in moved]
        return [tf.reduce_sum(losses) + penalty, hits, *map(tf.convert_to_tensor, gradients), *kept]

    def _smoothed(self, losses: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        """Return the losses with smoothed labels; Szegedy et al. (2016), https://arxiv.org/abs/1512.00567."""
        if not self.label_smoothing:
            return losses
        of_all_classes = -tf.reduce_mean(tf.math.log(tf.maximum(probabilities, EPSILON)), axis=-1)
        return (1 - self.label_smoothing) * losses + self.label_smoothing * of_all_classes

    @tf.function(reduce_retracing=True, autograph=False)
    def _apply(self, sums: list[list[tf.Tensor]], images: tf.Tensor, step: tf.Tensor, rate: tf.Tensor) -> None:
        """Move each weight by its gradient, the parts' summed up: in one pass, where Keras' Adam makes several."""
        of_weights, of_moving = sums[: len(self.first_moments)], sums[len(self.first_moments) :]
        for variable, parts in zip(self._moving, of_moving, strict=True):
            variable.assign(tf.cast(_mean(parts, images), variable.dtype))
        constants = {"beta1": BETA_1, "beta2": BETA_2, "epsilon": EPSILON}
        constants |= {"beta1_power": BETA_1**step, "beta2_power": BETA_2**step, "lr": rate}
        for weight, mean, square, parts in zip(
            self.model.trainable_variables, self.first_moments, self.second_moments, of_weights, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.value.handle,
                m=mean.handle,
                v=square.handle,
                grad=_mean(parts, images),
                **{name: tf.cast(value, weight.dtype) for name, value in constants.items()},
            )
            if weight.constraint:
                weight.assign(weight.constraint(weight))


def random_states(model: keras.Model) -> list[keras.Variable]:
    """Return the states by which a model draws numbers, with that of all that draw without a seed."""
    weights = {id(variable) for variable in model.non_trainable_weights}
    its = [variable for variable in model.non_trainable_variables if id(variable) not in weights]
    return [*its, global_seed_generator().state]


class Predictor:
    """Yields a model's probabilities of images, in inference mode, part by part, float32; `repeatable` or not.

    What a network draws even then is a function of the part's place.
    """

    def __init__(self, model: keras.Model, pool: ThreadPoolExecutor) -> None:
        self.model, self.pool, self._random = model, pool, random_states(model)
        self._predict, self.repeatable = _trace(self._of_part, model, self._random)

    def __call__(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the probabilities of these images (n × height × width × 1)."""

        def at(start: int) -> np.ndarray:
            seeds = tf.constant(_seeds([start], len(self._random)))
            return self._predict(tf.constant(images[start : start + PREDICTED]), seeds).numpy()

        return self.pool.map(at, range(0, len(images), PREDICTED))

    def _of_part(self, images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        with keras.StatelessScope(list(zip(self._random, tf.unstack(seeds), strict=True))):
            return tf.cast(self.model(images, training=False), tf.float32)


def _seeds(of: list[int], count: int) -> np.ndarray:
    return np.random.SeedSequence(of).generate_state(2 * count).astype(np.int64).reshape(-1, 2)


def _mean(parts: list[tf.Tensor], images: tf.Tensor) -> tf.Tensor:
    total = tf.add_n(parts)
    return total / tf.cast(images, total.dtype)


def _trace(function: Any, model: keras.Model, random: list[keras.Variable], *labels: tf.TensorSpec) -> tuple[Any, bool]:
    """Trace a function of images, perhaps labels, and seeds, once and by one thread.

    Return it, and whether it gives the same for the same, whoever calls it when.
    """
    images, seeds = (None, *model.input_shape[1:]), (len(random), 2)
    signature = [tf.TensorSpec(images, tf.float32), *labels, tf.TensorSpec(seeds, tf.int64)]
    traced = tf.function(function, input_signature=signature, autograph=False)
    definition = traced.get_concrete_function().graph.as_graph_def()
    called = (node for of in definition.library.function for node in of.node_def)
    operations = {node.op for node in (*definition.node, *called)} - REPEATABLE
    return traced, not any((of := op_def_registry.get(name)) and of.is_stateful for name in operations)
