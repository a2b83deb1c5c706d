"""How soon which accuracy is reached: recipes for `fast` against the article's, on validation data only.

python -m tests.benchmarks.recipes [SEEDS]

Prints a table and draws `docs/recipes.svg`: validation accuracy, the mean over the seeds, against the share of the
article recipe's training time, in the same arithmetic and in float32, the article's own. An epoch's time is measured by
itself: epochs of one batch size all take the same. The trainings go into `data/` as a run's do, so that one that was
stopped goes on. Nothing here opens the test set.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from flows.main import dag
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.progress import to_all
from tasks.presets import PRESETS, Precision
from tasks.registry import networks
from tasks.settings import PROJECT, Settings
from tests.benchmarks.throughput import ours, prepare

PRECISIONS: tuple[Precision, ...] = ("auto", "float32")
WHOLE = {(PRESETS["article"].batch_size, precision) for precision in PRECISIONS}
UNTIL_TRAINED = ("download", "validate", "prepare", "train")


class Recipe(NamedTuple):
    """What is tried for a network."""

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str = "one-cycle"


TRIED = {
    "baseline": [
        Recipe(2, 128, 0.002),
        Recipe(3, 256, 0.003),
        Recipe(3, 128, 0.002),
        Recipe(3, 128, 0.003),
        Recipe(4, 128, 0.002),
        Recipe(4, 128, 0.003),
    ],
    "dropout": [
        Recipe(5, 128, 0.004),
        Recipe(6, 128, 0.002),
        Recipe(8, 128, 0.004),
        Recipe(12, 128, 0.003),
        Recipe(14, 128, 0.003),
        Recipe(14, 128, 0.004),
        Recipe(16, 128, 0.003),
        Recipe(20, 128, 0.003),
    ],
}


def main() -> None:
    """Train them all, print the table, and draw the curves."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    points: dict[str, dict[str, list[tuple[float, float]]]] = {}
    print("| network | epochs | batch | rate | schedule | of the article's time | in float32 | validation accuracy |")
    print("|---|---|---|---|---|---|---|---|")
    for name, recipes in TRIED.items():
        article = article_recipe(name)
        epochs = train(name, seed=0, **article._asdict()).json("history.json")
        by_epoch = [((n + 1) / len(epochs), epoch["validation_accuracy"]) for n, epoch in enumerate(epochs)]
        points[name] = {"article's, epoch by epoch": by_epoch, "one-cycle": [], "the same against float32": []}
        seconds = epochs_of(name, {(each.batch_size, "auto") for each in recipes} | WHOLE)
        for recipe in (article, *recipes):
            histories = [train(name, seed=seed, **recipe._asdict()).json("history.json") for seed in range(seeds)]
            accuracies = [history[-1]["validation_accuracy"] for history in histories]
            took = recipe.epochs * seconds[recipe.batch_size, "auto"]
            shares = [took / (article.epochs * seconds[article.batch_size, precision]) for precision in PRECISIONS]
            if recipe is not article:
                points[name]["one-cycle"].append((shares[0], statistics.mean(accuracies)))
                points[name]["the same against float32"].append((shares[1], statistics.mean(accuracies)))
            told = [*recipe, *(f"{share:.1%}" for share in shares), f"{statistics.mean(accuracies):.2%}"]
            print(
                f"| {name} | {' | '.join(map(str, told))} ({min(accuracies):.2%} to {max(accuracies):.2%}) |",
                flush=True,
            )
    draw(points)


def article_recipe(name: str) -> Recipe:
    """Return what the article trains that network with."""
    preset = PRESETS["article"]
    return Recipe(networks()[name].epochs["article"], preset.batch_size, preset.learning_rate, preset.schedule)


def epochs_of(name: str, asked: set[tuple[int, Precision]]) -> dict[tuple[int, Precision], float]:
    """Return the seconds of an epoch with all images, by batch size and precision."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(Path(folder), 60_000)
        return {
            (batch_size, precision): ours(
                name, prepared, str(Settings(precision=precision).resolved().precision), batch_size=batch_size
            )
            for batch_size, precision in sorted(asked)
        }


def train(name: str, **recipe: Any) -> Artifact:
    """Return the training with these settings, made now if it does not stand."""
    settings = Settings(networks=(name,), **recipe)
    trained: list[Artifact] = []

    def run(node: Any, network: str | None = None, after: Any = None, **inputs: Any) -> Any:
        if node.name not in UNTIL_TRAINED:
            return None
        artifact, _ = node.run(settings, network, inputs, to_all())
        trained.append(artifact)
        return artifact

    dag(run, settings)
    return trained[-1]


def draw(points: dict[str, dict[str, list[tuple[float, float]]]]) -> None:
    """Draw accuracy against time."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "recipes"
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(10, 4.5), layout="constrained")
    for axes, (name, curves) in zip(drawing.subplots(1, 2), points.items(), strict=True):
        for label, curve in curves.items():
            axes.plot(*zip(*sorted(curve), strict=True), "o-", label=label)
        axes.axvline(0.2, color="grey", linestyle=":")
        axes.set(title=name, xlabel="share of the article recipe's training time", ylabel="validation accuracy")
        axes.set(xscale="log", ylim=(0.86, None))
        axes.legend(loc="lower right", fontsize="small")
    drawing.savefig(PROJECT / "docs" / "recipes.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
