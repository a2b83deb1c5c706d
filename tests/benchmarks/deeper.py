"""What `residual` reaches in how much of the time that the article's baseline takes, on validation data only.

python -m tests.benchmarks.deeper [SEEDS]

Prints a table, an epoch a row, and draws `docs/residual.svg`. The trainings go into `data/` as a run's do: where they
stand, their seconds are those of the machine, and of the load on it, that made them. The article's baseline takes its
time in float32, the article's arithmetic; an epoch of it is measured now, by itself.
"""

import statistics
import sys

from tests.benchmarks.figures import drawing
from tests.benchmarks.recipes import article_recipe, epoch_of, train

DEEPER, OTHER = "residual", "baseline"


def main() -> None:
    """Train, print the table, and draw the curves."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    trained = [train(DEEPER, seed=seed) for seed in range(seeds)]
    article = article_recipe(OTHER)
    by_epoch = train(OTHER, seed=0, **article._asdict()).json("history.json")
    whole = article.epochs * epoch_of(OTHER, article.batch_size, "float32")
    took = [training.measured["seconds"] for training in trained]
    print(f"{OTHER}, the article's {article.epochs} epochs in float32: {whole:.0f} s")
    print(f"{DEEPER}, by seed: {', '.join(f'{seconds:.0f} s ({seconds / whole:.1%})' for seconds in took)}\n")
    print("| epoch | of the article's time | validation accuracy |\n|---|---|---|")
    histories = [training.json("history.json") for training in trained]
    share = statistics.mean(took) / whole / len(histories[0])
    curve = []
    for number, epochs in enumerate(zip(*histories, strict=True), 1):
        accuracies = [epoch["validation_accuracy"] for epoch in epochs]
        curve.append((number * share, statistics.mean(accuracies), min(accuracies), max(accuracies)))
        lowest_to_highest = f"{min(accuracies):.2%} to {max(accuracies):.2%}"
        print(f"| {number} | {number * share:.1%} | {statistics.mean(accuracies):.2%} ({lowest_to_highest}) |")
    with drawing("residual") as axes:
        shares, means, lows, highs = zip(*curve, strict=True)
        axes.plot(shares, means, "o-", label=f"{DEEPER}, epoch by epoch, mean of the seeds")
        axes.fill_between(shares, lows, highs, alpha=0.2)
        by_share = [(number / len(by_epoch), epoch["validation_accuracy"]) for number, epoch in enumerate(by_epoch, 1)]
        axes.plot(*zip(*by_share, strict=True), "s-", label=f"{OTHER}, the article's recipe, epoch by epoch")
        axes.set(xlabel="share of the article baseline's training time in float32", ylabel="validation accuracy")
        axes.set(ylim=(0.86, None))
        axes.legend(loc="lower right", fontsize="small")


if __name__ == "__main__":
    main()
