"""The page of a refusal: what of the data failed its validation, which images, and what to do about it."""

from typing import Any

import numpy as np

from tasks.pipeline.artifact import Artifact
from tasks.reporting.html import Sprite, Templates


def refusal_of(artifact: Artifact) -> dict[str, Any]:
    """Return what there is to say of a validation that failed."""
    results = artifact.json("results.json")
    return {
        "data_set": artifact.manifest["cache_key"]["settings"]["data_set"]["name"],
        "made_at": artifact.manifest["made"]["at"],
        "refused": [r for r in results if not r["success"] and r["severity"] == "critical"],
        "warned": [r for r in results if not r["success"] and r["severity"] != "critical"],
        "met": [r["sentence"] for r in results if r["success"]],
    }


def render_refusal(artifact: Artifact) -> str:
    """Return the page that says what failed, with the pictures of the first images that offend."""
    with np.load(artifact.folder / "offenders.npz", allow_pickle=False) as offenders:
        pictures = {(name.split("-")[0], int(name.split("-")[1])): offenders[name] for name in offenders.files}
    return Templates(sprite=Sprite.of(pictures)).page("validation_failure.html.j2", **refusal_of(artifact))
