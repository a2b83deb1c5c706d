"""What the page is made of, gathered from the artifacts of a run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import Field

from tasks.data.dataset import FASHION_MNIST, DataSet
from tasks.data.idx import read_idx
from tasks.data.splits import SPLITS, load_labels
from tasks.evaluation.comparison import Comparison
from tasks.evaluation.metrics import Metrics
from tasks.evaluation.models import Count, Model, Share
from tasks.evaluation.paired import PairwiseDifferences
from tasks.evaluation.predictions import load_probabilities
from tasks.formatting import caution
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.cache_key import label_of

CLOCK = 1.0  # seconds, to which manifests say when something was made
SHOWN = 0.0005  # the least probability that is not shown as 0.0%


class Picture(Model):
    """An image of the data set."""

    file: Literal["train", "test"]
    index: Count = Field(description="its place in its IDX file")
    label: Count = Field(description="its class, by number")


class PredictedImage(Picture):
    """A test image, and what each network predicts."""

    predictions: dict[str, list[tuple[Count, Share]]] = Field(
        description="by network: its likeliest classes and their probabilities, three at most, the likeliest first"
    )


@dataclass(frozen=True)
class Run:
    """A run's results, the winner first wherever networks are listed."""

    data_set: DataSet
    command: str  # reproduces the page
    departures: tuple[tuple[str, str, str], ...]  # of the recipe from the article's
    comparison: Comparison
    study: Artifact | None  # of seeds, in which this run's trainings have part
    decision: dict[str, Any] | None  # on the champion, if it was challenged
    metrics: dict[str, dict[str, Metrics]]  # by network, by split
    histories: dict[str, list[dict[str, Any]]]  # by network: an entry an epoch
    layers: dict[str, list[dict[str, Any]]]
    expectations: list[dict[str, Any]]
    manifests: dict[str, dict[str, Any]]  # by the node's label, in the order of the DAG
    probabilities: dict[str, dict[str, np.ndarray]]  # by network, by split: float32 (n × classes)
    labels: np.ndarray  # of the test set, uint8 (n)
    places: dict[str, np.ndarray]  # by split: each image's index in its IDX file
    images: dict[str, np.ndarray]  # by IDX file: uint8 (n, height, width)
    file_labels: dict[str, np.ndarray]  # by IDX file: uint8 (n)

    @property
    def names(self) -> list[str]:
        """The networks, the winner first."""
        return self.comparison.ranking

    @property
    def pairs(self) -> list[PairwiseDifferences]:
        """The winner minus each of the others."""
        return [pair for pair in self.comparison.pairs if pair.first == self.names[0]]

    @property
    def summary(self) -> dict[str, dict[str, Any]]:
        """What each node says of its artifact, and measured when it made it, by label."""
        return {label: of["summary"] | of["made"]["measured"] for label, of in self.manifests.items()}

    @cached_property
    def spans(self) -> dict[str, tuple[float, float]]:
        """When each node's process started and ended, in seconds, by label."""
        ends = {label: (datetime.fromisoformat(of["made"]["at"]), of["made"]) for label, of in self.manifests.items()}
        return {label: (end.timestamp() - made["seconds"], end.timestamp()) for label, (end, made) in ends.items()}

    def ran_together(self, one: str, other: str) -> bool:
        """Tell whether two nodes ran at the same time, by their labels."""
        (start, end), (other_start, other_end) = self.spans[one], self.spans[other]
        return min(end, other_end) - max(start, other_start) > CLOCK

    @property
    def is_fashion_mnist(self) -> bool:
        """Whether this run can be compared with what others have published of Fashion-MNIST."""
        return self.data_set.name == FASHION_MNIST.name

    @cached_property
    def predicted(self) -> dict[str, np.ndarray]:
        """Each network's first choice for every test image (n)."""
        return {name: by_split["test"].argmax(axis=1) for name, by_split in self.probabilities.items()}

    @cached_property
    def confidence(self) -> dict[str, np.ndarray]:
        """The probability of that choice (n)."""
        return {name: by_split["test"].max(axis=1) for name, by_split in self.probabilities.items()}

    def predicted_images(self, positions: Iterable[int]) -> list[PredictedImage]:
        """Return the images at these positions of the test split, with each network's likeliest classes."""
        return [
            PredictedImage(
                file="test",
                index=self.places["test"][position],
                label=self.labels[position],
                predictions={name: _likeliest(of["test"][position]) for name, of in self.probabilities.items()},
            )
            for position in positions
        ]

    def most_confident(self, chosen: np.ndarray, confidence: np.ndarray) -> np.ndarray:
        """Return the positions of the chosen test images (n, bool), those of the highest confidence (n) first."""
        positions = np.flatnonzero(chosen)
        return positions[np.argsort(-confidence[positions], kind="stable")]

    @property
    def caution(self) -> str | None:
        """What a reader must know before believing a number."""
        images = self.summary["prepare"]["images"]
        unrepeatable = [name for name in self.names if not self.summary[f"train[{name}]"].get("repeatable", True)]
        return caution(images["train"] + images["validation"], self.data_set.counts["train"], *unrepeatable)


def _likeliest(probabilities: np.ndarray) -> list[tuple[int, float]]:
    first, *others = np.argsort(-probabilities, kind="stable")[:3]
    shown = [first, *(index for index in others if probabilities[index] >= SHOWN)]
    return [(int(index), round(float(probabilities[index]), 6)) for index in shown]


def gather(made: list[Artifact], study: dict[str, Artifact], challenge: dict[str, Artifact], **settings: Any) -> Run:
    """Return the run of these artifacts, in the order of the DAG; settings: `data_set`, `command`, `departures`."""
    of = {artifact.manifest["label"]: artifact for artifact in made}
    comparison = Comparison(**of["compare"].json("comparison.json"))
    names = comparison.ranking
    arrays = {role: read_idx(of["download"].folder / file.name) for role, file in settings["data_set"].files.items()}
    prepared = of["prepare"].folder
    return Run(
        **settings,
        comparison=comparison,
        decision=next((decided.summary for decided in challenge.values()), None),
        study=next((found for found in study.values() if _has_part(of, names, found)), None),
        metrics={n: {s: Metrics(**m) for s, m in of[f"evaluate[{n}]"].json("metrics.json").items()} for n in names},
        histories={name: of[f"train[{name}]"].json("history.json") for name in names},
        layers={name: of[f"evaluate[{name}]"].json("layers.json") for name in names},
        expectations=of["validate"].json("results.json"),
        manifests={label: artifact.manifest for label, artifact in of.items()},
        probabilities={n: {s: load_probabilities(of[f"evaluate[{n}]"].folder, s) for s in SPLITS} for n in names},
        labels=load_labels(prepared, "test"),
        places={split: np.load(prepared / f"{split}_indices.npy", allow_pickle=False) for split in SPLITS},
        images={file: arrays[f"{file}_images"] for file in ("train", "test")},
        file_labels={file: arrays[f"{file}_labels"] for file in ("train", "test")},
    )


def _has_part(of: dict[str, Artifact], names: list[str], study: Artifact) -> bool:
    """Whether these very trainings are among the study’s: others, such as of older code, say nothing here."""
    seed, inputs = of["prepare"].manifest["cache_key"]["settings"]["seed"], study.manifest["cache_key"]["inputs"]
    return all(inputs[label_of("train", name, f"seed {seed}")] == of[f"train[{name}]"].digest for name in names)
