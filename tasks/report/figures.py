"""How the page's figures are drawn: SVG with real text, small enough for a phone, the same input the same bytes.

Ink and the networks' colours are the page's own, so that a figure follows light and dark; a network has a marker too,
so that it is told apart without colour.
"""

import io
import re
import threading
from collections.abc import Callable, Iterator
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


def colour(place: int) -> str:
    """Return what stands for the colour of the network at this place."""
    return f"#00ff{place % 8:02x}"


def new_figure(height: float) -> "Figure":
    """Return a figure as wide as a phone, so many inches high."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


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
    heading = f'<svg role="img" aria-label="{escape(title)}"'
    described = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    svg = re.sub(r'<svg([^>]*?) width="[^"]*"', r"<svg\1", svg.replace("<svg", heading, 1), count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    end_of_tag = svg.index(">") + 1
    return Markup(svg[:end_of_tag] + described + svg[end_of_tag:])  # noqa: S704 (matplotlib escapes its text)


def short(name: str, length: int = 18) -> str:
    """Return a name that fits into a figure."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


def plain(text: str) -> str:
    """Return a text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")


def rows(names: list[str]) -> Iterator[tuple[int, str, str, str]]:
    """Give each network's place, name, colour and marker."""
    for place, name in enumerate(names):
        yield place, name, colour(place), MARKERS[place % len(MARKERS)]


def name_rows(panel: Any, names: list[str], length: int = 20) -> None:
    """Name the rows of a panel of intervals, the first at the top; a name has so many characters at most."""
    panel.set_yticks(range(len(names)), [plain(short(name, length)) for name in names])
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)
    panel.margins(x=0.12)
