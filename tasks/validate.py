"""Validate: prove that the data is what the comparison takes it for, before anything is trained on it.

Takes the downloaded IDX files. Makes `results.json`: each expectation with its severity, a sentence for people, what
was observed, and the first offending images; and `failing_samples.npz`, these images, uint8, by split and index
(`test-88`). A failed `critical` expectation stops the run; a `warning` goes into the report.

Great Expectations checks a frame of one row an image, and one frame of facts about the whole; a column for each
of the 784 pixels would cost it minutes. numpy computes what needs the pixels.
"""

import hashlib
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasks.data.dataset import DataSet
from tasks.data.idx import read_idx
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError, ValidationFailed
from tasks.pipeline.node import node
from tasks.pipeline.reading import sha256_of

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "test")
DRIFT = 5.0  # gray levels of 255: half a per cent of the range is noise between random halves, this is ten times it
IMBALANCE = 1.5  # largest class over smallest


class Check(NamedTuple):
    """What Great Expectations is asked: one of its expectations, and arguments; and what that means to people."""

    split: str  # "train", "test", or "both" for the frame of facts
    severity: str  # "critical" or "warning"
    sentence: str  # what is so where it passes: "Labels are 0–9 (train)"
    expectation: str
    arguments: dict[str, Any]
    offence: str = "different"  # what those are that fail: "3 of 400 different"


def stop_if_critical(artifact: Artifact) -> None:
    """Raise ValidationFailed with the failed critical expectations' sentences, if any failed."""
    failures = [r["failure"] for r in artifact.json("results.json") if not r["success"] and r["severity"] == "critical"]
    if failures:
        refusal = ValidationFailed("; ".join(failures))
        refusal.artifact = artifact
        raise refusal


@node(libraries=("great-expectations", "numpy", "pandas"), check=stop_if_critical)
def validate(output: Path, *, download: Artifact, data_set: DataSet) -> dict[str, Any]:
    """Fill the artifact with the result of every expectation."""
    paths = {role: download.folder / file.name for role, file in data_set.files.items()}
    arrays = {role: read_idx(path) for role, path in paths.items()}
    identical = all(sha256_of(paths[role]) == file.sha256 for role, file in data_set.files.items())
    results = check_images(arrays, data_set, identical)
    (output / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False), encoding="utf-8")
    pictures: dict[str, Any] = failing_samples(results, arrays)
    np.savez(output / "failing_samples.npz", **pictures)
    return {"expectations": len(results), "failed": [r["failure"] for r in results if not r["success"]]}


