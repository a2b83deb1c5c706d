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
from collections.abc import Iterator
from pathlib import Path

from tasks.settings.settings import PROJECT
from tests.benchmarks.figures import Figure
from tests.benchmarks.throughput import RAW
from tests.benchmarks.watched import watched
from tests.deployed import deployed

DVC = "dvc==3.67.1"
STEPS = Path(__file__).with_name("dvc")
EPOCHS = 1


def measure(quick: bool) -> Iterator[tuple[str, Figure]]:
    """Measure, figure by figure."""
    limit, times = (6_000, 3) if quick else (60_000, 10)
    with tempfile.TemporaryDirectory() as scratch, ours(Path(scratch, "ours"), limit) as us:
        them = dvc(Path(scratch, "dvc"), limit)
        pairs = [(us.seconds(), them.seconds()) for _ in range(times)]
        yield "nothing changed, ours", Figure([a for a, _ in pairs], "s", "≤ 1")
        yield "nothing changed, DVC / ours", Figure([b / a for a, b in pairs], "×", "> 1", "more")
        pairs = [(us.report_changed(n), them.report_changed(n)) for n in range(min(times, 3))]
        yield "only the report changed, ours", Figure([a for a, _ in pairs], "s", "≤ 10")
        yield "only the report changed, DVC / ours", Figure([b / a for a, b in pairs], "×")
        pairs = [(us.network_changed(n), them.network_changed(n)) for n in range(1 if quick else 2)]
        yield "one network changed, its training left out, ours", Figure([a for a, _ in pairs], "s", "≤ 10")
        yield "one network changed, its training left out, DVC / ours", Figure([b / a for a, b in pairs], "×")


class Steps:
    """The same steps in a folder, all of which stand, and a command that runs what does not."""

    page: tuple[str, str]  # a file that says how the report's page looks, and what changes that

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str]) -> None:
        self.folder, self.command, self.environment = folder, command, environment
        self.seconds()

    def seconds(self) -> float:
        """Run, and return how long it took."""
        return watched(self.command, cwd=self.folder, env=self.environment).seconds

    def report_changed(self, number: int) -> float:
        """Change how the page looks, and run."""
        file, change = self.page
        with (self.folder / file).open("a") as page:
            page.write(change.format(number))
        return self.seconds()

    def network_changed(self, number: int) -> float:
        """Give one network an epoch more, and run; return the seconds without those of its training."""
        self.train_for(EPOCHS + number + 1)
        return self.seconds() - self.training()


class Ours(Steps):
    """A copy of the project, with a server that runs."""

    page = "tasks/reporting/style.css", "footer {{ margin-top: {}px; }}\n"

    def train_for(self, epochs: int) -> None:
        network = self.folder / "tasks" / "networks" / "dropout.py"
        before = network.read_text()
        network.write_text(after := before.replace(f'"smoke": {epochs - 1}', f'"smoke": {epochs}'))
        assert after != before

    def training(self) -> float:
        trained = max((self.folder / "data" / "train").glob("dropout-*"), key=lambda folder: folder.stat().st_mtime)
        return json.loads((trained / "manifest.json").read_text())["made"]["measured"]["seconds"]


class Dvc(Steps):
    """DVC's stages."""

    page = "report.html.in", "<p>{}</p>\n"

    def train_for(self, epochs: int) -> None:
        parameters = self.folder / "params.yaml"
        parameters.write_text(parameters.read_text().replace(f"dropout: {epochs - 1}", f"dropout: {epochs}"))

    def training(self) -> float:
        return json.loads((self.folder / "trained" / "dropout" / "history.json").read_text())["seconds"]


@contextlib.contextmanager
def ours(scratch: Path, limit: int) -> Iterator[Ours]:
    """Have ours while the context lasts."""
    scratch.mkdir()
    with deployed(scratch) as copy:
        copy.command("make server")
        command = [sys.executable, "flows/main.py", "--preset", "smoke", "--limit", str(limit), "--source", str(RAW)]
        yield Ours(copy.project, command, copy.environment | {"PREFECT_API_URL": copy.url})


def dvc(folder: Path, limit: int) -> Dvc:
    """Put the stages into a folder."""
    shutil.copytree(STEPS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(RAW, folder / "raw")
    epochs = f"epochs:\n  baseline: {EPOCHS}\n  dropout: {EPOCHS}\n"
    (folder / "params.yaml").write_text(f"limit: {limit}\nbatch_size: 128\n{epochs}")
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(PROJECT), "DVC_NO_ANALYTICS": "1"}
    command = [str(environment_of_dvc()), "-m", "dvc"]
    subprocess.run([*command, "init", "--quiet", "--no-scm"], cwd=folder, env=environment, check=True)
    return Dvc(folder, [*command, "repro", "--quiet"], environment)


def environment_of_dvc() -> Path:
    """Return the Python that has DVC."""
    python = PROJECT / ".venv" / "dvc" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", DVC], check=True)
    return python
