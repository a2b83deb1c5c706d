"""How the page's figures are drawn: SVG with real text, small enough for a phone, the same input the same bytes.

Ink and the networks' colours are the page's own, so that a figure follows light and dark; a network has a marker too,
so that it is told apart without colour.
"""

import io
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#123456"  # stands for the page's text colour until the SVG is written
SOFT = "#654321"  # for what stands back
MARKERS = "osD^vpX*"  # by the network's place, as the chips in style.css
WIDTH = 5.3  # inches, of which an SVG unit is the seventy-second part: a phone shows it nearly unscaled
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.grid.axis": "y",
    "grid.color": SOFT,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 10,
}

_alone = threading.RLock()


def look(place: int) -> tuple[str, str]:
    """Return what stands for the colour of the network at this place, and its marker."""
    return f"#00ff{place % 8:02x}", MARKERS[place % len(MARKERS)]


def new_figure(height: float, panels: int = 1, **grid: Any) -> tuple["Figure", Any]:
    """Return a figure as wide as a phone, so many inches high, and its panel, or its panels from top to bottom."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(panels, 1, **grid)


def styled(draw: Callable[..., Any]) -> Callable[..., Any]:
    """Draw in the page's style, whatever matplotlib's own settings are: one thread at a time, since they are global."""

    @wraps(draw)
    def drawn(*arguments: Any) -> Any:
        from matplotlib import style

        with _alone, style.context(["default", STYLE]):
            return draw(*arguments)

    return drawn


def as_svg(figure: "Figure", name: str, title: str, description: str) -> Markup:
    """Return a figure as an SVG element to stand in a page: named, described, its ids its own."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    svg = buffer.getvalue()
    svg = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r"\n\s*", "\n", svg)
    prefix = re.sub(r"[^a-z0-9]+", "-", name.lower())
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = svg.replace(INK, "currentColor").replace(SOFT, "var(--soft)")
    svg = re.sub(r"#00ff([0-9a-f]{2})", lambda found: f"var(--network-{int(found[1], 16)})", svg)
    svg = re.sub(r' (width|height)="[^"]*"', "", svg, count=2)  # the page decides how large it is
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)
    described = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    end_of_tag = svg.index(">") + 1
    return Markup(svg[:end_of_tag] + described + svg[end_of_tag:])  # noqa: S704 (matplotlib escapes its text)


def short(name: str, length: int = 18) -> str:
    """Return a name that fits into a figure."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


def plain(text: str) -> str:
    """Return a text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")


def count_epochs(panel: Any) -> None:
    """Name the epochs below a panel, by whole numbers."""
    from matplotlib.ticker import MaxNLocator

    panel.set_xlabel("epoch")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def draw_interval(panel: Any, row: float, of: Any, colour: str, marker: str, **style: Any) -> None:
    """Draw, in per cent, a line from an estimate's low end to its high one, and a mark at its value, if it has one."""
    panel.plot([100 * of.low, 100 * of.high], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
    if of.value is not None:
        panel.plot([100 * of.value], [row], marker, color=colour, markersize=7, **style)


def draw_intervals(
    panel: Any, drawn: Iterable[tuple[str, Any, Sequence[float]]], *, title: str, of_networks: bool, length: int = 20
) -> None:
    """Draw a row for each name, of so many characters at most: its estimate and, above, the values that it is made of.

    The first is at the top. They are of a network each, in its colour and with its marker, or differences around zero.
    """
    panel.set_title(title)
    if not of_networks:
        panel.axvline(0, color=INK, linewidth=0.8)
    names = []
    for row, (name, estimate, values) in enumerate(drawn):
        names.append(plain(short(name, length)))
        colour, marker = look(row) if of_networks else (INK, "o")
        draw_interval(panel, row + (0.22 if values else 0), estimate, colour, marker)
        if values:
            style = {"color": colour, "markersize": 5, "alpha": 0.6, "markeredgewidth": 0}
            panel.plot([100 * value for value in values], [row - 0.15] * len(values), marker, **style)
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)
    panel.margins(x=0.12)
