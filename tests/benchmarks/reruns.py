"""What it takes to run again: when nothing has changed, the report alone, one network; against DVC on the same steps.

DVC gets an environment of its own, made on first use in `.venv/dvc`.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tasks.settings import PROJECT
from tests.benchmarks.figures import Figure
from tests.benchmarks.throughput import RAW
from tests.deployed import deployed

DVC = "dvc==3.67.1"
STEPS = Path(__file__).with_name("dvc")
EPOCHS = 1


def measure(quick: bool) -> Iterator[tuple[str, Figure]]:
    """Measure, figure by figure."""
    limit, times = (6_000, 3) if quick else (60_000, 10)
    with tempfile.TemporaryDirectory() as scratch, ours(Path(scratch, "ours"), limit) as us:
        them = Dvc(Path(scratch, "dvc"), limit)
        pairs = [(us.seconds(), them.seconds()) for _ in range(times)]
        yield "nothing changed, ours", Figure([a for a, _ in pairs], "s", "≤ 1")
        yield "nothing changed, DVC / ours", Figure([b / a for a, b in pairs], "×", "> 1", "more")
        pairs = [(us.report_changed(n), them.report_changed(n)) for n in range(min(times, 3))]
        yield "only the report changed, ours", Figure([a for a, _ in pairs], "s", "≤ 10")
        yield "only the report changed, DVC / ours", Figure([b / a for a, b in pairs], "×")
        pairs = [(us.network_changed(n), them.network_changed(n)) for n in range(1 if quick else 2)]
        yield "one network changed, its training left out, ours", Figure([a for a, _ in pairs], "s", "≤ 10")
        yield "one network changed, its training left out, DVC / ours", Figure([b / a for a, b in pairs], "×")


class Ours:
    """A copy of the project with a server that runs, in which everything stands."""

    def __init__(self, project: Path, environment: dict[str, str], limit: int) -> None:
        self.project, self.environment = project, environment
        self.options = ["--preset", "smoke", "--limit", str(limit), "--source", str(RAW)]
        self.seconds()

    def seconds(self) -> float:
        """Run, and return how long it took."""
        return timed([sys.executable, "flows/main.py", *self.options], self.project, self.environment)

    def report_changed(self, number: int) -> float:
        """Change how the page looks, and run."""
        with (self.project / "tasks" / "report" / "style.css").open("a") as style:
            style.write(f"footer {{ margin-top: {number}px; }}\n")
        return self.seconds()

    def network_changed(self, number: int) -> float:
        """Give one network an epoch more, and run; return the seconds without those of its training."""
        network = self.project / "tasks" / "networks" / "dropout.py"
        before = network.read_text()
        after = before.replace(f'"smoke": {EPOCHS + number}', f'"smoke": {EPOCHS + number + 1}')
        assert after != before
        network.write_text(after)
        seconds = self.seconds()
        trained = max((self.project / "data" / "train").glob("dropout-*"), key=lambda folder: folder.stat().st_mtime)
        return seconds - json.loads((trained / "manifest.json").read_text())["made"]["measured"]["seconds"]


@contextlib.contextmanager
def ours(scratch: Path, limit: int) -> Iterator[Ours]:
    """Have such a copy while the context lasts."""
    scratch.mkdir()
    with deployed(scratch, "server") as copy:
        yield Ours(copy.project, copy.environment | {"PREFECT_API_URL": copy.url}, limit)


class Dvc:
    """The same steps as DVC stages, all of which stand."""

    def __init__(self, folder: Path, limit: int) -> None:
        shutil.copytree(STEPS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(RAW, folder / "raw")
        self.folder = folder
        self.parameters = {"limit": limit, "batch_size": 128, "baseline": EPOCHS, "dropout": EPOCHS}
        self.command = [str(environment_of_dvc()), "-m", "dvc"]
        self.environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(PROJECT), "DVC_NO_ANALYTICS": "1"}
        timed([*self.command, "init", "--quiet", "--no-scm"], folder, self.environment)
        self.seconds()

    def seconds(self) -> float:
        """Run what does not stand, and return how long it took."""
        limit, batch_size, baseline, dropout = self.parameters.values()
        epochs = f"epochs:\n  baseline: {baseline}\n  dropout: {dropout}\n"
        (self.folder / "params.yaml").write_text(f"limit: {limit}\nbatch_size: {batch_size}\n{epochs}")
        return timed([*self.command, "repro", "--quiet"], self.folder, self.environment)

    def report_changed(self, number: int) -> float:
        """Change the page's template, and run."""
        with (self.folder / "report.html.in").open("a") as template:
            template.write(f"<p>{number}</p>\n")
        return self.seconds()

    def network_changed(self, number: int) -> float:
        """Give one network an epoch more, and run; return the seconds without those of its training."""
        self.parameters["dropout"] = EPOCHS + number + 1
        return (
            self.seconds() - json.loads((self.folder / "trained" / "dropout" / "history.json").read_text())["seconds"]
        )


def environment_of_dvc() -> Path:
    """Return the Python that has DVC."""
    python = PROJECT / ".venv" / "dvc" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", DVC], check=True)
    return python


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Run a command to its end, and return how long it took."""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began
