"""What the page shows, gathered from the artifacts: numbers, figures as SVG, pictures as PNG."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.store import Artifact
from tasks.compare import ARTICLE
from tasks.fashion_mnist import DataSet
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
    preset: str,
    seed: int,
) -> dict[str, Any]:
    """Return everything that the template names."""
    comparison = compare.json("comparison.json")
    names = list(evaluate)
    metrics = {name: artifact.json("metrics.json") for name, artifact in evaluate.items()}
    histories = {name: artifact.json("history.json") for name, artifact in train.items()}
    nodes = [download, validate, prepare, *train.values(), *evaluate.values(), compare]
    return {
        "style": Path(__file__).with_name("style.css").read_text(),
        "comparison": comparison,
        "names": names,
        "colours": figures.colours(names),
        "metrics": metrics,
        "class_names": data_set.class_names,
        "data_set": data_set,
        "article": ARTICLE,
        "seconds_per_epoch": {name: sum(e["seconds"] for e in h) / len(h) for name, h in histories.items()},
        "curves": figures.learning_curves(histories),
        "confusions": {
            name: figures.confusion_matrix(name, metrics[name]["test"]["confusion"], data_set.class_names)
            for name in names
        },
        "samples": [
            _sample("train", TRAINING_SAMPLE, download, prepare, evaluate, data_set),
            _sample("test", TEST_IMAGE, download, prepare, evaluate, data_set),
        ],
        "validation": validate.json("results.json"),
        "images": prepare.facts["images"],
        "nodes": [artifact.manifest for artifact in nodes],
        "recipes": {name: artifact.manifest["identity"]["settings"] for name, artifact in train.items()},
        "versions": {lib: v for artifact in nodes for lib, v in artifact.manifest["identity"]["versions"].items()},
        "preset": preset,
        "seed": seed,
    }


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
        **_where(file, index, prepare, evaluate, data_set.class_names),
    }


def _where(
    file: str, index: int, prepare: Artifact, evaluate: dict[str, Artifact], class_names: tuple[str, ...]
) -> dict[str, Any]:
    for split in ("test",) if file == "test" else ("train", "validation"):
        places = np.load(prepare.folder / f"{split}_indices.npy", allow_pickle=False)
        place = np.flatnonzero(places == index)
        if len(place):
            rows = {
                name: np.load(artifact.folder / f"{split}_probabilities.npy", mmap_mode="r", allow_pickle=False)[
                    place[0]
                ]
                for name, artifact in evaluate.items()
            }
            return {"split": split, "top": {name: _top_three(row, class_names) for name, row in rows.items()}}
    return {"split": None, "top": {}}


def _top_three(probabilities: np.ndarray, class_names: tuple[str, ...]) -> list[tuple[str, float]]:
    return [(class_names[i], float(probabilities[i])) for i in np.argsort(-probabilities)[:3]]


def _png(image: np.ndarray) -> str:
    """Return an image (height, width), uint8, as a data URI, dark on light as garments are shown."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, image, cmap="gray_r", vmin=0, vmax=255, format="png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
