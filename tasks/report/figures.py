"""The page's figures, as SVG with real text: the same input gives the same bytes.

Ink is drawn in the page's own text colour, so that a figure follows light and dark.
"""

import io
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#123456"  # stands for the page's text colour until the SVG is written
# Okabe and Ito's colours, told apart by colour-blind readers: https://jfly.uni-koeln.de/color/
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#7F7F7F")
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def styled(draw: Callable[..., Markup]) -> Callable[..., Markup]:
    """Draw in the page's style, whatever matplotlib's own settings are."""

    @wraps(draw)
    def drawn(*arguments: Any) -> Markup:
        from matplotlib import style

        with style.context(["default", STYLE]):
            return draw(*arguments)

    return drawn


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return each network's colour, the same all over the page."""
    return dict(zip(names, PALETTE, strict=False))


@styled
def learning_curves(histories: dict[str, list[dict[str, Any]]]) -> Markup:
    """Draw accuracy and loss by epoch: dashed on training data (running), solid on validation data."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8.4, 3.3), layout="constrained")
    panels = figure.subplots(1, 2)
    for panel, quantity in zip(panels, ("accuracy", "loss"), strict=True):
        for name, colour in colours(list(histories)).items():
            epochs = [epoch["epoch"] for epoch in histories[name]]
            for key, line in ((quantity, "--"), (f"validation_{quantity}", "-")):
                values = [epoch[key] for epoch in histories[name]]
                panel.plot(epochs, values, line, color=colour, linewidth=1.6, marker="o", markersize=3)
        panel.set_xlabel("epoch")
        panel.set_title(quantity, loc="left")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.set_xlim(0.5, max(map(len, histories.values())) + 0.5)
        panel.grid(axis="y", color=INK, alpha=0.12, linewidth=0.6)
    keys = [Line2D([], [], color=colour, label=name) for name, colour in colours(list(histories)).items()]
    keys += [
        Line2D([], [], color=INK, linestyle=line, label=text) for line, text in (("--", "train"), ("-", "validation"))
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys))
    last = "; ".join(f"{name}: {h[-1]['validation_accuracy']:.4f} at the last epoch" for name, h in histories.items())
    return as_svg(figure, "curves", "Learning curves", f"Accuracy and loss by epoch. Validation accuracy of {last}.")


@styled
def confusion_matrix(name: str, confusion: list[list[int]], class_names: Sequence[str]) -> Markup:
    """Draw how often each true class (row) was called each class (column); the diagonal is right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 5.0), layout="constrained")
    axes = figure.subplots()
    span = range(len(class_names))
    for row in span:
        total = max(1, sum(confusion[row]))
        for column in span:
            count = confusion[row][column]
            colour = PALETTE[2] if row == column else PALETTE[1]
            strength = count / total if row == column else min(1.0, 4 * count / total)
            axes.add_patch(_square(column, row, colour, 0.65 * strength))
            if count:
                axes.text(column, row, f"{count}", ha="center", va="center", fontsize=8)
    axes.set(
        xlim=(-0.5, len(class_names) - 0.5), ylim=(len(class_names) - 0.5, -0.5), xlabel="called", ylabel="true class"
    )
    axes.set_xticks(span, class_names, rotation=45, ha="right")
    axes.set_yticks(span, class_names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    wrong = [(confusion[r][c], class_names[r], class_names[c]) for r in span for c in span if r != c]
    count, true, called = max(wrong)
    return as_svg(
        figure,
        f"confusion-{name}",
        f"Confusion matrix of {name} on the test set",
        f"Most often, {count} times, {true} was called {called}.",
    )


def as_svg(figure: "Figure", name: str, title: str, description: str) -> Markup:
    """Return a figure as an SVG element to stand in a page: named, described, its ids its own."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    svg = buffer.getvalue()
    svg = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    prefix = re.sub(r"[^a-z0-9]+", "-", name.lower())
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = svg.replace(INK, "currentColor")
    heading = f'<svg role="img" aria-label="{escape(title)}"'
    described = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    svg = svg.replace("<svg", heading, 1)
    end_of_tag = svg.index(">") + 1
    return Markup(svg[:end_of_tag] + described + svg[end_of_tag:])  # noqa: S704 (matplotlib escapes its text)


def _square(column: int, row: int, colour: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, alpha=alpha, linewidth=0)
