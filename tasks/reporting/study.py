"""A study's page: what its trainings show together, and each of them."""

from itertools import zip_longest
from typing import Any

import numpy as np
from markupsafe import Markup

from tasks.evaluation.models import Model, Seconds
from tasks.evaluation.studies import StudyResults
from tasks.formatting import percent, points
from tasks.pipeline.artifact import Artifact
from tasks.reporting.html import page
from tasks.reporting.plots import (
    Interval,
    Panel,
    as_svg,
    count_along,
    interval_plot,
    look,
    new_figure,
    short,
)


class Provenance(Model):
    """What the page of every study says besides its results: of what, and how it was made."""

    data_set: str
    caution: str | None
    command: str
    machines: list[str]
    commits: list[str]
    versions: dict[str, str]
    keys: dict[str, str]  # by node
    made_at: str


class Trainings(Model):
    """A network's trainings, in the order of the members."""

    flipped: bool  # whether probabilities are averaged over an image and its mirror image
    seconds: list[Seconds]
    histories: list[list[dict[str, float]]]  # an entry an epoch


class Study(Provenance, StudyResults):
    """Every number of the page of seeds or folds."""

    trainings: dict[str, Trainings]  # by network
    departures: tuple[tuple[str, str, str], ...]

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """What the command line prints at the end, by network."""
        return {
            name: {f"{split}_accuracy": of.mean.value for split, of in network.accuracy.items()}
            | {
                "parameters": network.parameters,
                "training_seconds": sum(self.trainings[name].seconds) / len(self.members),
            }
            for name, network in self.networks.items()
        }


def numbers(
    validate: Artifact, train: dict[str, Artifact], evaluate: dict[str, Artifact], results: Artifact, **settings: Any
) -> Study:
    """Gather every number of the page; `settings` are those of the fields of the same names."""
    study = StudyResults(**results.json("study.json"))
    trainings = {}
    for name in study.networks:
        made = [train[f"{name}, {member}"] for member in study.members]
        read = evaluate[f"{name}, {study.members[0]}"].manifest["cache_key"]["settings"]
        trainings[name] = Trainings(
            flipped=read.get("tta") == "flip",  # trees have no such setting
            seconds=[training.measured["seconds"] for training in made],
            histories=[training.json("history.json") for training in made],
        )
    made_of = provenance_of([validate, results], train=train, evaluate=evaluate)
    return Study(**dict(study), trainings=trainings, **settings, **made_of)


def provenance_of(artifacts: list[Artifact], **by_member: dict[str, Artifact]) -> dict[str, Any]:
    """Return how these artifacts were made, and those of each node by member, which their manifests do not name."""
    labelled = {f"{node}[{of}]": artifact for node, each in by_member.items() for of, artifact in each.items()}
    labelled |= {artifact.manifest["label"]: artifact for artifact in artifacts}
    made = [artifact.manifest["made"] for artifact in labelled.values()]
    return {
        "machines": sorted({f"{of_node['processor']}, {of_node['cores']} cores" for of_node in made}),
        "commits": sorted({of_node["commit"] for of_node in made}),
        "versions": {k: v for of in labelled.values() for k, v in of.manifest["cache_key"]["versions"].items()},
        "keys": {label: artifact.key for label, artifact in labelled.items()},
        "made_at": max(of_node["at"] for of_node in made),
    }


def render(study: Study) -> str:
    """Return the page; it asks the network for nothing."""
    several_epochs = any(len(history) > 1 for of in study.trainings.values() for history in of.histories)
    plots = {
        "accuracies": _accuracies(study),
        "differences": _differences(study) if study.pairs else "",
        "curves": _bands(study) if several_epochs else "",
    }
    return page("study.html.j2", study=study, plots=plots)


def _accuracies(study: Study) -> Markup:
    """Draw each training's validation accuracy, and the mean with its interval."""
    found = {name: network.accuracy["validation"] for name, network in study.networks.items()}
    panel = Panel(
        "Validation accuracy, % (picks the winner)",
        [Interval(name, of.mean, of.values, look(name)) for name, of in found.items()],
    )
    means = "; ".join(f"{name} {percent(of.mean.value)}" for name, of in found.items())
    return interval_plot("accuracies", "Validation accuracy of every training", f"Means: {means}.", panel)


def _differences(study: Study) -> Markup:
    """Draw the difference of each pair of trainings, and the mean with its interval."""
    rows, means = [], []
    for pair in study.pairs:
        for split in [split for split in ("validation", "test") if split in pair.accuracy]:
            of = pair.accuracy[split]
            rows.append(Interval(f"{short(pair.first, 9)} − {short(pair.second, 9)}, {split}", of.mean, of.values))
            means.append(f"{pair.first} minus {pair.second}, {split}: {points(of.mean.value)}")
    panel = Panel("Difference, first − second (points)", rows, zero=True)
    description = f"Mean differences in points: {'; '.join(means)}."
    return interval_plot("differences", "Differences, training by training", description, panel)


def _bands(study: Study) -> Markup:
    """Draw each network's validation accuracy by epoch: the mean, and from the lowest to the highest."""
    figure, panel = new_figure(3.3)
    for name, trainings in study.trainings.items():
        color, marker = look(name)
        curves = [[epoch["validation_accuracy"] for epoch in history] for history in trainings.histories]
        by_epoch = [[of for of in each if of is not None] for each in zip_longest(*curves)]  # trees end at any round
        lowest, mean, highest = (100 * np.array([of(values) for values in by_epoch]) for of in (min, np.mean, max))
        epochs, every = range(1, len(by_epoch) + 1), max(1, len(by_epoch) // 10)
        panel.fill_between(epochs, lowest, highest, color=color, alpha=0.2)
        panel.plot(epochs, mean, color=color, marker=marker, markevery=every, markersize=5, label=short(name))
    panel.set_title("Validation accuracy, %")
    count_along(panel, "epoch")
    panel.grid()
    panel.legend(loc="best")
    return as_svg(figure, "bands", "Validation accuracy by epoch", "Lines are means; bands go from lowest to highest.")
