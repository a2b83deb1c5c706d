"""How they learned: accuracy and loss by epoch."""

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from tasks.evaluation.budgets import lowest_loss
from tasks.evaluation.models import Count, Model, Share
from tasks.formatting import join_words
from tasks.reporting.data import Run
from tasks.reporting.plots import TEXT, as_svg, count_along, look, new_figure, short

TITLE = "How they learned"
DECAYED = 0.1  # of its highest value: below that, a learning rate has fallen to almost nothing


class Epoch(Model):
    """A pass over the training images: training figures are running means, validation's are taken at its end."""

    epoch: Count
    accuracy: Share
    validation_accuracy: Share
    loss: float
    validation_loss: float
    learning_rate: float


class Numbers(Model):
    """How each network learned."""

    histories: dict[str, list[Epoch]]
    lowest_loss: dict[str, Count | None]  # the epoch of the lowest validation loss
    decaying: list[str]  # networks whose learning rate ends far below its highest
    training_with: list[str]  # what sets training numbers apart from validation ones, in this run
    flipped: bool  # whether test predictions average over flips, which these validation numbers do not


def numbers(run: Run) -> Numbers:
    """Gather how each network learned."""
    recipes = {name: run.manifests[f"train[{name}]"]["cache_key"]["settings"] for name in run.names}
    evaluations = [run.manifests[f"evaluate[{name}]"]["cache_key"]["settings"] for name in run.names]
    with_dropout = [name for name in run.names if any("Dropout" in layer["type"] for layer in run.layers[name])]
    present = {
        "dropout on": with_dropout,
        "augmented images": [name for name, of in recipes.items() if of.get("augmentation", "none") != "none"],
        "smoothed labels in the loss": [name for name, of in recipes.items() if of.get("label_smoothing")],
        "its own penalties in the loss": [name for name, of in recipes.items() if of.get("own_network")],
    }
    training_with = [f"{what} ({join_words(names)})" for what, names in present.items() if names]
    return of_histories(run.histories, training_with, flipped=any(of.get("tta") == "flip" for of in evaluations))


def of_histories(
    histories: dict[str, list[dict[str, Any]]], training_with: Sequence[str] = (), flipped: bool = False
) -> Numbers:
    """Return what there is to say of these histories, an entry an epoch."""
    return Numbers(
        histories={name: [Epoch(**epoch) for epoch in history] for name, history in histories.items()},
        lowest_loss={name: lowest_loss(history) for name, history in histories.items()},
        decaying=[
            name
            for name, history in histories.items()
            if history and history[-1]["learning_rate"] < DECAYED * max(epoch["learning_rate"] for epoch in history)
        ],
        training_with=list(training_with),
        flipped=flipped,
    )


def plots(numbers: Numbers) -> dict[str, Markup]:
    """Draw a panel each for accuracy and loss."""
    if not any(numbers.histories.values()):
        return {}
    return {
        "accuracy": _curves(numbers, "accuracy", "accuracy, %", 100),
        "loss": _curves(numbers, "loss", "loss (cross-entropy, nats)", 1),
    }


def _curves(numbers: Numbers, quantity: str, title: str, scale: int) -> Markup:
    from matplotlib.lines import Line2D

    histories = numbers.histories
    last = max(map(len, histories.values()))
    columns = 3 if max(map(len, histories)) <= 10 else 2
    figure, panel = new_figure(3.2 + 0.2 * math.ceil((len(histories) + 2) / columns))
    keys = []
    for name, history in histories.items():
        color, marker = look(name)
        epochs = [epoch.epoch for epoch in history]
        style: dict[str, Any] = {"color": color, "marker": marker, "linewidth": 1.7, "markevery": max(1, last // 10)}
        running, measured = (
            [scale * getattr(epoch, of) for epoch in history] for of in (quantity, f"validation_{quantity}")
        )
        panel.plot(epochs, running, ":", markersize=4, markerfacecolor="none", **style)
        panel.plot(epochs, measured, "-", markersize=5, **style)
        best = numbers.lowest_loss[name]
        if best and quantity == "loss":
            panel.plot([best], [measured[best - 1]], "o", color=color, markersize=13, markerfacecolor="none")
        keys.append(Line2D([], [], color=color, marker=marker, markersize=5, label=short(name)))
    panel.set(title=title, xlim=(0.5, last + 0.5))
    count_along(panel, "epoch")
    if last > 8 * min(map(len, filter(None, histories.values()))):  # else the shortest curve were a stroke
        panel.set(xscale="log", xlim=(0.9, last * 1.1))
        panel.xaxis.set_major_formatter("{x:g}")
    panel.grid()
    keys += [Line2D([], [], color=TEXT, ls=line, label=of) for of, line in (("training", ":"), ("validation", "-"))]
    figure.legend(handles=keys, ncols=columns, loc="outside lower left")  # where the script's cursor does not cross it
    description = "; ".join(
        f"{name}: {scale * getattr(history[-1], f'validation_{quantity}'):.4g} at the last of {len(history)} epochs"
        for name, history in histories.items()
        if history
    )
    svg = as_svg(figure, f"curves-{quantity}", f"{title}, by epoch", f"{description}.")
    return _with_epochs(svg, panel, last)


def _with_epochs(svg: Markup, panel: Any, last: int) -> Markup:
    """Add for the script where the first and the last epoch are, in SVG units, and between which heights."""
    (left, bottom), (right, top) = panel.transData.transform([(1, panel.get_ylim()[0]), (last, panel.get_ylim()[1])])
    units, height = 72 / panel.figure.dpi, panel.figure.bbox.height
    edges = " ".join(f"{place * units:.1f}" for place in (left, right, height - top, height - bottom))
    where = f'<svg data-epochs="{edges}" data-scale="{panel.get_xscale()}"'
    return Markup(str(svg).replace("<svg", where, 1))  # noqa: S704 (ours)
