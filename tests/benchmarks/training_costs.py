"""What checkpoints and deterministic operations cost, in per cent of the training time, measured pairwise.

python -m tests.benchmarks.training_costs [--pairs 5]

Each pair is two trainings one after the other, in either order: as it is, and without the one or the other.
"""

import argparse
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from tasks.pipeline.fork_server import start_server
from tasks.pipeline.workers import run
from tasks.settings.settings import Settings
from tasks.training.tensorflow import environment
from tests import silent
from tests.benchmarks.figures import pairwise
from tests.benchmarks.throughput import prepare, training_of
from tests.training_worker import train_network

NETWORK = "dropout"
TRAINED, VALIDATED = 12_800, 500  # images


def train_without(what: str, *arguments: Any, **how: Any) -> dict[str, Any]:
    """Train in this worker, which keeps no checkpoints, or whose operations need not be deterministic."""
    import tensorflow as tf

    import tasks.training.loop

    if what == "checkpoints":
        tasks.training.loop.save_checkpoint = lambda *_: None
    if what == "determinism":
        tf.config.experimental.enable_op_determinism = lambda: None
    return train_network(*arguments, **how)


def seconds_of(without: str, prepared: Path, how: dict[str, Any]) -> float:
    """Train in a worker; return the seconds of the training itself."""
    with tempfile.TemporaryDirectory() as scratch:
        trained = run(partial(train_without, without, Path(scratch), prepared, **how), progress=silent)
    seconds = trained["measured"]["seconds"]
    print(f"{f'without {without}' if without else 'as it is'}: {seconds:.2f} s", flush=True)
    return seconds


def main() -> None:
    """Measure, and print each training's seconds and the median of the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    settings = Settings().resolved(NETWORK)
    recipe = {name: getattr(settings, name) for name in ("batch_size", "learning_rate", "schedule", "precision")}
    how = training_of(NETWORK, epochs=1, threads=1, **recipe)
    start_server(("keras", "tensorflow"), environment())
    print(f"{NETWORK}, {TRAINED} images, {settings.precision}, 1 thread", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(Path(folder), TRAINED + VALIDATED, VALIDATED / (TRAINED + VALIDATED))
        for without in ("checkpoints", "determinism"):
            as_it_is, other = (partial(seconds_of, what, prepared, how) for what in ("", without))
            ratios = sorted(pairwise(as_it_is, other, pairs))
            cost = 100 * (statistics.median(ratios) - 1)
            spread = f"{100 * (ratios[0] - 1):+.1f} to {100 * (ratios[-1] - 1):+.1f}"
            print(f"{without}: {cost:+.1f} % of the training time (median of {pairs}; {spread})", flush=True)


if __name__ == "__main__":
    from tests.benchmarks import training_costs  # by this name, workers find what they are to do

    training_costs.main()
