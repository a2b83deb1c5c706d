"""A run from nothing to the report: what it takes beside the training, and how much memory, against plain Keras."""

import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.evaluation.article import ARTICLE
from tasks.settings.settings import PROJECT
from tests.benchmarks.figures import Figure
from tests.benchmarks.throughput import ARTICLE_S_BATCH, RAW, plain_keras
from tests.benchmarks.watched import Watched, watched


def measure(quick: bool) -> Iterator[tuple[str, Figure]]:
    """Measure, figure by figure."""
    few: dict[str, Any] = {"limit": 6_000} if quick else {}
    times = range(1 if quick else 3)
    plain = [plain_keras({"epochs": dict.fromkeys(ARTICLE, 0), "batch_size": ARTICLE_S_BATCH}) for _ in times]
    beside = [sum(told[part] for part in ("start", "load", "evaluate")) for told in plain]
    yield "plain Keras: start, load, evaluate", Figure(beside, "s")
    with tempfile.TemporaryDirectory() as scratch:
        cold, *warm = (run(Path(scratch), **few) for _ in (0, *times))  # the first makes Prefect's home
        goal = f"≤ {0.15 * statistics.median(beside) + 10:.1f}"
        yield "start to report, training left out, no Prefect home yet", Figure([outside(cold)], "s", goal)
        yield "start to report, training left out", Figure([outside(told) for told in warm], "s", goal)
        whole = run(Path(scratch), memory="Pss", precision="float32", batch_size=ARTICLE_S_BATCH, **few)
    recipe = {"raw": str(RAW), "epochs": dict.fromkeys(ARTICLE, 1), "batch_size": ARTICLE_S_BATCH, **few}
    script = [sys.executable, "-m", "tests.benchmarks.plain_keras", json.dumps(recipe)]
    alone = watched(script, memory="Pss", cwd=PROJECT)
    ratio = whole["megabytes"] / alone.megabytes
    yield "memory, both networks, float32, ours / plain Keras", Figure([ratio], "×", "≤ 1.0", "less")
    yield "memory, ours", Figure([whole["megabytes"]], "MB")
    yield "memory of the parent process", Figure([whole["of_itself"]], "MB", "≤ 250")


def run(scratch: Path, memory: str = "", **settings: Any) -> dict[str, Any]:
    """Run the whole pipeline for one epoch in a new data folder; return what it took, and each node's manifest."""
    shutil.rmtree(scratch / "data", ignore_errors=True)
    options = {"epochs": 1, "source": RAW, "data_dir": scratch / "data", "reports_dir": scratch / "reports", **settings}
    command = [sys.executable, "flows/main.py"]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    took: Watched = watched(command, memory, cwd=PROJECT, env=clean | {"PREFECT_HOME": str(scratch / "home")})
    manifests = [json.loads(path.read_text()) for path in (scratch / "data").glob("*/*/manifest.json")]
    return {**took._asdict(), "made": {told["label"]: told["made"] for told in manifests}}


def outside(told: dict[str, Any]) -> float:
    """Return the seconds of a run that are not training: both networks train at once, so the longer one counts."""
    return told["seconds"] - max(told["made"][f"train[{name}]"]["measured"]["seconds"] for name in ARTICLE)
