"""What checkpoints and deterministic operations cost, in per cent of the training time, measured pairwise.

python -m tests.benchmarks.training_costs [--pairs 5] [--network dropout] [--images 12800]

Each pair is two trainings one after the other, in either order: as it is, and without the one or the other.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tasks.settings import PROJECT, Settings
from tasks.training.tensorflow import environment
from tests.benchmarks.throughput import training_of

SCRIPT = """
import json, sys
from pathlib import Path
import tasks.train
import tensorflow as tf
from tests.training_worker import train_network
without, (folder, prepared), how = sys.argv[1], map(Path, sys.argv[2:4]), json.loads(sys.argv[4])
if without == "checkpoints":
    tasks.train.save_checkpoint = lambda *_: None
if without == "determinism":
    tf.config.experimental.enable_op_determinism = lambda: None
print("seconds", train_network(folder, prepared, lambda *_: None, **how)["measured"]["seconds"])
"""


def seconds_of(without: str, prepared: str, how: dict) -> float:
    """Train in a process of its own; return the seconds of the training itself."""
    variables = {name: value for name, value in (os.environ | environment()).items() if value is not None}
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-c", SCRIPT, without, scratch, prepared, json.dumps(how)]
        told = subprocess.run(command, cwd=PROJECT, env=variables, capture_output=True, text=True, check=True).stdout
    return float(told.rpartition("seconds ")[2])


def main() -> None:
    """Measure, and print each pair's ratio and the median."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--network", default="dropout")
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    recipe = Settings().resolved(given.network)
    with tempfile.TemporaryDirectory() as prepared:
        generator = np.random.default_rng(0)
        for split, count in (("train", given.images), ("validation", 500)):
            images = generator.random((count, 28, 28, 1), dtype=np.float32)
            np.save(Path(prepared, f"{split}_images.npy"), images)
            np.save(Path(prepared, f"{split}_labels.npy"), generator.integers(0, 10, count).astype(np.uint8))
        how = training_of(
            given.network,
            epochs=1,
            batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate,
            schedule=recipe.schedule,
            precision=recipe.precision,
            threads=given.threads,
        )
        print(f"{given.network}, {given.images} images, {recipe.precision}, {given.threads} threads", flush=True)
        for without in ("checkpoints", "determinism"):
            ratios = []
            for pair, order in zip(range(given.pairs), itertools.cycle([("", without), (without, "")]), strict=False):
                seconds = {name: seconds_of(name, prepared, how) for name in order}
                ratios.append(seconds[""] / seconds[without])
                print(
                    f"{without}, pair {pair + 1}: {seconds['']:.2f} s with, {seconds[without]:.2f} s without",
                    flush=True,
                )
            cost = 100 * (statistics.median(ratios) - 1)
            spread = f"{100 * (min(ratios) - 1):+.1f} to {100 * (max(ratios) - 1):+.1f}"
            print(f"{without}: {cost:+.1f} % of the training time (median of {given.pairs}; {spread})", flush=True)


if __name__ == "__main__":
    main()
