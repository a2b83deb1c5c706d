"""Images per second in training, each network alone on all cores, against plain Keras: pair by pair.

python -m tests.benchmarks.throughput [--pairs 5] [--images 6000] [--precision float32] [--batch-size 512]

Of each training the last epoch counts, with its validation; in the first one, TensorFlow traces and warms up. The plain
one is always float32.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tasks.child import cores, run_child
from tasks.fashion_mnist import FASHION_MNIST
from tasks.idx import read_idx
from tasks.networks import NETWORKS
from tasks.prepare import save_array, scale
from tasks.settings import PROJECT

RAW = PROJECT / "data" / "raw" / FASHION_MNIST.name
EPOCHS = 2
VALIDATED = 0.1  # share of the images


def main() -> None:
    """Measure, and print each pair's ratio and the median."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--images", type=int, default=6_000)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--precision", default="float32")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), given.images)
        for network in given.networks:
            rates = {"ours": [], "plain": []}
            for _, order in zip(
                range(given.pairs), itertools.cycle([("plain", "ours"), ("ours", "plain")]), strict=False
            ):
                for which in order:
                    seconds = {"plain": plain, "ours": ours}[which](network, Path(folder), given)
                    rates[which].append(given.images * (1 - VALIDATED) / seconds)
                print(f"{network}: ours {rates['ours'][-1]:.0f}, plain {rates['plain'][-1]:.0f} images/s", flush=True)
            ratios = [ours / plain for ours, plain in zip(rates["ours"], rates["plain"], strict=True)]
            how = f"{given.precision}, batches of {given.batch_size}, {cores()} cores"
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            print(f"{network}, {how}: {statistics.median(ratios):.2f} × plain Keras ({spread})", flush=True)


def prepare(folder: Path, images: int) -> None:
    """Fill a folder with the first real images, as the node of this name would."""
    cut = round(images * (1 - VALIDATED))
    for split, chosen in (("train", slice(0, cut)), ("validation", slice(cut, images))):
        save_array(folder / f"{split}_images.npy", scale(read_idx(RAW / "train-images-idx3-ubyte")[chosen]))
        save_array(folder / f"{split}_labels.npy", read_idx(RAW / "train-labels-idx1-ubyte")[chosen])


def ours(network: str, prepared: Path, given: Any) -> float:
    """Train as a run does, and return the last epoch's seconds."""
    ends = []

    def progress(done: float, total: float, note: str, milestone: bool, history: Any = None) -> None:
        if milestone:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as scratch:
        job = {
            "network": network,
            "prepared": str(prepared),
            "output": scratch,
            "checkpoints": f"{scratch}/checkpoints/training",
            "epochs": EPOCHS,
            "batch_size": given.batch_size,
            "learning_rate": 0.001,
            "schedule": "constant",
            "seed": 0,
            "precision": given.precision,
            "seconds_between_checkpoints": 30,
            "threads": cores(),
        }
        run_child("tasks.train", job, progress)
    return ends[-1] - ends[-2]


def plain(network: str, prepared: Path, given: Any) -> float:
    """Train in plain Keras, and return the last epoch's seconds."""
    recipe = {"raw": str(RAW), "limit": given.images, "epochs": {network: EPOCHS}, "batch_size": given.batch_size}
    command = [sys.executable, "-m", "tests.benchmarks.plain_keras", json.dumps(recipe)]
    told = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    return json.loads(told.splitlines()[-1])["epochs"][network][-1]


if __name__ == "__main__":
    main()
