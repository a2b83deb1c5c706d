"""Runs to report on: that of the fixture, and others made up of its images and whatever probabilities a test wants."""

import copy
import dataclasses
import json

import numpy as np
import pytest

from tasks.artifacts.store import Artifact
from tasks.compare import compare_networks
from tasks.metrics import measure
from tasks.report.gather import Run, gather
from tasks.report.page import render, sprite_of, twin_of

HOSTILE = '<script>document.title = "taken"</script>"&\' \N{RIGHT-TO-LEFT OVERRIDE}אב' + "x" * 200


def artifact(folder):
    return Artifact(folder, json.loads((folder / "manifest.json").read_text()))


@pytest.fixture(scope="session")
def gathered(finished_run):
    """Gather the finished run as if its data set were this one."""
    data = finished_run / "data"

    def one(kind):
        return artifact(next((data / kind).glob("*")))

    def each(kind):
        return {name: artifact(next((data / kind).glob(f"{name}-*"))) for name in ("baseline", "dropout")}

    def gathered(data_set):
        singles = (one(kind) for kind in ("download", "validate", "prepare"))
        departures = ("epochs 4 instead of 20",)
        return gather(
            *singles, each("train"), each("evaluate"), one("compare"), data_set, "python flows/main.py", departures
        )

    return gathered


@pytest.fixture(scope="session")
def run(gathered, data_set) -> Run:
    """The finished run, as if the fixture, a part of it, were Fashion-MNIST itself."""
    return gathered(data_set.model_copy(update={"name": "fashion-mnist"}))


@pytest.fixture(scope="session")
def twin(run):
    return twin_of(run)


@pytest.fixture(scope="session")
def html(run, twin):
    return render(twin, sprite_of(twin, run.images))


def page_of(run):
    """Return a run's page."""
    twin = twin_of(run)
    return render(twin, sprite_of(twin, run.images))


def made_up(run, probabilities):
    """Return a run of these networks, whose probabilities of the test images (n × 10), float32, are these."""
    labels = {split: run.file_labels["test" if split == "test" else "train"][at] for split, at in run.places.items()}
    like = next(iter(run.probabilities.values()))
    by_network = {name: {**like, "test": of.astype(np.float32)} for name, of in probabilities.items()}
    metrics = {name: {s: measure(by[s], labels[s]) for s in labels} for name, by in by_network.items()}
    candidates = {
        name: {"metrics": metrics[name], "parameters": 1000 + place, "probabilities": by_network[name]}
        for place, name in enumerate(by_network)
    }
    comparison = compare_networks(candidates, labels)
    manifests = {label: of_node for label, of_node in run.manifests.items() if not of_node["network"]}
    for name in by_network:
        for node in ("train", "evaluate"):
            manifest = copy.deepcopy(run.manifests[f"{node}[dropout]"])
            manifests[f"{node}[{name}]"] = manifest | {"network": name, "label": f"{node}[{name}]"}
    return dataclasses.replace(
        run,
        comparison=comparison,
        metrics={name: metrics[name] for name in comparison["ranking"]},
        histories=dict.fromkeys(comparison["ranking"], run.histories["dropout"]),
        layers=dict.fromkeys(comparison["ranking"], run.layers["dropout"]),
        manifests=manifests,
        probabilities={name: by_network[name] for name in comparison["ranking"]},
    )


def sharp(run, seed, sharpness=3.0):
    """Return made-up probabilities of the run's test images: the sharper, the more often right."""
    logits = np.random.default_rng(seed).normal(size=(len(run.labels), 10)) + sharpness * np.eye(10)[run.labels]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