def failing_samples(results: list[dict[str, Any]], arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the images that the results name, uint8 (height, width), by split and index."""
    named = {(result["split"], int(sample["index"])) for result in results for sample in result["failing_samples"]}
    return {f"{s}-{i}": np.clip(arrays[f"{s}_images"][i], 0, 255).astype(np.uint8) for s, i in sorted(named)}


def check_images(arrays: dict[str, np.ndarray], data_set: DataSet, identical: bool) -> list[dict[str, Any]]:
    """Return the result of every expectation about the images and labels, uint8, of both splits.

    `identical` says whether each file is byte for byte the one that the specification names.

    Raises:
        RunError: a split has more images than labels, or fewer, or the two are exchanged.
    """
    import pandas as pd

    frames = {split: summarize(arrays[f"{split}_images"], arrays[f"{split}_labels"], split) for split in SPLITS}
    frames["test"]["leaked"] = frames["test"]["digest"].isin(set(frames["train"]["digest"]))
    facts = {"identical": identical, "proven": data_set.proven, **_facts(frames, len(data_set.class_names))}
    frames["both"] = pd.DataFrame([facts])
    batches = _batches(frames)
    return [_result_of(check, batches[check.split], facts) for check in _checks(data_set)]


def summarize(images: np.ndarray, labels: np.ndarray, split: str) -> "pd.DataFrame":
    """Return a frame of one row an image: its place, label, size, pixels in short, and whether it is a duplicate."""
    import pandas as pd

    if images.ndim != 3 or labels.ndim != 1:
        raise RunError(f"{split} has labels where its images belong, or the reverse")
    if len(images) != len(labels):
        raise RunError(f"{split} has {len(images):,} images but {len(labels):,} labels; each image needs one")
    flat = np.ascontiguousarray(images.reshape(len(images), -1))
    digests = pd.Series([hashlib.blake2b(image, digest_size=16).hexdigest() for image in flat])
    return pd.DataFrame(
        {
            "index": np.arange(len(images)),
            "label": labels.astype(np.int64),
            "height": images.shape[1],
            "width": images.shape[2],
            "minimum": flat.min(axis=1).astype(np.int64),
            "maximum": flat.max(axis=1).astype(np.int64),
            "mean": flat.mean(axis=1),
            "mean_square": np.einsum("ij,ij->i", flat, flat, dtype=np.float64) / flat.shape[1],
            "digest": digests,
            "duplicate": digests.duplicated(keep="first"),
        }
    )


def _facts(frames: dict[str, "pd.DataFrame"], classes: int) -> dict[str, float]:
    """Return what is true of the splits as wholes."""
    found = {}
    for split in SPLITS:
        images = np.bincount(frames[split]["label"], minlength=classes)[:classes]
        found[f"{split}_imbalance"] = float(images.max() / max(1, images.min()))
    means = [float(frames[split]["mean"].mean()) for split in SPLITS]
    deviations = [
        math.sqrt(frames[split]["mean_square"].mean() - mean**2) for split, mean in zip(SPLITS, means, strict=True)
    ]
    return found | {"mean_drift": abs(means[0] - means[1]), "deviation_drift": abs(deviations[0] - deviations[1])}


def _checks(data_set: DataSet) -> list[Check]:
    """Return every expectation, in the order in which the report lists them."""
    known = Check("both", "critical", f"Files are {data_set.name}'s, byte for byte", *_within("identical", [True]))
    if not data_set.proven:  # nothing says which files are meant
        known = Check("both", "warning", "Specification names the files' SHA-256", *_within("proven", [True]))
    leak = "warning" if data_set.expectations.shared else "critical"
    within = f"within {DRIFT:.0f} gray levels"
    return [
        known,
        *(check for split in SPLITS for check in _split_checks(split, data_set)),
        Check("test", leak, "No test image is a training image", *_within("leaked", [False]), "in both"),
        Check("both", "warning", f"Train and test equally bright, {within}", *_between("mean_drift", 0, DRIFT)),
        Check("both", "warning", f"Train and test vary equally, {within}", *_between("deviation_drift", 0, DRIFT)),
    ]


def _split_checks(split: str, data_set: DataSet) -> list[Check]:
    def critical(sentence: str, *expectation: Any) -> Check:
        return Check(split, "critical", f"{sentence} ({split})", *expectation)

    count, labels = data_set.counts[split], list(range(len(data_set.class_names)))
    dark, bright = data_set.expectations.background, data_set.expectations.brightest
    balance = f"Largest class at most {IMBALANCE:g} times the smallest ({split})"
    every_class = {"column": "label", "value_set": labels}
    return [
        critical(f"{count:,} images", "ExpectTableRowCountToEqual", {"value": count}),
        critical("Images are 28 pixels high", *_within("height", [28])),
        critical("Images are 28 pixels wide", *_within("width", [28])),
        critical(f"Labels are 0–{labels[-1]}", *_within("label", labels), "outside"),
        critical("Every class present", "ExpectColumnDistinctValuesToContainSet", every_class),
        Check("both", "warning", balance, *_between(f"{split}_imbalance", 1, IMBALANCE)),
        critical("No blank images", *_between("maximum", 1, 255), "blank"),
        critical(f"Brightest pixel is {bright} or more", *_between("maximum", bright, 255, "ColumnMax")),
        critical(f"Background is {f'at most {dark}' if dark else '0'}", *_between("minimum", 0, dark), "brighter"),
        Check(split, "warning", f"No duplicates ({split})", *_within("duplicate", [False]), "repeated"),
    ]


def _within(column: str, values: list[Any]) -> tuple[str, dict[str, Any]]:
    return "ExpectColumnValuesToBeInSet", {"column": column, "value_set": values}


def _between(column: str, low: float, high: float, what: str = "ColumnValues") -> tuple[str, dict[str, Any]]:
    return f"Expect{what}ToBeBetween", {"column": column, "min_value": low, "max_value": high}


def _batches(frames: dict[str, "pd.DataFrame"]) -> dict[str, Any]:
    """Return the frames as Great Expectations checks them."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # it would send usage events
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("images")
    definitions = {name: source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name) for name in frames}
    return {name: of.get_batch(batch_parameters={"dataframe": frames[name]}) for name, of in definitions.items()}


def _ask(check: Check, batch: Any) -> tuple[bool, dict[str, Any]]:
    """Return whether the batch meets an expectation, and what Great Expectations found; its error names the check."""
    from great_expectations import expectations

    outcome = batch.validate(
        getattr(expectations, check.expectation)(**check.arguments),
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": 3,
            "unexpected_index_column_names": [] if check.split == "both" else ["index"],
        },
    ).to_json_dict()
    if not outcome["result"]:
        fault, *_ = outcome["exception_info"].values()
        raise RunError(f"{check.sentence}: {fault['exception_message']}")
    return outcome["success"], outcome["result"]


def _result_of(check: Check, batch: Any, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what one expectation showed: observed value, failing samples, and a sentence if it failed."""
    success, result = _ask(check, batch)
    observed = facts.get(check.arguments.get("column", ""), result.get("observed_value"))
    offending, rows = result.get("unexpected_count", 0), result.get("partial_unexpected_index_list") or []
    if (absent := result.get("partial_missing_list")) is not None:
        observed = f"{len(absent)} missing"
    elif observed is None:
        observed = f"{offending:,} of {result['element_count']:,} {check.offence}"
    failing_samples = [
        {"index": row["index"], "value": row[check.arguments["column"]]} for row in rows if check.split != "both"
    ]
    if absent:
        found = f"no image of class {', '.join(map(str, absent))}"
    elif failing_samples:
        named = ", ".join(f"index {o['index']} is {o['value']}".removesuffix(" is True") for o in failing_samples)
        found = f"{observed} ({named}{', …' if offending > 3 else ''})"
    elif observed is False:
        found = "no"
    else:
        found = f"found {round(observed, 2) if isinstance(observed, float) else observed}"
    return {
        "split": check.split,
        "severity": check.severity,
        "sentence": check.sentence,
        "expectation": check.expectation,
        "success": success,
        "observed": observed,
        "offending": offending,
        "failing_samples": failing_samples,
        "failure": None if success else f"{check.sentence}: {found}",
    }
