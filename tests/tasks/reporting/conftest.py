"""Runs to report on, of the fixture's images and whatever probabilities a test wants; and Chromium to look at pages."""

import copy
import dataclasses
import json
import shutil

import numpy as np
import pytest

from tasks.compare import Candidate, compare_networks
from tasks.evaluation.metrics import measure
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.progress import Event
from tasks.reporting.data import Run, gather
from tasks.reporting.live import LivePage
from tasks.reporting.page import render, report_data_of, sprite_of
from tasks.reporting.publish import publish
from tests.conftest import wait_until

HOSTILE = '<script>document.title = "taken"</script>"&\' \N{RIGHT-TO-LEFT OVERRIDE}אב' + "x" * 200


def artifact(folder):
    return Artifact(folder, json.loads((folder / "manifest.json").read_text()))


@pytest.fixture(scope="session")
def gathered(finished_run):
    """Gather the finished run as if its data set were this one."""
    data = finished_run / "data"

    def one(kind):
        return artifact(next((data / kind).glob("[!.]*")))

    def each(kind):
        return {name: artifact(next((data / kind).glob(f"{name}-*"))) for name in ("baseline", "dropout")}

    def gathered(data_set, study=lambda train: {}):
        mapped = [made for kind in ("train", "evaluate") for made in each(kind).values()]
        made = [one("download"), one("validate"), one("prepare"), *mapped, one("compare")]
        asked = {"command": "python flows/main.py", "departures": ("epochs 4 instead of 20",)}
        return gather(made, study(each("train")), {}, data_set=data_set, **asked)

    return gathered


@pytest.fixture(scope="session")
def run(gathered, data_set) -> Run:
    """The finished run, as if the fixture, a part of it, were Fashion-MNIST itself."""
    return gathered(data_set.model_copy(update={"name": "fashion-mnist"}))


@pytest.fixture(scope="session")
def report_data(run):
    return report_data_of(run)


@pytest.fixture(scope="session")
def html(run, report_data):
    return render(report_data, sprite_of(report_data, run.images))


def page_of(run):
    """Return a run's page."""
    report_data = report_data_of(run)
    return render(report_data, sprite_of(report_data, run.images))


def made_up(run, probabilities):
    """Return a run of these networks, whose probabilities of the test images (n × 10), float32, are these."""
    labels = {split: run.file_labels["test" if split == "test" else "train"][at] for split, at in run.places.items()}
    like = next(iter(run.probabilities.values()))
    by_network = {name: {**like, "test": of.astype(np.float32)} for name, of in probabilities.items()}
    metrics = {name: {s: measure(by[s], labels[s]) for s in labels} for name, by in by_network.items()}
    candidates = {
        name: Candidate(
            accuracy={split: of.accuracy for split, of in metrics[name].items()},
            probabilities=by_network[name],
            parameters=1000 + place,
            running_accuracy=run.histories["dropout"][-1]["accuracy"],
        )
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
        page.on(
            "request",
            lambda request: wrong.extend([request.url] if not request.url.startswith(("file:", "data:")) else []),
        )
        page.goto(path.as_uri())
        opened.append((context, wrong))
        return page

    yield visit
    for context, wrong in opened:
        context.close()
        assert wrong == []


@pytest.fixture(scope="session")
def report(html, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def odd(run, tmp_path_factory):
    """The page of eight networks, one of them and one class with a hostile name."""
    names = [HOSTILE, *(f"network {number}" for number in range(7))]
    networks = {name: sharp(run, place, 1 + place / 4) for place, name in enumerate(names)}
    data_set = run.data_set.model_copy(update={"class_names": (*run.data_set.class_names[:9], HOSTILE)})
    path = tmp_path_factory.mktemp("odd") / "report.html"
    path.write_text(page_of(dataclasses.replace(made_up(run, networks), data_set=data_set)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def reports(finished_run, tmp_path_factory):
    """A folder with the pages of two results, their index, and a live page."""
    folder = tmp_path_factory.mktemp("reports")
    first = artifact_of(finished_run)
    publish(first, folder)
    other = tmp_path_factory.mktemp("other")
    shutil.copy(first.folder / "report.html", other)
    report_data = json.loads((first.folder / "report.json").read_text())
    report_data["provenance"]["nodes"]["prepare"]["settings"]["seed"] = 7
    report_data["side_by_side"]["rows"]["test_accuracy"]["values"]["dropout"]["value"] = 0.5
    report_data["side_by_side"]["test_accuracy"]["dropout"] = 0.5
    del report_data["side_by_side"]["test_accuracy"]["baseline"]
    del report_data["side_by_side"]["rows"]["gap"]
    (other / "report.json").write_text(json.dumps(report_data))
    made = first.manifest["made"] | {"at": "2099-01-02T03:04:05+00:00"}
    publish(Artifact(other, first.manifest | {"key": "0123456789abcdef", "made": made}), folder)
    return folder


def artifact_of(finished_run):
    (folder,) = (finished_run / "data" / "report").glob("[!.]*")
    return Artifact(folder, json.loads((folder / "manifest.json").read_text()))


@pytest.fixture(scope="session")
def study(two_seeds):
    """The page of a study of two seeds."""
    return two_seeds / "reports" / "latest-seeds.html"


@pytest.fixture(scope="session")
def live(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    with LivePage(folder, ["download", "train[dropout]", "report"]) as page:
        epoch = {"epoch": 1, "accuracy": 0.8, "validation_accuracy": 0.7, "loss": 0.5, "validation_loss": 0.6}
        page(Event("ended", "download", "kept"))
        page(Event("started", "train[dropout]", "not made before"))
        page(Event("advanced", "train[dropout]", "epoch 1/4", 1, 4, True, [epoch | {"learning_rate": 0.001}]))
        wait_until(lambda: page.path.exists() and "epoch 1/4" in page.path.read_text(), 20)
    return folder / "live.html"
