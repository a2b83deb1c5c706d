"""How a trained model is saved: equal models as equal bytes."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


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
