"""How each node's time and memory grow with the images: the real ones, and four and sixteen times as many with noise.

Time is from a process's start until the artifact is on the disk, what it takes verified. Memory is a process's own
(anonymous), at most; files that are mapped are the kernel's to drop. Each node runs in a process of its own, evaluation
and training in theirs.
"""

import json
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from flows.main import dag
from tasks.data.dataset import FASHION_MNIST
from tasks.data.idx import read_idx
from tasks.pipeline.reading import sha256_of
from tasks.settings.settings import PROJECT, Settings
from tests import silent
from tests.benchmarks.figures import Figure
from tests.benchmarks.throughput import RAW
from tests.benchmarks.watched import watched

TIMES = (1, 4, 16)
NODES = ("download", "validate", "prepare", "train[dropout]", "evaluate[dropout]", "compare", "report")


def measure(quick: bool) -> Iterator[tuple[str, Figure]]:
    """Measure, figure by figure; nothing if it is to be quick."""
    if quick:
        return
    took = {times: every_node(times) for times in TIMES}
    for node in NODES:
        for what, unit in (("seconds", "s"), ("megabytes", "MB")):
            sizes = [took[times][node][what] for times in TIMES]
            for times, size in zip(TIMES, sizes, strict=True):
                yield f"{node}, {times} × 60,000 images, {what}", Figure([size], unit)
            power = math.log(sizes[-1] / sizes[0]) / math.log(TIMES[-1] / TIMES[0])
            yield f"{node}, power of the images by which its {what} grow", Figure([power], "", "≤ 1")


def every_node(times: int) -> dict[str, dict[str, float]]:
    """Make the artifact of each node in a process of its own; return seconds and megabytes of each."""
    took = {}
    with tempfile.TemporaryDirectory() as scratch:
        (source := Path(scratch, "source")).mkdir()
        job = {"dataset": str(enlarged(source, times)), "source": str(source), "data_dir": f"{scratch}/data"}
        for node in NODES:
            command = [sys.executable, "-m", "tests.benchmarks.growth", node, json.dumps(job)]
            process = watched(command, memory="Pss_Anon", cwd=PROJECT)
            took[node] = {"seconds": process.seconds, "megabytes": process.megabytes}
    return took


def enlarged(folder: Path, times: int) -> Path:
    """Fill a folder with the real images, each so many times over with other noise; return its specification."""
    generator = np.random.default_rng(0)
    files, counts = {}, {}
    for role, file in FASHION_MNIST.files.items():
        split, kind = role.split("_")
        few = read_idx(RAW / file.name)
        counts[split] = times * len(few)
        with (folder / file.name).open("wb") as output:
            shape = (counts[split], *few.shape[1:])
            output.write(np.array([0x0800 | len(shape), *shape], ">u4").tobytes())
            for _ in range(times):
                noise = generator.integers(-3, 4, few.shape) * (few > 3) * (few < 250) if kind == "images" else 0
                output.write((few + noise).astype(np.uint8).tobytes())
        size, digest = (folder / file.name).stat().st_size, sha256_of(folder / file.name)
        files[role] = {"name": file.name, "bytes": size, "sha256": digest}
    told = {"name": f"times-{times}", "class_names": FASHION_MNIST.class_names, "counts": counts, "files": files}
    specification = folder / "dataset.json"
    specification.write_text(json.dumps(told))
    return specification


def make(label: str, settings: Settings) -> None:
    """Make a node's artifact, and what it needs, unless they are up to date; then exit."""

    def run(node: Any, network: str | None = None, after: Any = None, **inputs: Any) -> Any:
        artifact, _ = node.run(settings, network, inputs, silent)
        return sys.exit() if node.label(network) == label else artifact

    dag(run, settings)


if __name__ == "__main__":
    make(sys.argv[1], Settings(networks=("dropout",), epochs=1, **json.loads(sys.argv[2])))
