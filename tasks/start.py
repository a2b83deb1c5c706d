"""Start: bring TensorFlow up in a child process, in the same way for every training and evaluation.

Run as a child, it does only that: so it may begin before there is anything to train on.
"""

import os
from typing import Any

from tasks.progress import Progress
from tasks.serve import not_importing, serve

SET_ELSEWHERE = ("KERAS_", "TF_", "XLA_", "ONEDNN_", "DNNL_", "OMP_", "KMP_", "MKL_")  # what shapes the arithmetic


def start_tensorflow(threads: int) -> None:
    """Give TensorFlow its threads before it starts any, and nothing of what the user has set for it elsewhere.

    With deterministic operations, each on one thread, a training gives the same bits on the same kind of processor.
    """
    for name in [name for name in os.environ if name.startswith(SET_ELSEWHERE)]:
        del os.environ[name]  # a backend, a limit on steps, other kernels
    os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": os.devnull, "TF_CPP_MIN_LOG_LEVEL": "2"}
    with not_importing("matplotlib", "sklearn"):
        import keras  # noqa: F401 (not when its first layer is built)
        import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()


def start_in_child(job: dict[str, Any], progress: Progress) -> dict[str, Any]:  # noqa: ARG001 (it is over soon)
    """Start TensorFlow with so many threads as the job says."""
    start_tensorflow(job["threads"])
    return {}


if __name__ == "__main__":
    serve(start_in_child)
