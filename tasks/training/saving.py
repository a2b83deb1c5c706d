"""How a trained model is saved: equal models as equal bytes."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.training.tensorflow import begin

if TYPE_CHECKING:
    import keras

    from tasks.pipeline.user_module import UserFunction


def save_model(model: keras.Model, path: Path) -> None:
    """Save a model as `.keras`, equal models as equal bytes.

    Keras writes the time into it, and memory addresses as identifiers of shared objects: the time is left out, and the
    identifiers are numbered in the order in which they come.
    """
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in sorted(archive.namelist())}
    parts["metadata.json"] = re.sub(rb', "date_saved": "[^"]*"', b"", parts["metadata.json"])
    numbers: dict[bytes, int] = {}
    parts["config.json"] = re.sub(
        rb'(?<="shared_object_id": )\d+', lambda m: b"%d" % numbers.setdefault(m[0], len(numbers)), parts["config.json"]
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def load_model(path: Path, precision: str, custom: UserFunction | None = None) -> keras.Model:
    """Load a model, trained in that precision, where nothing is known of it but its file and the user's own.

    Raises:
        RunError, UserError: the user's file fails, or is no longer what it was.
        Exception: it cannot be loaded; whatever Keras raises then.
    """
    import keras

    begin(0, precision)  # the layers that a layer makes are of this precision too, and TensorFlow asks for a seed
    if custom:
        keras.saving.get_custom_objects().clear()  # of what has run in this process
        custom.load()
    return keras.saving.load_model(path, safe_mode=True)
