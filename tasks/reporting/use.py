"""How to use a trained model: where it is kept, a snippet that loads it, and the commands that take it."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.evaluation.models import Model
from tasks.pipeline import PROJECT
from tasks.training.xgboost import XGBOOST

DATA = "data"  # the default data folder, as seen from the project
KERAS = """\
import keras, numpy, PIL.Image
model = keras.saving.load_model({path!r})
names = {names!r}
pixels = numpy.array(PIL.Image.open('photo.png').convert('L').resize((28, 28))) / 255  # must be 0 to 1, light on black
print(*max(zip(model.predict(pixels.reshape(1, 28, 28, 1), verbose=0)[0], names)))"""
TREES = """\
import numpy, PIL.Image, xgboost
model = xgboost.Booster(model_file={path!r})
names = {names!r}
pixels = numpy.array(PIL.Image.open('photo.png').convert('L').resize((28, 28))) / 255  # must be 0 to 1, light on black
print(*max(zip(model.inplace_predict(pixels.reshape(1, 784))[0], names)))"""


class Use(Model):
    """How to use a trained model, in the default data folder."""

    path: str  # of the model, as seen from the project
    snippet: str | None  # Python that predicts photo.png; None: its layers may need the user's own file
    predict: str
    export: str
    tta: str  # the test-time augmentation, which the commands use and the snippet does not

    def in_folder(self, data_dir: Path) -> "Use":
        """Return the same for this data folder."""
        if data_dir == PROJECT / DATA:
            return self
        path, option = str(data_dir / Path(self.path).relative_to(DATA)), f" --data-dir {shlex.quote(str(data_dir))}"
        snippet = self.snippet and self.snippet.replace(repr(self.path), repr(path))
        changed = {"path": path, "snippet": snippet, "predict": self.predict + option, "export": self.export + option}
        return self.model_copy(update=changed)


def use_of(train: dict[str, Any], evaluate: dict[str, Any], class_names: Sequence[str]) -> Use:
    """Return how to use the model of a training and its evaluation, by their manifests."""
    path, own_network = f"{DATA}/{model_path(train)}", train["cache_key"]["settings"].get("own_network")
    snippet = (TREES if train["network"] == XGBOOST else KERAS).format(path=path, names=list(class_names))
    model = f"--model {Path(path).parent.name}"
    return Use(
        path=path,
        snippet=None if own_network else snippet,
        predict=f"python flows/predict.py {model} photo.png",
        export=f"python flows/export.py {model}",
        tta=evaluate["cache_key"]["settings"].get("tta", "none"),
    )


def model_path(train: dict[str, Any]) -> str:
    """Return where in the data folder the model of a training is kept, by its manifest."""
    file = next(file for file in train["files"] if file.startswith("model."))
    return f"train/{train['network']}-{train['key']}/{file}"
