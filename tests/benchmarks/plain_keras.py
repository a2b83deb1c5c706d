"""What a user would write instead: load, divide by 255, shuffle, fit the networks one after the other, evaluate.

python -m tests.benchmarks.plain_keras '{"raw": "data/raw/fashion-mnist", "epochs": {"baseline": 2}, "batch_size": 512}'

Prints a line of JSON: seconds to start and to load, those of each epoch with its validation, those to evaluate. With
"warm_up", so many images are trained on before the first epoch. It checks nothing, keeps nothing and reports nothing;
TensorFlow has its own defaults.
"""

import json
import sys
import time

began = time.perf_counter()

import keras  # noqa: E402 (its import is timed)
import numpy as np  # noqa: E402

from tasks.settings.models import networks  # noqa: E402


def main(recipe: dict) -> None:
    """Do it, and print what it took."""
    started = time.perf_counter()
    images, labels, test_images, test_labels = (np.fromfile(f"{recipe['raw']}/{name}", np.uint8) for name in FILES)
    images, test_images = (pixels[16:].reshape(-1, 28, 28, 1) / np.float32(255) for pixels in (images, test_images))
    labels, test_labels = labels[8:], test_labels[8:]
    order = np.random.default_rng(0).permutation(len(images))[: recipe.get("limit")]
    images, labels = images[order], labels[order]
    loaded = time.perf_counter()
    measured = {"start": started - began, "load": loaded - started, "epochs": {}, "evaluate": 0.0}
    moments: list[float] = []  # at which an epoch begins or ends

    def note(*_: object) -> None:
        moments.append(time.perf_counter())

    timed = keras.callbacks.LambdaCallback(on_epoch_begin=note, on_epoch_end=note)
    for name, epochs in recipe["epochs"].items():
        keras.utils.set_random_seed(0)
        model = networks()[name].build()
        model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        moments.clear()
        how = {"batch_size": recipe["batch_size"], "validation_split": 0.1, "verbose": 0}
        if first := recipe.get("warm_up"):
            model.fit(images[:first], labels[:first], **how)
        model.fit(images, labels, epochs=epochs, callbacks=[timed], **how)
        measured["epochs"][name] = [end - begin for begin, end in zip(moments[::2], moments[1::2], strict=True)]
        trained = time.perf_counter()
        model.evaluate(test_images, test_labels, batch_size=500, verbose=0)
        measured["evaluate"] += time.perf_counter() - trained
    print(json.dumps(measured))


FILES = [f"{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]

if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
