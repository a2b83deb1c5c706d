"""How soon which accuracy is reached: recipes for `fast` against the article's, on validation data only.

python -m tests.benchmarks.recipes [SEEDS]

Prints a table and draws `docs/recipes.svg`: validation accuracy, the mean over the seeds, against the share of the
article recipe's training time, all in the same arithmetic on the same machine. The trainings go into `data/` as a run's
do, so that one that was stopped goes on. Nothing here opens the test set.
"""

import statistics
import sys
from typing import Any, NamedTuple

from flows.main import dag
from tasks.artifacts.store import Artifact
from tasks.networks import NETWORKS
from tasks.progress import Several
from tasks.settings import PRESETS, PROJECT, Settings

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
        Recipe(16, 128, 0.003),
        Recipe(20, 128, 0.003),
    ],
}


def main() -> None:
    """Train them all, print the table, and draw the curves."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    article = PRESETS["article"]
    points: dict[str, dict[str, list[tuple[float, float]]]] = {}
    print("| network | epochs | batch | rate | schedule | share of the article's time | validation accuracy |")
    print("|---|---|---|---|---|---|---|")
    for name, recipes in TRIED.items():
        whole = Recipe(NETWORKS[name].epochs["article"], article.batch_size, article.learning_rate, article.schedule)
        trained = train(name, whole, 0)
        seconds, epochs = trained.facts["seconds"], trained.json("history.json")
        by_epoch = [((n + 1) / len(epochs), epoch["validation_accuracy"]) for n, epoch in enumerate(epochs)]
        points[name] = {"article, epoch by epoch, one seed": by_epoch, "fast": []}
        for recipe in recipes:
            facts = [train(name, recipe, seed).facts for seed in range(seeds)]
            accuracies = [told["validation_accuracy"] for told in facts]
            share = statistics.mean(told["seconds"] for told in facts) / seconds
            points[name]["fast"].append((share, statistics.mean(accuracies)))
            spread = f"{statistics.mean(accuracies):.2%} ({min(accuracies):.2%} to {max(accuracies):.2%})"
            how = " | ".join(map(str, recipe))
            print(f"| {name} | {how} | {share:.1%} | {spread} |", flush=True)
    draw(points)


def train(name: str, recipe: Recipe, seed: int) -> Artifact:
    """Return the training, made now if it does not stand."""
    settings = Settings(networks=(name,), seed=seed, precision="auto", **recipe._asdict())
    trained: list[Artifact] = []

    def run(node: Any, network: str | None = None, after: Any = None, **inputs: Any) -> Any:
        if node.name not in UNTIL_TRAINED:
            return None
        artifact, _ = node.run(settings, network, inputs, Several())
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
