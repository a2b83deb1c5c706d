"""Side by side: every figure of every network, the better one marked, and others' figures on the same scale."""

from typing import Any, Literal, NamedTuple

from markupsafe import Markup

from tasks.claims import ARTICLE, PUBLISHED
from tasks.report.figures import SOFT, as_svg, new_figure, plain, rows, short, styled
from tasks.report.gather import Run
from tasks.report.quantities import Estimate, Seconds, Share
from tasks.report.quantities import Numbers as Model
from tasks.wording import percent

TITLE = "Side by side"

Unit = Literal["%", "points", "nats", "", "bytes", "s", "ms"]


class Quantity(NamedTuple):
    """Something that is measured of every network."""

    title: str
    unit: Unit
    better: Literal["higher", "lower"] | None = None
    difference: str | None = None  # what `differ` calls the difference of two, if it has an interval


QUANTITIES = {
    "validation_accuracy": Quantity("validation accuracy (decides)", "%", "higher", "validation_difference"),
    "test_accuracy": Quantity("test accuracy", "%", "higher", "difference"),
    "train_accuracy": Quantity("training accuracy", "%"),
    "gap": Quantity("gap: training less test, points", "points", "lower", "gap_difference"),
    "cross_entropy": Quantity("cross-entropy, test, nats", "nats", "lower", "cross_entropy_difference"),
    "calibration_error": Quantity("calibration error, test", "%", "lower", "calibration_error_difference"),
    "parameters": Quantity("parameters", "", "lower"),
    "multiply_adds": Quantity("multiply-adds an image", "", "lower"),
    "file_bytes": Quantity("size of the file, MB", "bytes", "lower"),
    "training_seconds": Quantity("training, seconds", "s", "lower"),
    "milliseconds_per_image": Quantity("an image takes, milliseconds", "ms", "lower"),
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
    best: str | None  # whose figure is the better one; none if all are equal, or neither is better
    told_apart: bool  # false: the interval of the difference from the next includes zero


class Reference(Model):
    """A test accuracy that was published."""

    what: str
    low: Share
    high: Share


class Pace(Model):
    """How long an epoch took, and what the article says."""

    seconds_per_epoch: Seconds | None
    article: str


class Numbers(Model):
    """What stands side by side."""

    rows: dict[str, Row]
    threads: dict[str, int]
    test_accuracy: dict[str, Estimate]
    references: list[Reference]
    article: dict[str, Share]
    pace: dict[str, Pace]


def numbers(run: Run) -> Numbers:
    """Gather what stands side by side."""
    articles = {name: ARTICLE[name] for name in run.names if name in ARTICLE and run.is_fashion_mnist}
    return Numbers(
        rows={name: _row(run, name, quantity) for name, quantity in QUANTITIES.items()},
        threads={name: run.facts[f"train[{name}]"]["threads"] for name in run.names},
        test_accuracy={name: Estimate.of(run.metrics[name]["test"], "accuracy") for name in run.names},
        references=[Reference(what=w, low=a, high=b) for w, a, b in PUBLISHED] if run.is_fashion_mnist else [],
        article={name: of_article["test"] for name, of_article in articles.items()},
        pace={name: _pace(run, name, of_article) for name, of_article in articles.items()},
    )


def _pace(run: Run, name: str, of_article: dict[str, Any]) -> Pace:
    seconds, epochs = run.facts[f"train[{name}]"]["seconds"], len(run.histories[name])
    return Pace(seconds_per_epoch=seconds / epochs if epochs else None, article=of_article["seconds_per_epoch"])


def _row(run: Run, name: str, quantity: Quantity) -> Row:
    values = {network: _value(run, network, name) for network in run.names}
    order = sorted(run.names, key=lambda network: values[network].value, reverse=quantity.better == "higher")
    same = len({value.value for value in values.values()}) == 1
    best = None if quantity.better is None or same or len(order) == 1 else order[0]
    apart = bool(best)
    if best and quantity.difference:
        pair = next(p for p in run.comparison["pairs"] if {p["first"], p["second"]} == {order[0], order[1]})
        apart = Estimate.of(pair, quantity.difference).clear
    return Row(title=quantity.title, unit=quantity.unit, values=values, best=best, told_apart=apart)


def _value(run: Run, network: str, name: str) -> Value:
    row, test = run.comparison["networks"][network], run.metrics[network]["test"]
    trained, evaluated = run.facts[f"train[{network}]"], run.facts[f"evaluate[{network}]"]
    if name.endswith("accuracy"):
        split = name.removesuffix("_accuracy")
        low, high = row[f"{split}_interval"]
        return Value(value=row[name], low=low, high=high)
    if name == "gap":
        return Value(value=row["gap"], low=row["gap_interval"][0], high=row["gap_interval"][1])
    simple = {
        "cross_entropy": test["cross_entropy"],
        "calibration_error": test["calibration_error"],
        "parameters": row["parameters"],
        "multiply_adds": sum(layer["multiply_adds"] for layer in run.layers[network]),
        "file_bytes": run.manifests[f"train[{network}]"]["files"]["model.keras"]["bytes"],
        "training_seconds": trained["seconds"],
        "milliseconds_per_image": evaluated["milliseconds_per_image"]["test"],
    }
    return Value(value=simple[name])


def figures(numbers: Numbers) -> dict[str, Markup]:
    """Draw the networks on one scale with what others have published."""
    return {"scale": _scale(numbers)} if numbers.references else {}


@styled
def _scale(numbers: Numbers) -> Markup:
    entries: list[tuple[float, float, str, str, str]] = [
        (reference.low, reference.high, reference.what, SOFT, "|") for reference in numbers.references
    ]
    for _, name, colour, marker in rows(list(numbers.test_accuracy)):
        here = numbers.test_accuracy[name]
        entries.append((here.low, here.high, f"{short(name)} (this run)", colour, marker))
        if name in numbers.article:
            published = numbers.article[name]
            entries.append((published, published, f"{short(name)} (the article)", colour, f"{marker}open"))
    entries.sort(key=lambda entry: entry[0] + entry[1])
    figure = new_figure(0.7 + 0.27 * len(entries))
    panel = figure.subplots()
    for row, (low, high, _, colour, marker) in enumerate(entries):
        panel.plot([100 * low, 100 * high], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        inside = "none" if marker.endswith("open") else colour
        sign = marker.removesuffix("open")
        panel.plot([50 * (low + high)], [row], sign, color=colour, markersize=7, markerfacecolor=inside)
    panel.set_yticks(range(len(entries)), [plain(what) for _, _, what, _, _ in entries])
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)
    panel.grid(axis="y", alpha=0.15)
    panel.set_xlabel("test accuracy, %")
    told = ", ".join(f"{name} {percent(estimate.value)}" for name, estimate in numbers.test_accuracy.items())
    return as_svg(figure, "scale", "Test accuracies on one scale", f"This run: {told}, among figures of others.")
