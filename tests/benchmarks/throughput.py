"""How fast a training is, against plain Keras in float32, and both trainings at once against one after the other.

An epoch counts with its validation, and only after TensorFlow has traced and warmed up. It is an epoch of all images:
plain Keras spends some seconds on each epoch besides, which in a short one look like our speed.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tasks.data.dataset import FASHION_MNIST
from tasks.data.idx import read_idx
from tasks.data.images import save_array, scale
from tasks.evaluation.article import ARTICLE
from tasks.pipeline.provenance import cores
from tasks.pipeline.workers import run
from tasks.settings.settings import PROJECT, Settings
from tests.benchmarks.figures import Figure, pairwise
from tests.training_worker import train_network

RAW = PROJECT / "data" / "raw" / FASHION_MNIST.name
ARTICLE_S_BATCH = 512
EPOCHS = 2


def measure(quick: bool) -> Iterator[tuple[str, Figure]]:
    """Measure, figure by figure."""
    rounds, images = (1, 12_000) if quick else (3, 60_000)
    goals = {"float32": "≥ 1.2"}
    if Settings(precision="auto").resolved()["precision"] == "bfloat16":
        goals["bfloat16"] = "≥ 1.8"
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(Path(folder), images)
        for name in ARTICLE:
            took = [(plain(name, images), {p: ours(name, prepared, p) for p in goals}) for _ in range(rounds)]
            for precision, goal in goals.items():
                ratios = [theirs / mine[precision] for theirs, mine in took]
                yield f"training {name}, {precision}, plain Keras / ours", Figure(ratios, "×", goal, "more")
        few = prepare(Path(folder, "few"), 3_000)
        for available in sorted({cores(), 1}, reverse=True):
            with only(available):
                ratios = pairwise(partial(both, few, 1), partial(both, few, 2), rounds)
            what = f"both trainings, {available} core{'s' if available > 1 else ''}, in turn / at once"
            yield what, Figure(ratios, "×", "≥ 1" if available > 1 else "")


def prepare(folder: Path, images: int) -> Path:
    """Fill a folder with the first real images, as the node of this name would, a tenth of them for validation."""
    folder.mkdir(exist_ok=True)
    cut = round(0.9 * images)
    for split, chosen in (("train", slice(0, cut)), ("validation", slice(cut, images))):
        save_array(folder / f"{split}_images.npy", scale(read_idx(RAW / "train-images-idx3-ubyte")[chosen]))
        save_array(folder / f"{split}_labels.npy", read_idx(RAW / "train-labels-idx1-ubyte")[chosen])
    return folder


def ours(network: str, prepared: Path, precision: str) -> float:
    """Train as a run does, with the article's batches and rate, and return the last epoch's seconds."""
    ends = []

    def progress(done: float, total: float, note: str, milestone: bool, history: Any = None) -> None:
        if milestone:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as scratch:
        recipe = {"epochs": EPOCHS, "batch_size": ARTICLE_S_BATCH, "learning_rate": 0.001, "schedule": "constant"}
        how = {"network": network, "architecture": {}, "precision": precision, "threads": cores(), **recipe}
        run(partial(train_on, os.sched_getaffinity(0), Path(scratch), prepared, **how), progress=progress)
    return ends[-1] - ends[-2]


def train_on(available: set[int], *arguments: Any, **how: Any) -> dict[str, Any]:
    """Train in this worker on these cores: it was forked from a process that may use all."""
    os.sched_setaffinity(0, available)
    return train_network(*arguments, **how)


def both(prepared: Path, at_once: int) -> float:
    """Train both networks, so many at once, and return the seconds that it took in all."""
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda name: ours(name, prepared, "float32"), ARTICLE))
    return time.perf_counter() - began


def plain(network: str, images: int) -> float:
    """Train in plain Keras, and return the seconds of an epoch."""
    recipe = {"limit": images, "epochs": {network: 1}, "batch_size": ARTICLE_S_BATCH, "warm_up": 10 * ARTICLE_S_BATCH}
    return plain_keras(recipe)["epochs"][network][-1]


def plain_keras(recipe: dict[str, Any]) -> dict[str, Any]:
    """Run the plain script, and return what it took."""
    command = [sys.executable, "-m", "tests.benchmarks.plain_keras", json.dumps({"raw": str(RAW), **recipe})]
    done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def only(available: int) -> Iterator[None]:
    """Let this process, and what it trains, use so many cores while the context lasts."""
    all_of_them = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_of_them)[:available])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)
