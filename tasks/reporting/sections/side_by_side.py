"""Side by side: every figure of every network, the better one marked, and others' figures on the same scale."""

from typing import Literal, NamedTuple

from markupsafe import Markup

from tasks.evaluation.article import ARTICLE, PUBLISHED
from tasks.evaluation.models import Estimate, Model, Seconds, Share
from tasks.formatting import percent
from tasks.reporting.data import Run
from tasks.reporting.plots import MUTED, Interval, Panel, interval_plot, look, short
from tasks.reporting.sections.networks import multiply_adds_of
from tasks.training.xgboost import XGBOOST

TITLE = "Side by side"
HERE = "this run"

Unit = Literal["%", "points", "nats", "", "bytes", "s", "ms"]


class Quantity(NamedTuple):
    """Something that is measured of every network."""

    title: str
    unit: Unit
    better: Literal["higher", "lower"] | None = None


QUANTITIES = {
    "validation_accuracy": Quantity("Validation accuracy (picks the winner)", "%", "higher"),
    "test_accuracy": Quantity("Test accuracy", "%", "higher"),
    "train_accuracy": Quantity("Training accuracy", "%"),
    "gap": Quantity("Train − test gap (points)", "points"),
    "cross_entropy": Quantity("Cross-entropy, test (nats)", "nats", "lower"),
    "calibration_error": Quantity("Calibration error, test (points)", "points"),
    "parameters": Quantity("Parameters", "", "lower"),
    "multiply_adds": Quantity("Multiply-adds per image", "", "lower"),
    "file_bytes": Quantity("Saved model (MB)", "bytes", "lower"),
    "training_seconds": Quantity("Training time", "s"),
    "milliseconds_per_image": Quantity("CPU time per image (ms)", "ms"),
}


class Value(Model):
    """A figure of one network, with its 95 % interval if it has one."""

    value: float
    low: float | None = None
    high: float | None = None


class Row(Model):
    """A quantity of every network."""

    title: str
    unit: Unit
    values: dict[str, Value]
    best: str | None  # the network with the best value; none if all are equal, or neither is better
    significant: bool  # by the paired difference from the next best
    difference: Estimate | None  # of the winner and the next
    ratio: float | None  # of the two, where a difference has no interval


class Entry(Model):
    """A test accuracy on the common scale: lowest and highest, or the interval."""

    what: str
    low: Share
    value: Share | None  # none where a range was published
    high: Share
    network: str | None  # of this run, or the article's


class Numbers(Model):
    """What stands side by side."""

    rows: dict[str, Row]
    threads: dict[str, int]
    scale: list[Entry]  # the highest first; empty for another data set than Fashion-MNIST
    pace: dict[str, tuple[Seconds, str]]  # seconds an epoch, and the article's; empty unless the recipe is the same
    together: list[str]  # networks whose training overlapped another's


def numbers(run: Run) -> Numbers:
    """Gather what stands side by side."""
    articles = [name for name in run.names if name in ARTICLE and run.is_fashion_mnist]
    values = {name: _values(run, name) for name in run.names}
    known = [name for name in QUANTITIES if all(name in of for of in values.values())]
    return Numbers(
        rows={name: _row(run, name, {network: of[name] for network, of in values.items()}) for name in known},
        threads={name: run.summary[f"train[{name}]"]["threads"] for name in run.names},
        scale=_scale(run, articles) if run.is_fashion_mnist else [],
        pace={
            name: (run.summary[f"train[{name}]"]["seconds"] / len(run.histories[name]), article["seconds_per_epoch"])
            for name, article in ARTICLE.items()
            if name in articles and run.histories[name] and not run.departures
        },
        together=[
            name
            for name in run.names
            if any(run.ran_together(f"train[{name}]", f"train[{other}]") for other in run.names if other != name)
        ],
    )


