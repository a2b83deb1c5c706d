"""How the page's figures are drawn: SVG with real text, small enough for a phone, the same input the same bytes.

The colors of text and networks are the page's own, so that a figure follows light and dark; each network has a marker
too, so that it is recognized without color.
"""

import io
import re
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from tasks.evaluation.models import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT = "#123456"  # replaced by the page's text color when the SVG is written
MUTED = "#654321"  # for what is less important
NAMED = ("baseline", "dropout", "logistic", "residual", "xgboost")  # with a color and a shape of their own
MARKERS = "osD^vpX*"  # by slot, as the chips in style.css
SLOTS = len(MARKERS)
WIDTH = 5.3  # inches, of which an SVG unit is the seventy-second part: a phone shows it nearly unscaled
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": TEXT,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": TEXT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.grid.axis": "y",
    "grid.color": MUTED,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "legend.frameon": False,
    "legend.fontsize": 10,
}

_alone = threading.RLock()


def slot(name: str) -> int:
    """Return the place of a network's color and shape in the style: always the same for the same name."""
    return NAMED.index(name) if name in NAMED else len(NAMED) + zlib.crc32(name.encode()) % (SLOTS - len(NAMED))


def look(name: str) -> tuple[str, str]:
    """Return the placeholder of this network's color, and its marker."""
    return f"#00ff{slot(name):02x}", MARKERS[slot(name)]


def new_figure(height: float, panels: int = 1, **grid: Any) -> tuple["Figure", Any]:
    """Return a figure as wide as a phone, so many inches high, and its panel, or its panels from top to bottom."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(panels, 1, **grid)


def styled(draw: Callable[..., Any]) -> Callable[..., Any]:
    """Draw in the page's style, whatever matplotlib's own settings are: one thread at a time, since they are global."""

    @wraps(draw)
    def drawn(*arguments: Any, **options: Any) -> Any:
        from matplotlib import style

        with _alone, style.context(["default", STYLE]):
            return draw(*arguments, **options)

    return drawn


def as_svg(figure: "Figure", name: str, title: str, description: str) -> Markup:
    """Return a figure as an SVG element to stand in a page: named, described, its ids its own."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    svg = buffer.getvalue()
    svg = _compact(svg[svg.index("<svg") :])
    prefix = re.sub(r"[^a-z0-9]+", "-", name.lower())
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = svg.replace(TEXT, "currentColor").replace(MUTED, "var(--soft)")
    svg = re.sub(r"#00ff([0-9a-f]{2})", lambda found: f"var(--network-{int(found[1], 16)})", svg)
    svg = re.sub(r' (width|height)="[^"]*"', "", svg, count=2)  # the page decides how large it is
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)
    described = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    end_of_tag = svg.index(">") + 1
    return Markup(svg[:end_of_tag] + described + svg[end_of_tag:])  # noqa: S704 (matplotlib escapes its text)


def _compact(svg: str) -> str:
    """Return an SVG of matplotlib’s without what nobody sees: ids of groups, a typeface for each text, thousandths."""
    svg = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(?<=<g) id="[^"]*"| transform="rotate\(-?0 [^"]*"| font-family: [^;"]*;', "", svg)
    hundredths = partial(re.sub, r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."))
    svg = re.sub(r"<[^>]*>", lambda tag: hundredths(tag[0]), svg)
    return re.sub(r"\s*\n\s*", "\n", svg)


def short(name: str, length: int = 18) -> str:
    """Return a name that fits into a figure."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


def plain(text: str) -> str:
    """Return a text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")


def count_along(panel: Any, what: str) -> None:
    """Name what a panel shows from left to right, epochs or trials, by whole numbers."""
    from matplotlib.ticker import MaxNLocator

    panel.set_xlabel(what)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


@dataclass(frozen=True)
class Interval:
    """A row of an interval plot: an estimate, and the values that it is made of, in shares of one."""

    name: str
    estimate: Any  # value, which may be None, low and high
    values: Sequence[float] = ()
    look: tuple[str, str] = (TEXT, "o")  # color and marker
    hollow: bool = False
    note: str = ""  # at the end of the row


@dataclass(frozen=True)
class Panel:
    """Estimates on one scale, in per cent."""

    title: str
    rows: list[Interval]  # the first at the top
    zero: bool = False  # whether a line marks zero, as among differences
    band: Estimate | None = None  # whose interval is shaded across all rows


@styled
def interval_plot(name: str, title: str, description: str, *panels: Panel, length: int = 20) -> Markup:
    """Draw panels of estimates with their intervals, from top to bottom; names have so many characters at most."""
    from matplotlib.transforms import blended_transform_factory

    ratios = [len(panel.rows) + 1 for panel in panels]
    height = sum(0.75 + sum(0.5 if row.values else 0.3 for row in panel.rows) for panel in panels) + 0.2
    figure, axes = new_figure(height, len(panels), squeeze=False, gridspec_kw={"height_ratios": ratios})
    for panel, (axis,) in zip(panels, axes, strict=True):
        axis.set_title(" ")
        above = blended_transform_factory(figure.transFigure, axis.transAxes)  # from the left edge, for long names
        heading = axis.annotate(panel.title, (0, 1), xycoords=above, xytext=(0, 6), textcoords="offset points")
        heading.set_in_layout(False)
        if panel.zero:
            axis.axvline(0, color=TEXT, linewidth=0.8)
        if panel.band:
            axis.axvspan(100 * panel.band.low, 100 * panel.band.high, color=MUTED, alpha=0.13, linewidth=0)
        for place, row in enumerate(panel.rows):
            _draw_row(axis, place, row)
            axis.text(1.01, place, row.note, transform=axis.get_yaxis_transform(), va="center", fontsize=10)
        axis.set_yticks(range(len(panel.rows)), [plain(short(row.name, length)) for row in panel.rows])
        axis.set_ylim(len(panel.rows) - 0.4, -0.6)
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        axis.grid(alpha=0.15)  # a line a row
        axis.margins(x=0.12)
    return as_svg(figure, name, title, description)


def _draw_row(axis: Any, place: int, row: Interval) -> None:
    """Draw a line from an estimate's low end to its high one and a mark at its value, above them what it is made of."""
    color, marker = row.look
    estimate, middle = row.estimate, place + (0.22 if row.values else 0)
    axis.plot([100 * estimate.low, 100 * estimate.high], [middle] * 2, color=color, linewidth=2, solid_capstyle="butt")
    if estimate.value is not None:
        fill = "none" if row.hollow else color
        axis.plot([100 * estimate.value], [middle], marker, color=color, markersize=7, markerfacecolor=fill)
    style = {"color": color, "markersize": 5, "alpha": 0.6, "markeredgewidth": 0}
    axis.plot([100 * value for value in row.values], [place - 0.15] * len(row.values), marker, **style)
