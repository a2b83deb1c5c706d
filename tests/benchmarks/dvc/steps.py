"""The stages' work: plain Keras, with a file between each step and the next."""

import base64
import io
import json
import sys
import time
from pathlib import Path

import numpy as np

SPLITS = ("train", "validation", "test")


def prepare() -> None:
    limit = int(Path("params.yaml").read_text().split("limit:")[1].split()[0])
    read = {name: np.fromfile(f"raw/{name}-ubyte", np.uint8) for name in FILES}
    images, test_images = (
        read[f"{split}-images-idx3"][16:].reshape(-1, 28, 28, 1) / np.float32(255) for split in ORIGINS
    )
    labels, test_labels = (read[f"{split}-labels-idx1"][8:] for split in ORIGINS)
    order = np.random.default_rng(0).permutation(len(images))[:limit]
    cut = round(0.9 * len(order))
    Path("prepared").mkdir(exist_ok=True)
    for split, chosen in (("train", order[:cut]), ("validation", order[cut:])):
        np.savez(f"prepared/{split}.npz", images=images[chosen], labels=labels[chosen])
    np.savez("prepared/test.npz", images=test_images[:limit], labels=test_labels[:limit])


def train(name: str) -> None:
    import keras

    from tasks.settings.models import networks

    told = Path("params.yaml").read_text()
    epochs, batch_size = (int(told.split(f"{word}:")[1].split()[0]) for word in (name, "batch_size"))
    keras.utils.set_random_seed(0)
    model = networks()[name].build()
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    data = {split: np.load(f"prepared/{split}.npz") for split in SPLITS[:2]}
    (images, labels), validation = ((data[split]["images"], data[split]["labels"]) for split in SPLITS[:2])
    began = time.perf_counter()
    history = model.fit(
        images, labels, epochs=epochs, batch_size=batch_size, validation_data=validation, verbose=0
    ).history
    seconds = time.perf_counter() - began
    folder = Path("trained", name)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.keras")
    (folder / "history.json").write_text(json.dumps({**history, "seconds": seconds}))


def evaluate(name: str) -> None:
    import keras

    model = keras.saving.load_model(f"trained/{name}/model.keras")
    folder = Path("evaluated", name)
    folder.mkdir(parents=True, exist_ok=True)
    metrics = {}
    for split in SPLITS:
        data = np.load(f"prepared/{split}.npz")
        probabilities = model.predict(data["images"], batch_size=500, verbose=0)
        np.save(folder / f"{split}.npy", probabilities)
        metrics[split] = float((probabilities.argmax(1) == data["labels"]).mean())
    (folder / "metrics.json").write_text(json.dumps(metrics))


def report() -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    metrics = {path.parent.name: json.loads(path.read_text()) for path in Path("evaluated").glob("*/metrics.json")}
    for name in metrics:
        history = json.loads(Path("trained", name, "history.json").read_text())
        pyplot.plot(history["accuracy"], label=f"{name}, train")
        pyplot.plot(history["val_accuracy"], label=f"{name}, validation")
    pyplot.legend()
    picture = io.BytesIO()
    pyplot.savefig(picture)
    rows = "".join(
        f"<tr><td>{name}<td>{told['validation']:.4f}<td>{told['test']:.4f}" for name, told in metrics.items()
    )
    keep = max(metrics, key=lambda name: metrics[name]["validation"])
    page = Path("report.html.in").read_text()
    curves = base64.b64encode(picture.getvalue()).decode()
    Path("report.html").write_text(page.format(keep=keep, rows=rows, curves=curves))


ORIGINS = ("train", "t10k")
FILES = [f"{split}-{kind}" for split in ORIGINS for kind in ("images-idx3", "labels-idx1")]

if __name__ == "__main__":
    {"prepare": prepare, "train": train, "evaluate": evaluate, "report": report}[sys.argv[1]](*sys.argv[2:])
