import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("tensorflow")
GENERATOR = np.random.default_rng(0)
SIDE = 7  # of a small feature map


@pytest.fixture
def use_fast_ops(tensorflow):
    """The function, whose module imports TensorFlow: not before that has started as in a worker."""
    from tasks.training.fast_ops import SMALL, use_fast_ops

    assert SIDE**2 <= SMALL < (SIDE + 1) ** 2
    return use_fast_ops


def convolutional(side, kernel=3, **of_normalization):
    """Build a network of convolution and normalization, always with the same weights."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((side, side, 3)),
            layers.Conv2D(5, kernel, padding="same", use_bias=False),
            layers.BatchNormalization(**of_normalization),
            layers.Conv2D(4, kernel, padding="same", activation="relu"),
        ]
    )


def a_step(model, images):
    """Return what the network makes of images in training, its gradients, and the statistics that it keeps."""
    import tensorflow as tf

    weights = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 2)
    return [outputs, *tape.gradient(loss, weights), *(variable.value for variable in model.non_trainable_variables)]


def assert_a_step_is_the_same(ours, theirs, images):
    for mine, other in zip(a_step(ours, images), a_step(theirs, images), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())


@pytest.mark.parametrize(
    ("side", "kernel", "options"),
    [
        *((SIDE, 3, {}), (SIDE, (1, 4), {}), (SIDE, 2, {}), (SIDE + 1, 3, {})),
        *((SIDE, 3, {"scale": False}), (SIDE, 3, {"axis": 1}), (SIDE, 3, {"trainable": False})),
    ],
    ids=str,
)
def test_outputs_gradients_and_kept_statistics_stay_those_of_keras(use_fast_ops, side, kernel, options):
    images = GENERATOR.normal(1, 2, (9, side, side, 3)).astype(np.float32)
    ours, theirs = (convolutional(side, kernel, **options) for _ in range(2))
    use_fast_ops(ours)
    assert_a_step_is_the_same(ours, theirs, images)


def test_inference_and_what_is_saved_are_those_of_keras(use_fast_ops, tmp_path):
    import keras

    images = GENERATOR.normal(1, 2, (9, SIDE, SIDE, 3)).astype(np.float32)
    model = convolutional(SIDE)
    before, config = model(images, training=False).numpy(), model.get_config()
    use_fast_ops(model)
    assert (model(images, training=False).numpy() == before).all()
    assert model.get_config() == config
    model.save(tmp_path / "model.keras")
    assert (keras.models.load_model(tmp_path / "model.keras")(images).numpy() == before).all()