def _scale(run: Run, articles: list[str]) -> list[Entry]:
    entries = [
        Entry(what=what, low=low, value=low if low == high else None, high=high, network=None)
        for what, low, high in PUBLISHED
    ]
    shares = {name: ARTICLE[name]["test"] for name in articles}
    entries += [Entry(what="the article", low=of, value=of, high=of, network=name) for name, of in shares.items()]
    entries += [Entry(what=HERE, network=name, **dict(run.metrics[name]["test"].accuracy)) for name in run.names]
    return sorted(entries, key=lambda entry: entry.low + entry.high, reverse=True)


def _values(run: Run, name: str) -> dict[str, Value]:
    """Return a network's value of every quantity that is known of it."""
    result, test = run.comparison.networks[name], run.metrics[name]["test"]
    files = run.manifests[f"train[{name}]"]["files"]
    values = {
        "cross_entropy": test.cross_entropy,
        "calibration_error": test.calibration.calibration_error,
        "parameters": result.parameters,
        "multiply_adds": multiply_adds_of(run, name),
        "file_bytes": sum(of["bytes"] for file, of in files.items() if file.startswith("model.")),
        "training_seconds": run.summary[f"train[{name}]"]["seconds"],
        "milliseconds_per_image": run.summary[f"evaluate[{name}]"]["milliseconds_per_image"]["test"],
    }
    estimates = {"gap": result.gap} | {f"{split}_accuracy": of for split, of in result.accuracy.items()}
    found = {quantity: Value(value=value) for quantity, value in values.items() if value is not None}
    return found | {quantity: Value(**dict(of)) for quantity, of in estimates.items()}


def _row(run: Run, name: str, values: dict[str, Value]) -> Row:
    quantity = QUANTITIES[name]
    order = sorted(run.names, key=lambda network: values[network].value, reverse=quantity.better == "higher")
    same = len({values[network].value for network in order[:2]}) == 1
    alike = name not in ("multiply_adds", "parameters") or XGBOOST not in order  # a tree's are others than a network's
    best = order[0] if quantity.better and alike and not same else None
    difference = _difference(run, name, *run.names[:2])[0] if run.pairs else None
    first, second = [values[network].value for network in [*run.names, *run.names][:2]]
    return Row(
        title=quantity.title,
        unit=quantity.unit,
        values=values,
        best=best,
        significant=bool(best and _difference(run, name, *order[:2])[1]),
        difference=difference,
        ratio=first / second if alike and difference is None and run.pairs and second else None,
    )


def _difference(run: Run, name: str, one: str, other: str) -> tuple[Estimate | None, bool]:
    """Return the difference of two networks, if it has an interval, and whether it is significant."""
    pair = next(pair for pair in run.comparison.pairs if {pair.first, pair.second} == {one, other})
    if name == "validation_accuracy":
        return pair.validation.difference, pair.validation.difference.significant  # by the rule
    if name == "test_accuracy":
        return pair.test.difference, pair.test.significant
    difference = pair.differences.get(name)
    return difference, difference is None or difference.significant


def plots(numbers: Numbers) -> dict[str, Markup]:
    """Draw the networks on one scale with what others have published."""
    if not numbers.scale:
        return {}
    rows = [
        Interval(
            name=f"{short(entry.network)} ({entry.what})" if entry.network else entry.what,
            note=f"{percent(entry.low, 1)} to {percent(entry.high, 1)}"
            if entry.value is None
            else percent(entry.value),
            estimate=entry,
            look=look(entry.network) if entry.network else (MUTED, "|"),
            hollow=entry.what != HERE,
        )
        for entry in numbers.scale
    ]
    accuracies = ", ".join(f"{name} {percent(of.value)}" for name, of in numbers.rows["test_accuracy"].values.items())
    description = f"This run: {accuracies}, among figures of others."
    title = "Test accuracies on one scale"
    return {"scale": interval_plot("scale", title, description, Panel("Test accuracy, %", rows))}
