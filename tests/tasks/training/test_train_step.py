from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tasks.settings.models import networks

pytestmark = pytest.mark.slow

GENERATOR = np.random.default_rng(0)
MIN_MICROBATCH = 32  # images of a part at least, in float32
IMAGES = GENERATOR.random((2 * MIN_MICROBATCH + 7, 28, 28, 1), dtype=np.float32)
LABELS = GENERATOR.integers(0, 10, len(IMAGES)).astype(np.uint8)


@pytest.fixture(autouse=True)
def train_step(tensorflow):
    """The module, which imports TensorFlow: not before that has started as in a worker."""
    from tasks.training import train_step as module

    assert module.MIN_MICROBATCH == MIN_MICROBATCH
    return module


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def small(middle):
    """Build a network with the layers that `middle` makes, always with the same weights."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(), *middle(), layers.Dense(10, activation="softmax")]
    )


def two_dropouts():
    from keras import layers

    return layers.Dropout(0.5), layers.Dropout(0.5)


def baseline():
    import keras

    keras.utils.set_random_seed(0)
    return networks()["baseline"].build(filters=8, dense_width=32)


def normalized():
    from keras import layers

    return small(lambda: [layers.Dense(16), layers.BatchNormalization()])


def bounded():
    from keras import constraints, layers

    return small(lambda: [layers.Dense(16, kernel_regularizer="l2", kernel_constraint=constraints.UnitNorm())])


def unusual():
    """A weight that no output depends on, other types of number, a counter, a value that is set, given statistics."""
    from keras import layers

    class Counting(layers.Layer):
        def build(self, shape):
            self.add_weight(shape=(3,), name="unused")
            self.steps = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False)
            self.size = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, images, training=False):
            if training:
                self.steps.assign_add(1)
                self.size.assign(images.shape[1])
            return images

    return small(lambda: [layers.Normalization(), Counting(), layers.Dense(8, dtype="float64"), layers.Dense(8)])


@pytest.mark.parametrize(
    ("build", "chosen", "smoothing"),
    [
        (baseline, range(len(IMAGES)), 0.0),
        (bounded, range(len(IMAGES)), 0.0),
        (unusual, range(len(IMAGES)), 0.0),
        (normalized, [*range(MIN_MICROBATCH)] * 2, 0.0),  # both parts are alike, so their statistics are the batch's
        (normalized, [*range(MIN_MICROBATCH)] * 2, 0.2),
    ],
    ids=["baseline", "with a penalty and bounds", "of unusual layers", "normalized", "with smoothed labels"],
)
def test_a_step_in_parts_is_the_step_that_keras_takes_on_the_whole_batch(train_step, build, chosen, smoothing, pool):
    import keras

    images, labels = IMAGES[chosen], LABELS[chosen]
    ours, theirs = build(), build()
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    theirs.compile(keras.optimizers.Adam(1e-5), loss=loss, metrics=["accuracy"])
    update = train_step.TrainStep(ours, 0, pool, label_smoothing=smoothing)
    assert update.repeatable
    for step in range(3):
        told = update(images, labels, step, 1e-5)
        expected = [float(figure) for figure in theirs.train_on_batch(images, keras.utils.to_categorical(labels, 10))]
        theirs.reset_metrics()
        if not smoothing:  # what is told is the loss of the labels as they are
            assert [told["loss"], told["accuracy"]] == pytest.approx(expected, rel=1e-4)
    _, _, *moments = theirs.optimizer.variables  # after the steps' number and the learning rate
    for mine, mean, square, weight, m, v in zip(
        ours.trainable_variables,
        update.first_moments,
        update.second_moments,
        theirs.trainable_variables,
        moments[::2],
        moments[1::2],
        strict=True,
    ):
        assert mean.numpy() == pytest.approx(m.numpy(), abs=1e-6), mine.path
        assert square.numpy() == pytest.approx(v.numpy(), abs=1e-8), mine.path
        told = np.abs(m) > 1e-5  # Adam steps as far for a gradient that is nothing but rounding as for any other
        assert mine.numpy()[told] == pytest.approx(weight.numpy()[told], abs=1e-6), mine.path
    for mine, other in zip(ours.non_trainable_weights, theirs.non_trainable_weights, strict=True):
        assert mine.numpy() == pytest.approx(other.numpy(), abs=1e-4), mine.path


def test_each_part_is_normalized_by_its_own_statistics_and_their_mean_is_kept(train_step, pool):
    import keras

    update = train_step.TrainStep(normalized(), 0, pool)
    slices = [slice(start, start + MIN_MICROBATCH) for start in range(0, len(IMAGES), MIN_MICROBATCH)]
    of_part = train_step.TrainStep(normalized(), 0, pool)
    alone = [of_part(IMAGES[part], LABELS[part], 0, 0.0)["loss"] for part in slices]
    shares = [len(LABELS[part]) / len(IMAGES) for part in slices]
    assert update(IMAGES, LABELS, 0, 0.0)["loss"] == pytest.approx(np.dot(alone, shares), rel=1e-5)
    hidden = keras.Model(update.model.inputs, update.model.layers[1].output).predict(IMAGES, verbose=0)
    variances = [hidden[part].var(axis=0) for part in slices]
    mean, variance = (variable.numpy() for variable in update.model.non_trainable_weights)
    assert mean == pytest.approx(0.01 * hidden.mean(axis=0), abs=1e-5)
    assert variance == pytest.approx(0.99 + 0.01 * np.average(variances, axis=0, weights=shares), abs=1e-5)


def noisy(draw, *, always=False):
    """A network whose losses and probabilities tell what `draw` gives for each image, in training or always."""
    from keras import layers

    class Noisy(layers.Layer):
        def call(self, images, training=False):
            return 10 * draw(images) if training or always else images

    return small(lambda: [Noisy()])


def drawn_by_keras(images):
    import keras

    return keras.random.normal(keras.ops.shape(images))


def drawn_by_tensorflow(images):
    import tensorflow as tf

    return tf.random.normal(tf.shape(images))


@pytest.mark.parametrize(
    "build", [lambda: small(two_dropouts), lambda: noisy(drawn_by_keras)], ids=["dropout", "noise without a seed"]
)
def test_what_is_drawn_differs_with_part_step_and_seed_and_is_the_same_in_each_training(train_step, build, pool):
    images, labels = np.repeat(IMAGES[:1], 2 * MIN_MICROBATCH, axis=0), np.repeat(LABELS[:1], 2 * MIN_MICROBATCH)

    def losses(seed):
        update = train_step.TrainStep(build(), seed, pool)
        assert update.repeatable
        sizes = (MIN_MICROBATCH, 2 * MIN_MICROBATCH)
        return [update(images[:size], labels[:size], step, 0.0)["loss"] for step in range(5) for size in sizes]

    first, other = losses(0), losses(1)
    assert len({*first, *other}) == 20
    assert losses(0) == first


def test_what_is_drawn_in_inference_is_the_same_each_time(train_step, pool):
    predict = train_step.Predictor(noisy(drawn_by_keras, always=True), pool)
    images = np.repeat(IMAGES[:1], 300, axis=0)
    first, again = (np.concatenate(list(predict(images))) for _ in range(2))
    assert (first == again).all()
    assert len(np.unique(first, axis=0)) == 300, "each image has its own"


@pytest.mark.parametrize("draw", [drawn_by_tensorflow, "counted"])
def test_what_draws_without_a_seed_of_keras_or_keeps_what_it_does_not_know_is_noticed(train_step, pool, draw):
    import tensorflow as tf

    steps = tf.Variable(0.0, trainable=False)
    network = noisy(draw if callable(draw) else lambda images: images * steps.assign_add(1.0))
    assert not train_step.TrainStep(network, 0, pool).repeatable


@pytest.mark.parametrize("where", ["elsewhere", "in a loop"])
def test_what_cannot_be_followed_is_refused(train_step, pool, where):
    import keras
    import tensorflow as tf

    generator = keras.random.SeedGenerator(0)
    draws = {
        "elsewhere": lambda images: keras.random.normal(keras.ops.shape(images), seed=generator),
        "in a loop": lambda images: tf.map_fn(drawn_by_keras, images),
    }
    with pytest.raises(ValueError, match="draws or keeps values by what the model does not know, or within a loop"):
        train_step.TrainStep(noisy(draws[where]), 0, pool)
