"""A search's page: what its trials show together, and each of them."""

from typing import Any

import numpy as np
from markupsafe import Markup

from tasks.formatting import percent
from tasks.pipeline.artifact import Artifact
from tasks.reporting.html import Templates
from tasks.reporting.plots import MUTED, TEXT, as_svg, new_figure, styled
from tasks.reporting.study import Provenance, provenance_of
from tasks.search.results import SearchResults

SHOWN = 5  # trials at the end of the command


class Search(Provenance, SearchResults):
    """Every number of the page."""

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """What the command line prints at the end, by trial: the best that were not given up."""
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
    plots = {"trials": _trials(search), "settings": _parallel(search)}
    plots["importance"] = _importance(search) if search.importance else ""
    return Templates().page("search.html.j2", search=search, plots=plots)


@styled
def _trials(search: Search) -> Markup:
    """Draw each trial in the order in which it was tried, and the best so far."""
    figure, panel = new_figure(2.6)
    tried = sorted(search.trials, key=lambda trial: int(trial.name.rpartition(" ")[2]))
    places = np.arange(1, len(tried) + 1)
    values = np.array([100 * trial.accuracy.value if trial.accuracy else np.nan for trial in tried])
    up = np.array([trial.pruned for trial in tried])
    best = np.maximum.accumulate(np.where(up, -np.inf, values))
    panel.step(places, best, where="post", color=TEXT, linewidth=1.2)
    panel.plot(places[~up], values[~up], "o", color=TEXT, markersize=6)
    panel.plot(places[up], values[up], "x", color=MUTED, markersize=6)
    panel.set(title="validation accuracy, %", xlabel="trial")
    panel.grid()
    description = f"{search.winner} has the highest, {percent(np.nanmax(best) / 100)}."
    return as_svg(figure, "trials", "Validation accuracy of every trial, and the best so far", description)


@styled
def _parallel(search: Search) -> Markup:
    """Draw a line a trial through its settings, each on an axis of its own; the best tenth stands out."""
    figure, panel = new_figure(3.3)
    names = list(search.trials[0].settings)
    heights = []
    for place, name in enumerate(names):
        tried = np.array([float(trial.settings[name]) for trial in search.trials])
        panel.text(place, 1.05, f"{tried.max():g}", ha="center")
        panel.text(place, -0.12, f"{tried.min():g}", ha="center")
        panel.vlines(place, 0, 1, color=TEXT, linewidth=0.8, zorder=2.1)  # over the trials’ lines
        scaled = np.log10(tried) if name == "learning_rate" else tried
        span = np.ptp(scaled)
        heights.append((scaled - scaled.min()) / span if span else np.full(len(scaled), 0.5))
    best = max(1, len(search.trials) // 10)
    for place in range(len(search.trials) - 1, -1, -1):
        style: dict[str, Any] = {"color": MUTED, "linewidth": 0.7, "alpha": 0.7}
        if place < best:
            style = {"color": TEXT, "linewidth": 2}
        panel.plot(range(len(names)), [of_setting[place] for of_setting in heights], **style)
    panel.set(xlim=(-0.3, len(names) - 0.7), ylim=(-0.14, 1.14), yticks=[])
    panel.spines[["left", "bottom"]].set_visible(False)
    panel.tick_params(length=0)
    panel.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names])
    return as_svg(
        figure, "settings", "The settings of every trial", f"The best {best} of {len(search.trials)} stand out."
    )


@styled
def _importance(search: Search) -> Markup:
    figure, panel = new_figure(0.8 + 0.32 * len(search.importance))
    names = list(search.importance)[::-1]
    panel.barh(range(len(names)), [100 * search.importance[name] for name in names], color=TEXT, height=0.6)
    panel.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    panel.set_title("importance, %")
    shares = "; ".join(f"{name.replace('_', ' ')} {percent(share, 0)}" for name, share in search.importance.items())
    return as_svg(figure, "importance", "Which settings matter", f"{shares}.")
