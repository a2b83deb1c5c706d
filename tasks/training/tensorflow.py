"""TensorFlow's set-up: the same for every training and evaluation, whatever the user has set for it elsewhere."""

import os

ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": os.devnull,
    "OMP_WAIT_POLICY": "PASSIVE",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}  # Keras' dtype policy, by precision
SET_ELSEWHERE = ("KERAS_", "TF_", "XLA_", "ONEDNN_", "DNNL_", "OMP_", "MKL_")  # what shapes the arithmetic


def environment() -> dict[str, str | None]:
    """Return what TensorFlow's environment is to be; `None`: not set."""
    return dict.fromkeys(name for name in os.environ if name.startswith(SET_ELSEWHERE)) | ENVIRONMENT


def begin(seed: int, precision: str) -> None:
    """Have what is built from here on be of that precision, and what the libraries draw be the seed's."""
    import keras

    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(POLICIES[precision])


def start_tensorflow(threads: int) -> None:
    """Give TensorFlow its environment and its threads before it starts any.

    With deterministic operations, each on one thread, a training gives the same bits on the same kind of processor.
    """
    for name in environment():
        os.environ.pop(name, None)
    os.environ.update(ENVIRONMENT)
    import keras  # noqa: F401 (not when its first layer is built)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
