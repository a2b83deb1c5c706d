"""The page of data that failed its validation: which checks, on which images, and what to do about it."""

from typing import Any

import numpy as np

from tasks.pipeline.artifact import Artifact
from tasks.reporting.html import Sprite, page


def numbers(artifact: Artifact) -> dict[str, Any]:
    """Return the results of a validation that failed."""
    results = artifact.json("results.json")
    return {
        "data_set": artifact.manifest["cache_key"]["settings"]["data_set"]["name"],
        "made_at": artifact.manifest["made"]["at"],
        "failed": [r for r in results if not r["success"] and r["severity"] == "critical"],
        "warnings": [r for r in results if not r["success"] and r["severity"] != "critical"],
        "passed": [r["sentence"] for r in results if r["success"]],
    }


def render(artifact: Artifact) -> str:
    """Return the page, with the pictures of the first images that fail."""
    with np.load(artifact.folder / "failing_samples.npz", allow_pickle=False) as saved:
        pictures = {(name.split("-")[0], int(name.split("-")[1])): saved[name] for name in saved.files}
    return page("validation_failure.html.j2", sprite=Sprite.of(pictures), **numbers(artifact))
