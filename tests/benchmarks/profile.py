"""What a training step spends its time on, operation by operation, and how near it comes to the cores' peak.

python -m tests.benchmarks.profile [NETWORK [float32 | bfloat16]]

Prints a table: milliseconds a step of each kind of operation, summed over the threads; the images a second; and the
rate of arithmetic beside the peak, a large matrix product's, on the same cores.
"""

import re
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tasks.pipeline.provenance import cores
from tasks.settings.models import networks
from tasks.settings.recipe import recipe_of
from tasks.settings.settings import Settings
from tasks.training.tensorflow import start_tensorflow

BATCH, STEPS, SHOWN = 512, 3, 12
OPERATION = r"(?!\S*::)\S+:(\w+)"  # as the profiler names one, after the place in the model
SIDE = 4096  # of the matrices whose product is the peak


def main(network: str = "baseline", precision: str = "float32") -> None:
    """Take some steps under TensorFlow's profiler, and print the table."""
    start_tensorflow(cores())
    import tensorflow as tf

    from tasks.evaluate import layers_of
    from tasks.train import build_model
    from tasks.training.train_step import TrainStep

    peak = _peak(tf.as_dtype(precision))
    model = build_model(
        networks()[network], recipe_of(Settings.model_validate({"precision": precision}).resolved(network))
    )
    update = TrainStep(model, 0, ThreadPoolExecutor(cores()))
    generator = np.random.default_rng(0)
    images = generator.random((BATCH, 28, 28, 1), np.float32)
    labels = generator.integers(0, 10, BATCH).astype(np.uint8)
    for _ in range(2):
        update(images, labels, 0, 0.001)
    with tempfile.TemporaryDirectory() as log:
        tf.profiler.experimental.start(log)
        began = time.perf_counter()
        for _ in range(STEPS):
            update(images, labels, 0, 0.001)
        seconds = (time.perf_counter() - began) / STEPS
        tf.profiler.experimental.stop()
        operations = _operations(Path(log))
    flop = 6 * sum(layer["multiply_adds"] for layer in layers_of(model))  # forwards once, backwards twice
    print(f"{network}, batches of {BATCH}, {precision}\n\n| operation | ms a step |\n|---|---|")
    for name, milliseconds in [*operations.most_common(SHOWN), ("all operations", operations.total())]:
        print(f"| {name} | {milliseconds:.0f} |")
    print(f"| wall clock | {1000 * seconds:.0f} |\n\n{BATCH / seconds:.0f} images/s", end=", ")
    print(f"{flop * BATCH / seconds / 1e9:.0f} GFLOP/s of {peak:.0f} for a large matrix product")


def _peak(dtype: Any) -> float:
    """Return the GFLOP/s of a large matrix product, one on each core."""
    import tensorflow as tf

    product = tf.function(lambda a: a @ a)
    matrix = tf.cast(tf.random.stateless_uniform((SIDE, SIDE), (0, 0)), dtype)
    took = []
    with ThreadPoolExecutor(cores()) as pool:
        for _ in range(5):
            began = time.perf_counter()
            list(pool.map(lambda _: product(matrix)[0, 0].numpy(), range(cores())))
            took.append(time.perf_counter() - began)
    return cores() * 2 * SIDE**3 / min(took) / 1e9


def _operations(log: Path) -> Counter[str]:
    """Return the milliseconds a step of each kind of operation."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    (trace,) = log.glob("plugins/profile/*/*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(trace.read_bytes())
    took = Counter[str]()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                named = re.fullmatch(OPERATION, plane.event_metadata[event.metadata_id].name)
                if named and "CPU" in plane.name:
                    took[named[1]] += event.duration_ps / 1e9 / STEPS
    return took


if __name__ == "__main__":
    main(*sys.argv[1:])
