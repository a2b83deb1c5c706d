"""What a training step spends its time on, operation by operation, in plain Keras (before) and here (after).

python -m tests.benchmarks.profile [float32 | bfloat16]

Prints a table for each network: milliseconds a step of each kind of operation, summed over the threads; the images a
second; and the rate of arithmetic beside the peak, a large matrix product's, on the same cores.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tasks.claims import ARTICLE
from tasks.pipeline.provenance import cores
from tasks.registry import networks
from tasks.settings import PROJECT

BATCH, STEPS, SHOWN = 512, 3, 12
OPERATION = r"(?!\S*::)\S+:(\w+)"  # as the profiler names one, after the place in the model
SIDE = 4096  # of the matrices whose product is the peak


def main() -> None:
    """Profile each network both ways, each in a process of its own, and print the tables."""
    precision = sys.argv[1] if len(sys.argv) > 1 else "float32"
    for network in ARTICLE:
        before, after = (_told(network, way, precision) for way in ("plain", "ours"))
        print(f"\n{network}, batches of {BATCH}, plain Keras in float32 | ours in {precision}\n")
        print("| operation | plain, ms a step | ours, ms a step |\n|---|---|---|")
        either = before["operations"].keys() | after["operations"].keys()
        names = sorted(either, key=lambda n: -max(told["operations"].get(n, 0) for told in (before, after)))
        for name in names[:SHOWN]:
            print(f"| {name} | {before['operations'].get(name, 0):.0f} | {after['operations'].get(name, 0):.0f} |")
        for what in ("all operations", "wall clock", "images/s", "GFLOP/s", "peak GFLOP/s"):
            print(f"| **{what}** | {before[what]:.0f} | {after[what]:.0f} |")


def _told(*job: str) -> dict[str, Any]:
    command = [sys.executable, "-c", f"from tests.benchmarks.profile import profile; profile(*{job!r})"]
    done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def profile(network: str, way: str, precision: str) -> None:
    """Take some steps under TensorFlow's profiler, and print what they took as a line of JSON."""
    from tasks.training.tensorflow import start_tensorflow

    if way == "ours":
        start_tensorflow(cores())
    import tensorflow as tf

    peak = _peak(tf.bfloat16 if (way, precision) == ("ours", "bfloat16") else tf.float32)
    step, model = (_ours if way == "ours" else _plain)(network, precision)
    for _ in range(2):
        step()
    with tempfile.TemporaryDirectory() as log:
        tf.profiler.experimental.start(log)
        began = time.perf_counter()
        for _ in range(STEPS):
            step()
        seconds = (time.perf_counter() - began) / STEPS
        tf.profiler.experimental.stop()
        operations = _operations(Path(log))
    from tasks.evaluate import layers_of

    flop = 6 * sum(layer["multiply_adds"] for layer in layers_of(model))  # forwards once, backwards twice
    told = {
        "operations": operations,
        "all operations": sum(operations.values()),
        "wall clock": 1000 * seconds,
        "images/s": BATCH / seconds,
        "GFLOP/s": flop * BATCH / seconds / 1e9,
        "peak GFLOP/s": peak,
    }
    print(json.dumps(told))


def _batch() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.random((BATCH, 28, 28, 1), np.float32), generator.integers(0, 10, BATCH).astype(np.uint8)


def _plain(network: str, precision: str) -> tuple[Any, Any]:
    model = networks()[network].build()
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    images, labels = _batch()
    return lambda: model.train_on_batch(images, labels), model


def _ours(network: str, precision: str) -> tuple[Any, Any]:
    from tasks.parts import Update
    from tasks.train import build_model

    model = build_model(networks()[network], 0, precision)
    update = Update(model, 0, ThreadPoolExecutor(cores()))
    images, labels = _batch()
    return lambda: update(images, labels, 0, 0.001), model


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


def _operations(log: Path) -> dict[str, float]:
    """Return the milliseconds a step of each kind of operation."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    (trace,) = log.glob("plugins/profile/*/*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(trace.read_bytes())
    took: Counter[str] = Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                named = re.fullmatch(OPERATION, plane.event_metadata[event.metadata_id].name)
                if named and "CPU" in plane.name:
                    took[named[1]] += event.duration_ps / 1e9 / STEPS
    return dict(took)


if __name__ == "__main__":
    main()
