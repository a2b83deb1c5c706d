"""How the page's figures are drawn: SVG with real text, small enough for a phone, the same input the same bytes.

The colors of text and networks are the page's own, so that a figure follows light and dark; each network has a marker
too, so that it is recognized without color.
"""

import io
import re
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from markupsafe import Markup, escape

TEXT = "#123456"  # replaced by the page's text color when the SVG is written
MUTED = "#654321"  # for what is less important
NAMED = ("baseline", "dropout", "logistic", "residual", "xgboost")  # with a color and a shape of their own
MARKERS = "osD^vpX*"  # by slot, as the chips in style.css
SLOTS = len(MARKERS)
WIDTH = 5.3  # inches, of which an SVG unit is the seventy-second part: a phone shows it nearly unscaled
STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
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


def slot(name: str) -> int:
    """Return the place of a network's color and shape in the style: always the same for the same name."""
    return NAMED.index(name) if name in NAMED else len(NAMED) + zlib.crc32(name.encode()) % (SLOTS - len(NAMED))


def look(name: str) -> tuple[str, str]:
    """Return the placeholder of this network's color, and its marker."""
    return f"#00ff{slot(name):02x}", MARKERS[slot(name)]


def new_figure(height: float, panels: int = 1, **grid: Any) -> tuple[Any, Any]:
    """Return a figure in the page's style, as wide as a phone, so many inches high; and its panel, or panels."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcdefaults()  # whatever this user's own settings are
    matplotlib.rcParams.update(STYLE)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(panels, 1, **grid)


def as_svg(figure: Any, name: str, title: str, description: str) -> Markup:
    """Return a figure as an SVG element to stand in a page: named, described, its ids its own."""
    import matplotlib

    matplotlib.rcParams["svg.hashsalt"] = name
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    svg = buffer.getvalue()
    svg = re.sub(
        r"<style.*?</style>|<metadata>.*?</metadata>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL
    )
    svg = re.sub(r'(?<=<g) id="[^"]*"| transform="rotate\(-?0 [^"]*"| font-family: [^;"]*;', "", svg)
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"\d+\.\d{3,}", _hundredths, tag[0]), svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    svg = svg.replace(TEXT, "currentColor").replace(MUTED, "var(--soft)")
    svg = re.sub(r"#00ff([0-9a-f]{2})", lambda found: f"var(--network-{int(found[1], 16)})", svg)
    svg = re.sub(r' (width|height)="[^"]*"', "", svg, count=2)  # the page decides how large it is
    start, _, rest = svg.partition(">")
    described = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    start = start.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"')
    return Markup(f"{start}>{described}{rest}")  # noqa: S704 (matplotlib escapes its text)


def _hundredths(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def short(name: str, length: int = 18) -> str:
    """Return a name that fits into a figure."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


def count_along(panel: Any, what: str) -> None:
    """Name what a panel shows from left to right, epochs or trials, by whole numbers."""
    from matplotlib.ticker import MaxNLocator

    panel.set_xlabel(what)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


class Interval(NamedTuple):
    """A row of an interval plot: an estimate, and the values that it is made of, in shares of one."""

    name: str
    estimate: Any  # value, which may be None, low and high
    values: Sequence[float] = ()
    look: tuple[str, str] = (TEXT, "o")  # color and marker
    hollow: bool = False
    note: str = ""  # at the end of the row


class Panel(NamedTuple):
    """Estimates on one scale, in per cent."""

    title: str
    rows: list[Interval]  # the first at the top
    zero: bool = False  # whether a line marks zero, as among differences


def interval_plot(name: str, title: str, description: str, *panels: Panel) -> Markup:
    """Draw panels of estimates with their intervals, from top to bottom."""
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
        for place, row in enumerate(panel.rows):
            _draw_row(axis, place, row)
            axis.text(1.01, place, row.note, transform=axis.get_yaxis_transform(), va="center", fontsize=10)
        axis.set_yticks(range(len(panel.rows)), [short(row.name, 32) for row in panel.rows])
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
