"""Runs to report on, of the fixture's images and whatever probabilities a test wants; and Chromium to look at pages."""

import copy
import dataclasses
import json
import shutil

import numpy as np
import pytest
from markupsafe import Markup

from tasks.compare import compare_networks, result_of
from tasks.evaluation.intervals import proportion
from tasks.evaluation.metrics import measure
from tasks.evaluation.paired import Predictions
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.progress import Event
from tasks.reporting.data import Run, gather
from tasks.reporting.live import LivePage
from tasks.reporting.page import render, render_section, report_data_of, sprite_of
from tasks.reporting.publish import publish

HOSTILE = '<script>document.title = "taken"</script>"&\' \N{RIGHT-TO-LEFT OVERRIDE}אב' + "x" * 200
MAPPED = [f"{node}[{network}]" for node in ("train", "evaluate") for network in ("baseline", "dropout")]
FIGURES = {"accuracy": 0.8, "validation_accuracy": 0.7, "loss": 0.5, "validation_loss": 0.6, "learning_rate": 0.001}
EPOCHS = [{"epoch": epoch, **FIGURES} for epoch in (1, 2)]


@pytest.fixture(scope="session")
def made(finished_run):
    """The artifacts of the finished run, by label."""
    found = [Artifact.at(path.parent) for path in (finished_run / "data").glob("*/[!.]*/manifest.json")]
    return {artifact.manifest["label"]: artifact for artifact in found}


def gathered(made, data_set, **study):
    """Gather the finished run as if its data set were this one."""
    artifacts = [made[label] for label in ("download", "validate", "prepare", *MAPPED, "compare")]
    asked = {"command": "python flows/main.py", "departures": (("dropout: epochs", "30", "4"),)}
    return gather(artifacts, study, {}, data_set=data_set, **asked)


@pytest.fixture(scope="session")
def run(made, data_set) -> Run:
    """The finished run, as if the fixture, a part of it, were Fashion-MNIST itself."""
    return gathered(made, data_set.model_copy(update={"name": "fashion-mnist"}))


@pytest.fixture(scope="session")
def report_data(run):
    return report_data_of(run)


def page_of(run):
    """Return a run's page."""
    report_data = report_data_of(run)
    return render(report_data, sprite_of(report_data, run.images))


def sections_of(run, *sections):
    """Return sections of a run's page, one after the other."""
    report_data = report_data_of(run)
    sprite = sprite_of(report_data, run.images)
    return "".join(render_section(section, report_data, sprite) for section in sections)


def made_up(run, probabilities):
    """Return a run of these networks, whose probabilities of the test images (n × 10), float32, are these."""
    labels = {split: run.file_labels["test" if split == "test" else "train"][at] for split, at in run.places.items()}
    like = next(iter(run.probabilities.values()))
    by_network = {name: {**like, "test": of.astype(np.float32)} for name, of in probabilities.items()}
    metrics = {name: {s: measure(by[s], labels[s]) for s in labels} for name, by in by_network.items()}
    running = proportion(run.histories["dropout"][-1]["accuracy"], len(labels["train"]))
    results = {
        name: result_of({split: of.accuracy for split, of in metrics[name].items()}, running, 1000 + place)
        for place, name in enumerate(by_network)
    }
    comparison = compare_networks(
        results, {name: Predictions.of(by, labels) for name, by in by_network.items()}, labels
    )
    manifests = {label: of_node for label, of_node in run.manifests.items() if not of_node["network"]}
    for name in by_network:
        for node in ("train", "evaluate"):
            manifest = copy.deepcopy(run.manifests[f"{node}[dropout]"])
            manifests[f"{node}[{name}]"] = manifest | {"network": name, "label": f"{node}[{name}]"}
    return dataclasses.replace(
        run,
        comparison=comparison,
        metrics={name: metrics[name] for name in comparison.ranking},
        histories=dict.fromkeys(comparison.ranking, run.histories["dropout"]),
        layers=dict.fromkeys(comparison.ranking, run.layers["dropout"]),
        manifests=manifests,
        probabilities={name: by_network[name] for name in comparison.ranking},
    )


def sharp(run, seed, sharpness=3.0):
    """Return made-up probabilities of the run's test images: the sharper, the more often correct."""
    logits = np.random.default_rng(seed).normal(size=(len(run.labels), 10)) + sharpness * np.eye(10)[run.labels]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.fixture
def visit(chromium):
    """Open a file, at this width, and check at the end that nothing was asked of the network and nothing went wrong."""
    opened = []

    def visit(path, width=1280, **options):
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)
        page = context.new_page()
        wrong = []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or wrong.append(request.url))
        page.goto(path.as_uri())
        opened.append((context, wrong))
        return page

    yield visit
    for context, wrong in opened:
        context.close()
        assert wrong == []


@pytest.fixture(scope="session")
def report(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page_of(run), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def odd(run, tmp_path_factory):
    """The page of eight networks, with hostile names wherever a user may give one."""
    names = [HOSTILE, "$x^2$ & <b>", *(f"network {number}" for number in range(6))]
    networks = {name: sharp(run, place, 1 + place / 4) for place, name in enumerate(names)}
    classes = (*run.data_set.class_names[:9], HOSTILE)
    data_set = run.data_set.model_copy(update={"class_names": classes, "license": HOSTILE, "citation": HOSTILE})
    hostile = {"data_set": data_set, "command": HOSTILE, "departures": ((HOSTILE, HOSTILE, HOSTILE),)}
    path = tmp_path_factory.mktemp("odd") / "report.html"
    path.write_text(page_of(dataclasses.replace(made_up(run, networks), **hostile)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def reports(made, tmp_path_factory):
    """A folder with the pages of two results and their index."""
    folder, other = tmp_path_factory.mktemp("reports"), tmp_path_factory.mktemp("other")
    first = made["report"]
    publish(first, folder)
    shutil.copy(first.folder / "report.html", other)
    report_data = first.json("report.json")
    report_data["provenance"]["nodes"]["prepare"]["settings"]["seed"] = 7
    rows = report_data["side_by_side"]["rows"]
    rows["test_accuracy"]["values"] = {"dropout": {"value": 0.5, "low": 0.4, "high": 0.6}}
    del rows["gap"]
    (other / "report.json").write_text(json.dumps(report_data))
    made_later = first.manifest["made"] | {"at": "2099-01-02T03:04:05+00:00"}
    publish(Artifact(other, first.manifest | {"key": "0123456789abcdef", "made": made_later}), folder)
    return folder


@pytest.fixture(scope="session")
def pages(report, odd, reports, two_seeds, tmp_path_factory):
    """A page of each kind."""
    live = LivePage(tmp_path_factory.mktemp("live"), ["download", "train[dropout]", "report"])
    live(Event("ended", "download", "kept"))
    live(Event("started", "train[dropout]", "not made before"))
    live(Event("advanced", "train[dropout]", "epoch 1/4", 1, 4, True, EPOCHS[:1]))
    live._write()
    study = two_seeds / "reports" / "latest-seeds.html"
    return {"report": report, "odd": odd, "index": reports / "index.html", "live": live.path, "study": study}


def text_of(run, *sections):
    """Return sections of a run's page as they are read."""
    return Markup(sections_of(run, *sections)).striptags()  # noqa: S704 (it is only read)
