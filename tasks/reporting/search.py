"""A search's page: what its trials show together, and each of them."""

from typing import Any

import numpy as np
from markupsafe import Markup

from tasks.formatting import percent
from tasks.pipeline.artifact import Artifact
from tasks.reporting.html import page
from tasks.reporting.plots import MUTED, TEXT, as_svg, count_along, look, new_figure
from tasks.reporting.study import Provenance, provenance_of
from tasks.search.results import SearchResults

SHOWN = 5  # trials at the end of the command


class Search(Provenance, SearchResults):
    """Every number of the page."""

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """What the command line prints at the end, by trial: the best that were not stopped early."""
        return {
            trial.name: {
                "validation_accuracy": trial.accuracy and trial.accuracy.value,
                "parameters": trial.parameters,
                "training_seconds": trial.seconds,
            }
            for trial in [trial for trial in self.trials if not trial.pruned][:SHOWN]
        }


def numbers(validate: Artifact, train: dict[str, Artifact], results: Artifact, **settings: Any) -> Search:
    """Gather every number of the page; `settings` are those of the fields of the same names."""
    made_of = provenance_of([validate, results], train=train)
    return Search(**results.json("trials.json"), **settings, **made_of)


def render(search: Search) -> str:
    """Return the page; it asks the network for nothing."""
    importance = _importance(search) if search.importance else ""
    plots = {"trials": _trials(search), "settings": _parallel(search), "importance": importance}
    return page("search.html.j2", search=search, plots=plots)


def _trials(search: Search) -> Markup:
    """Draw each trial in the order in which it was trained, the winner marked, and the best so far."""
    figure, panel = new_figure(2.6)
    trials = sorted(search.trials, key=lambda trial: int(trial.name.rpartition(" ")[2]))
    places = np.arange(1, len(trials) + 1)
    values = np.array([100 * trial.accuracy.value if trial.accuracy else np.nan for trial in trials])
    pruned = np.array([trial.pruned for trial in trials])
    best = np.maximum.accumulate(np.where(pruned, -np.inf, values))
    color, marker = look(search.network)
    panel.step(places, np.where(best > -np.inf, best, np.nan), where="post", color=TEXT, linewidth=1.2)
    panel.plot(places[~pruned], values[~pruned], "o", color=TEXT, markersize=5)
    panel.plot(places[pruned], values[pruned], "x", color=MUTED, markersize=6)
    (place,) = [place for place, trial in enumerate(trials, 1) if trial.name == search.winner]
    kept = values[place - 1]
    panel.plot([place], [kept], marker, color=color, markersize=11)
    above = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center", "fontweight": "bold"}
    panel.annotate(search.winner, (place, kept), **above)
    panel.set_title("Validation accuracy, %")
    panel.margins(x=0.08, y=0.18)
    count_along(panel, "trial")
    panel.grid()
    description = f"{search.winner}, which is kept, has {kept:.2f}%; the highest is {best.max():.2f}%."
    return as_svg(figure, "trials", "Validation accuracy of every trial, and the best so far", description)


def _parallel(search: Search) -> Markup:
    """Draw a line per trial through its settings, an axis each; the winner’s is highlighted, with values."""
    figure, panel = new_figure(3.3)
    names = list(search.trials[0].settings)
    heights = {name: _scaled(name, [float(trial.settings[name]) for trial in search.trials]) for name in names}
    for place, name in enumerate(names):
        values = [trial.settings[name] for trial in search.trials]
        panel.text(place, 1.06, f"{max(values):g}", ha="center")
        panel.text(place, -0.06, f"{min(values):g}", ha="center", va="top")
        panel.vlines(place, 0, 1, color=TEXT, linewidth=0.8, zorder=2.1)  # over the trials’ lines
    for place, trial in reversed(list(enumerate(search.trials))):
        style: dict[str, Any] = {"color": MUTED, "linewidth": 0.8, "alpha": 0.7}
        line = [of_setting[place] for of_setting in heights.values()]
        if trial.name == search.winner:
            color, marker = look(search.network)
            style = {"color": color, "linewidth": 2.5, "marker": marker, "markersize": 8, "zorder": 3}
            beside = {"xytext": (8, 0), "textcoords": "offset points", "va": "center", "fontweight": "bold"}
            for x, (height, value) in enumerate(zip(line, trial.settings.values(), strict=True)):
                if 0.05 < height < 0.95:  # else an end of the axis names it already
                    panel.annotate(f"{value:g}", (x, height), **beside)
        panel.plot(range(len(names)), line, **style)
    panel.set(xlim=(-0.4, len(names) - 0.4), ylim=(-0.16, 1.16), yticks=[])
    panel.spines[["left", "bottom"]].set_visible(False)
    panel.tick_params(length=0)
    panel.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names])
    description = f"{len(search.trials)} trials; the winner, {search.winner}, is highlighted."
    return as_svg(figure, "settings", "The settings of every trial", description)


def _scaled(name: str, values: list[float]) -> np.ndarray:
    """Return where values lie between the lowest, 0, and the highest, 1; learning rates by their logarithm."""
    scaled = np.log10(values) if name == "learning_rate" else np.array(values)
    span = np.ptp(scaled)
    return (scaled - scaled.min()) / span if span else np.full(len(scaled), 0.5)


def _importance(search: Search) -> Markup:
    figure, panel = new_figure(0.8 + 0.32 * len(search.importance))
    names = list(search.importance)[::-1]
    panel.barh(range(len(names)), [100 * search.importance[name] for name in names], color=TEXT, height=0.6)
    panel.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    panel.set_title("Importance, %")
    shares = "; ".join(f"{name.replace('_', ' ')} {percent(share, 0)}" for name, share in search.importance.items())
    return as_svg(figure, "importance", "Which settings matter", f"{shares}.")
