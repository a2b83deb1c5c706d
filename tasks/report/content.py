"""What the page shows, gathered from the artifacts: numbers, figures as SVG, pictures as PNG."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.store import Artifact
from tasks.compare import ARTICLE
from tasks.fashion_mnist import FASHION_MNIST, DataSet
from tasks.idx import read_idx
from tasks.report import figures

TRAINING_SAMPLE, TEST_IMAGE = 220, 88  # the two images that the article looks at


def page_content(
    download: Artifact,
    validate: Artifact,
    prepare: Artifact,
    train: dict[str, Artifact],
    evaluate: dict[str, Artifact],
    compare: Artifact,
    data_set: DataSet,
) -> dict[str, Any]:
    """Return what the template names, but for what the settings alone say."""
    comparison = compare.json("comparison.json")
    metrics = {name: artifact.json("metrics.json") for name, artifact in evaluate.items()}
    histories = {name: artifact.json("history.json") for name, artifact in train.items()}
    articles = data_set.name == FASHION_MNIST.name
    return {
        "style": Path(__file__).with_name("style.css").read_text(encoding="utf-8"),
        "comparison": comparison,
        "names": list(evaluate),
        "colours": figures.colours(list(evaluate)),
        "metrics": metrics,
        "trained": {name: artifact.facts for name, artifact in train.items()},
        "evaluated": {name: artifact.facts for name, artifact in evaluate.items()},
        "data_set": data_set,
        "article": ARTICLE,
        "claims": comparison["claims"] if articles else [],
        "samples": _samples(download, prepare, evaluate, data_set) if articles else [],
        "seconds_per_epoch": {name: train[name].facts["seconds"] / len(h) for name, h in histories.items()},
        "curves": figures.learning_curves(histories),
        "confusions": {
            name: figures.confusion_matrix(name, of_network["test"]["confusion"], data_set.class_names)
            for name, of_network in metrics.items()
        },
        "validation": validate.json("results.json"),
        "images": prepare.facts["images"],
        "caution": _caution(prepare.facts["images"], data_set),
        "seed": prepare.manifest["identity"]["settings"]["seed"],
        **_provenance([download, validate, prepare, *train.values(), *evaluate.values(), compare]),
    }


def _provenance(artifacts: list[Artifact]) -> dict[str, Any]:
    """Return how each node's artifact was made, with what libraries, and on which machines."""
    nodes = [artifact.manifest for artifact in artifacts]
    machines: dict[str, list[str]] = {}
    for node in nodes:
        made = node["made"]
        machine = f"{made['processor']}, {made['cores']} cores, {made['system']}, Python {made['python']}"
        machines.setdefault(machine, []).append(node["label"])
    versions = {library: version for node in nodes for library, version in node["identity"]["versions"].items()}
    return {"nodes": nodes, "machines": machines, "versions": versions}


def _caution(images: dict[str, int], data_set: DataSet) -> str | None:
    """Return what a reader must know before believing a figure: that most images were left out, if they were."""
    used, available = images["train"] + images["validation"], data_set.counts["train"]
    if used == available:
        return None
    shares = f"Only {used:,} of the {available:,} training images were used"
    return f"{shares}: with all of them, accuracies and ranking may be others."


def _samples(
    download: Artifact, prepare: Artifact, evaluate: dict[str, Artifact], data_set: DataSet
) -> list[dict[str, Any]]:
    places = (("train", TRAINING_SAMPLE), ("test", TEST_IMAGE))
    return [_sample(file, index, download, prepare, evaluate, data_set) for file, index in places]


def _sample(
    file: str, index: int, download: Artifact, prepare: Artifact, evaluate: dict[str, Artifact], data_set: DataSet
) -> dict[str, Any]:
    """Return one image of an IDX file: its picture, its label, and each network's probabilities where it was used."""
    image = read_idx(download.folder / data_set.files[f"{file}_images"].name)[index]
    label = int(read_idx(download.folder / data_set.files[f"{file}_labels"].name)[index])
    return {
        "title": f"{'Training sample' if file == 'train' else 'Test image'} {index}",
        "picture": _png(image),
        "label": data_set.class_names[label],
        **_where(file, index, prepare, evaluate),
    }


def _where(file: str, index: int, prepare: Artifact, evaluate: dict[str, Artifact]) -> dict[str, Any]:
    for split in ("test",) if file == "test" else ("train", "validation"):
        places = np.load(prepare.folder / f"{split}_indices.npy", allow_pickle=False)
        place = np.flatnonzero(places == index)
        if len(place):
            rows = {
                name: np.load(artifact.folder / f"{split}_probabilities.npy", allow_pickle=False)[place[0]].tolist()
                for name, artifact in evaluate.items()
            }
            return {"split": split, "probabilities": rows}
    return {"split": None, "probabilities": {}}


def _png(image: np.ndarray) -> str:
    """Return an image (height, width), uint8, as a data URI, dark on light as garments are shown."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, image, cmap="gray_r", vmin=0, vmax=255, format="png", origin="upper")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
