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
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tasks.pipeline.artifact import Artifact
from tasks.settings.models import networks
from tasks.settings.presets import PRESETS, Precision
from tasks.settings.settings import Settings
from tests.benchmarks.figures import drawing, made
from tests.benchmarks.throughput import ours, prepare

PRECISIONS: tuple[Precision, ...] = ("auto", "float32")


class Recipe(NamedTuple):
    """What is tried for a network."""

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str = "one-cycle"


TRIED = {  # epochs, batch size, learning rate
    "baseline": [(2, 128, 0.002), (3, 256, 0.003), *((n, 128, rate) for n in (3, 4) for rate in (0.002, 0.003))],
    "dropout": [
        *((5, 128, 0.004), (6, 128, 0.002), (8, 128, 0.004), (12, 128, 0.003)),
        *((14, 128, 0.003), (14, 128, 0.004), (16, 128, 0.003), (20, 128, 0.003)),
    ],
}


def main() -> None:
    """Train them all, print the table, and draw the curves."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    points: dict[str, dict[str, list[tuple[float, float]]]] = {}
    print("| network | epochs | batch | rate | schedule | of the article's time | in float32 | validation accuracy |")
    print("|---|---|---|---|---|---|---|---|")
    for name, tried in TRIED.items():
        recipes = [Recipe(*each) for each in tried]
        article = article_recipe(name)
        epochs = train(name, seed=0, **article._asdict()).json("history.json")
        by_epoch = [((n + 1) / len(epochs), epoch["validation_accuracy"]) for n, epoch in enumerate(epochs)]
        points[name] = {"article's, epoch by epoch": by_epoch, "one-cycle": [], "the same against float32": []}
        for recipe in (article, *recipes):
            histories = [train(name, seed=seed, **recipe._asdict()).json("history.json") for seed in range(seeds)]
            accuracies = [history[-1]["validation_accuracy"] for history in histories]
            took = recipe.epochs * epoch_of(name, recipe.batch_size, "auto")
            wholes = [article.epochs * epoch_of(name, article.batch_size, precision) for precision in PRECISIONS]
            shares = [took / whole for whole in wholes]
            if recipe is not article:
                points[name]["one-cycle"].append((shares[0], statistics.mean(accuracies)))
                points[name]["the same against float32"].append((shares[1], statistics.mean(accuracies)))
            told = [*recipe, *(f"{share:.1%}" for share in shares), f"{statistics.mean(accuracies):.2%}"]
            spread = f"{min(accuracies):.2%} to {max(accuracies):.2%}"
            print(f"| {name} | {' | '.join(map(str, told))} ({spread}) |", flush=True)
    draw(points)


def article_recipe(name: str) -> Recipe:
    """Return what the article trains that network with."""
    preset = PRESETS["article"]
    return Recipe(networks()[name].epochs["article"], preset.batch_size, preset.learning_rate, preset.schedule)


@cache
def epoch_of(name: str, batch_size: int, precision: Precision) -> float:
    """Return the seconds of an epoch with all images, measured once."""
    arithmetic = str(Settings(precision=precision).resolved().precision)
    with tempfile.TemporaryDirectory() as folder:
        return ours(name, prepare(Path(folder), 60_000), arithmetic, batch_size=batch_size)


def train(name: str, **recipe: Any) -> Artifact:
    """Return the training with these settings, made now if it does not stand."""
    return made(f"train[{name}]", Settings(networks=(name,), **recipe))


def draw(points: dict[str, dict[str, list[tuple[float, float]]]]) -> None:
    """Draw accuracy against time."""
    with drawing("recipes", panels=2) as panels:
        for axes, (name, curves) in zip(panels, points.items(), strict=True):
            for label, curve in curves.items():
                axes.plot(*zip(*sorted(curve), strict=True), "o-", label=label)
            axes.axvline(0.2, color="grey", linestyle=":")
            axes.set(title=name, xlabel="share of the article recipe's training time", ylabel="validation accuracy")
            axes.set(xscale="log", ylim=(0.86, None))
            axes.legend(loc="lower right", fontsize="small")


if __name__ == "__main__":
    main()
