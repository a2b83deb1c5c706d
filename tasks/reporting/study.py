"""A study's page: what its trainings show together, and each of them."""

from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from tasks.data.splits import SPLITS
from tasks.formatting import percent, points
from tasks.pipeline.artifact import Artifact
from tasks.reporting.html import Templates
from tasks.reporting.models import Count, Estimate, Model, Seconds
from tasks.reporting.plots import as_svg, count_epochs, draw_intervals, look, new_figure, plain, short, styled


class Summary(Model):
    """A quantity over the trainings: each one's value, their mean with its 95 % interval, their standard deviation."""

    values: list[float]
    mean: float
    deviation: float
    interval: tuple[float, float]

    @property
    def drawn(self) -> tuple[Estimate, list[float]]:
        """The mean, and of what."""
        return Estimate(value=self.mean, low=self.interval[0], high=self.interval[1]), self.values


class Difference(Summary):
    """How much higher the first network's accuracy is, training by training."""

    bootstrap: tuple[float, float]
    better: Count
    to_settle: Count | None


class OfNetwork(Model):
    """A network's trainings, in the order of the members."""

    parameters: Count
    mirrored: bool  # in inference
    accuracy: dict[str, Summary]  # by split
    seconds: list[Seconds]
    histories: list[list[dict[str, float]]]  # an entry an epoch


class Pair(Model):
    """Two networks, trained alike."""

    first: str
    second: str
    accuracy: dict[str, Difference]  # by split


class AnyStudy(Model):
    """What the page of every study says: of seeds, of folds, or a search."""

    data_set: str
    kind: str
    keep: str
    verdict: list[str]
    caution: str | None
    command: str
    machines: list[str]
    commits: list[str]
    versions: dict[str, str]
    keys: dict[str, str]  # by node
    made_at: str

    def fill(self, output: Path, page: str, networks: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Fill a report's artifact; return its facts, with the rows that the command line prints at the end."""
        (output / "report.json").write_text(self.model_dump_json(), encoding="utf-8")
        (output / "report.html").write_text(page, encoding="utf-8")
        facts = {"study": self.kind, "keep": self.keep, "verdict": self.verdict, "caution": self.caution}
        return facts | {"networks": networks}


class Study(AnyStudy):
    """Every number of the page of seeds or folds."""

    members: list[str]
    tied: list[str]
    networks: dict[str, OfNetwork]  # the best first
    pairs: list[Pair]
    departures: tuple[str, ...]


def numbers(
    before: list[Artifact], train: dict[str, Artifact], evaluate: dict[str, Artifact], **settings: Any
) -> Study:
    """Gather every number of the page; the last artifact before it is the comparison."""
    study = before[-1].json("study.json")
    labelled = {f"train[{of}]": made for of, made in train.items()}
    labelled |= {f"evaluate[{of}]": made for of, made in evaluate.items()} | {a.manifest["label"]: a for a in before}
    networks = {}
    for name, row in study["networks"].items():
        trainings = [train[f"{name}, {member}"] for member in study["members"]]
        asked = evaluate[f"{name}, {study['members'][0]}"].manifest["cache_key"]["settings"]
        networks[name] = OfNetwork.from_row(
            row,
            mirrored=asked.get("tta") == "flip",  # trees are asked in one way alone
            accuracy=_by_split(row, Summary),
            seconds=[training.measured["seconds"] for training in trainings],
            histories=[training.json("history.json") for training in trainings],
        )
    pairs = [Pair.from_row(pair, accuracy=_by_split(pair, Difference)) for pair in study["pairs"]]
    return Study.from_row(study, networks=networks, pairs=pairs, **settings, **making(labelled))


def making(labelled: dict[str, Artifact]) -> dict[str, Any]:
    """Return how these artifacts, by label, were made."""
    made = [artifact.manifest["made"] for artifact in labelled.values()]
    return {
        "machines": sorted({f"{of_node['processor']}, {of_node['cores']} cores" for of_node in made}),
        "commits": sorted({of_node["commit"] for of_node in made}),
        "versions": {k: v for a in labelled.values() for k, v in a.manifest["cache_key"]["versions"].items()},
        "keys": {label: artifact.key for label, artifact in labelled.items()},
        "made_at": max(of_node["at"] for of_node in made),
    }


def _by_split(row: dict[str, Any], kind: type[Summary]) -> dict[str, Any]:
    return {split: kind(**row[f"{split}_accuracy"]) for split in SPLITS if f"{split}_accuracy" in row}


def render(study: Study) -> str:
    """Return the page; it asks the network for nothing."""
    templates = Templates(head={"networks": list(study.networks)})
    figures = {"accuracies": _accuracies(study), "curves": _bands(study)}
    figures["differences"] = _differences(study) if study.pairs else ""
    return templates.page("study.html.j2", study=study, figures=figures)


@styled
def _accuracies(study: Study) -> Markup:
    """Draw each training's validation accuracy, and the mean with its interval."""
    means = [(name, *of.accuracy["validation"].drawn) for name, of in study.networks.items()]
    figure, panel = new_figure(0.95 + 0.5 * len(means))
    draw_intervals(panel, means, title="validation accuracy, % (this decides)", of_networks=True, length=32)
    told = "; ".join(f"{name} {percent(of.accuracy['validation'].mean)}" for name, of in study.networks.items())
    return as_svg(figure, "accuracies", "Validation accuracy of every training", f"Means: {told}.")


@styled
def _differences(study: Study) -> Markup:
    """Draw the difference of each pair of trainings, and the mean with its interval."""
    splits = [split for split in ("validation", "test") if split in study.pairs[0].accuracy]
    drawn = [(pair, split) for pair in study.pairs for split in splits]
    means = [
        (f"{short(of.first, 9)} − {short(of.second, 9)}, {split}", *of.accuracy[split].drawn) for of, split in drawn
    ]
    figure, panel = new_figure(0.95 + 0.5 * len(means))
    draw_intervals(panel, means, title="first minus second, points", of_networks=False, length=32)
    told = "; ".join(f"{of.first} minus {of.second}, {split}: {points(of.accuracy[split].mean)}" for of, split in drawn)
    return as_svg(figure, "differences", "Differences, training by training", f"Mean differences in points: {told}.")


@styled
def _bands(study: Study) -> Markup:
    """Draw each network's validation accuracy by epoch: the mean, and from the lowest to the highest."""
    figure, panel = new_figure(3.3)
    for place, (name, network) in enumerate(study.networks.items()):
        colour, marker = look(place)
        curves = [[epoch["validation_accuracy"] for epoch in history] for history in network.histories]
        by_epoch = [[of for of in each if of is not None] for each in zip_longest(*curves)]  # trees end unequally late
        lowest, mean, highest = (100 * np.array([of(values) for values in by_epoch]) for of in (min, np.mean, max))
        epochs = range(1, len(by_epoch) + 1)
        panel.fill_between(epochs, lowest, highest, color=colour, alpha=0.2)
        every = max(1, len(by_epoch) // 10)
        style: dict[str, Any] = {"marker": marker, "markevery": every, "markersize": 5, "label": plain(short(name))}
        panel.plot(epochs, mean, color=colour, **style)
    panel.set_title("validation accuracy, %")
    count_epochs(panel)
    panel.grid()
    panel.legend(loc="best")
    return as_svg(figure, "bands", "Validation accuracy by epoch", "Lines are means; bands go from lowest to highest.")
