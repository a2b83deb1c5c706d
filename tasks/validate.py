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
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tasks.data.dataset import DataSet
from tasks.data.idx import IMAGES_CHUNK, read_idx
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
    severity: Literal["critical", "warning"]
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
    frames = {split: summarize(arrays[f"{split}_images"], arrays[f"{split}_labels"], split) for split in SPLITS}
    frames["test"]["leaked"] = frames["test"]["digest"].isin(set(frames["train"]["digest"]))
    frames["both"] = facts(frames, len(data_set.class_names), identical)
    frames["both"]["proven"] = data_set.proven
    return _expect(frames, _checks(data_set))


def summarize(images: np.ndarray, labels: np.ndarray, split: str) -> "pd.DataFrame":
    """Return a frame of one row an image: index, label, what `_summaries` tells, whether it is a duplicate."""
    import pandas as pd

    if images.ndim != 3 or labels.ndim != 1:
        raise RunError(f"{split} has labels where its images belong, or the reverse")
    if len(images) != len(labels):
        raise RunError(f"{split} has {len(images):,} images but {len(labels):,} labels; each image needs one")
    starts = range(0, len(images), IMAGES_CHUNK)
    frame = pd.concat([_summaries(images[start : start + IMAGES_CHUNK]) for start in starts], ignore_index=True)
    frame.insert(0, "index", np.arange(len(images)))
    frame.insert(1, "label", labels.astype(np.int64))
    frame["duplicate"] = frame["digest"].duplicated(keep="first")
    return frame


def _summaries(images: np.ndarray) -> "pd.DataFrame":
    """Return of each image height, width, minimum, maximum, mean, mean square, digest."""
    import pandas as pd

    flat = np.ascontiguousarray(images.reshape(len(images), math.prod(images.shape[1:])))
    return pd.DataFrame(
        {
            "height": images.shape[1],
            "width": images.shape[2],
            "minimum": flat.min(axis=1).astype(np.int64),
            "maximum": flat.max(axis=1).astype(np.int64),
            "mean": flat.mean(axis=1),
            "mean_square": np.square(flat, dtype=np.float64).mean(axis=1),
            "digest": [hashlib.blake2b(image, digest_size=16).hexdigest() for image in flat],
        }
    )


def facts(frames: dict[str, "pd.DataFrame"], class_count: int, identical: bool) -> "pd.DataFrame":
    """Return a frame of one row: what is true of the splits as wholes."""
    import pandas as pd

    row: dict[str, Any] = {"identical": identical}
    for split in SPLITS:
        classes = frames[split]["label"].value_counts().reindex(range(class_count), fill_value=0)
        row[f"{split}_imbalance"] = float(classes.max() / max(1, classes.min()))
    deviations = [math.sqrt(frames[s]["mean_square"].mean() - frames[s]["mean"].mean() ** 2) for s in SPLITS]
    row["mean_drift"] = abs(float(frames["train"]["mean"].mean() - frames["test"]["mean"].mean()))
    row["deviation_drift"] = abs(deviations[0] - deviations[1])
    return pd.DataFrame([row])


def _checks(data_set: DataSet) -> list[Check]:
    """Return every expectation, in the order in which the report lists them."""
    within = f"within {DRIFT:.0f} gray levels"
    severity = "warning" if data_set.expectations.shared else "critical"
    both: list[tuple[Any, ...]] = [
        _identity(data_set),
        ("test", severity, "No test image is a training image", *_within("leaked", [False]), "in both"),
        ("both", "warning", f"Train and test equally bright, {within}", *_between("mean_drift", 0, DRIFT)),
        ("both", "warning", f"Train and test vary equally, {within}", *_between("deviation_drift", 0, DRIFT)),
    ]
    each = [check for split in SPLITS for check in _split_checks(split, data_set)]
    return [Check(*check) for check in [both[0], *each, *both[1:]]]


def _identity(data_set: DataSet) -> tuple[Any, ...]:
    """Return the check that the files are those that are meant; where nothing says which, it warns of that."""
    if data_set.proven:
        return "both", "critical", f"Files are {data_set.name}'s, byte for byte", *_within("identical", [True])
    sentence = "Specification names the files' SHA-256"
    return "both", "warning", sentence, *_within("proven", [True])


def _split_checks(split: str, data_set: DataSet) -> list[tuple[Any, ...]]:
    count, labels = data_set.counts[split], list(range(len(data_set.class_names)))
    background, white = data_set.expectations.background, data_set.expectations.brightest
    balance = f"Largest class at most {IMBALANCE:g} times the smallest"
    every_class = {"column": "label", "value_set": labels}
    return [
        (split, "critical", f"{count:,} images ({split})", "ExpectTableRowCountToEqual", {"value": count}),
        (split, "critical", f"Images are 28 pixels high ({split})", *_within("height", [28])),
        (split, "critical", f"Images are 28 pixels wide ({split})", *_within("width", [28])),
        (split, "critical", f"Labels are 0–{labels[-1]} ({split})", *_within("label", labels), "outside"),
        (split, "critical", f"Every class present ({split})", "ExpectColumnDistinctValuesToContainSet", every_class),
        ("both", "warning", f"{balance} ({split})", *_between(f"{split}_imbalance", 1, IMBALANCE)),
        (split, "critical", f"No blank images ({split})", *_between("maximum", 1, 255), "blank"),
        (
            split,
            "critical",
            f"Brightest pixel is {white} or more ({split})",
            *_between("maximum", white, 255, "ColumnMax"),
        ),
        (
            split,
            "critical",
            f"Background is {_up_to(background)} ({split})",
            *_between("minimum", 0, background),
            "brighter",
        ),
        (split, "warning", f"No duplicates ({split})", *_within("duplicate", [False]), "repeated"),
    ]


def _up_to(value: int) -> str:
    return f"at most {value}" if value else "0"


def _within(column: str, values: list[Any]) -> tuple[str, dict[str, Any]]:
    return "ExpectColumnValuesToBeInSet", {"column": column, "value_set": values}


def _between(column: str, low: float, high: float, what: str = "ColumnValues") -> tuple[str, dict[str, Any]]:
    return f"Expect{what}ToBeBetween", {"column": column, "min_value": low, "max_value": high}


def _expect(frames: dict[str, "pd.DataFrame"], checks: list[Check]) -> list[dict[str, Any]]:
    """Run the expectations through Great Expectations, frame by frame, and return a result each, in order."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # it would send usage events
    import great_expectations as gx
    from great_expectations import expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("images")
    results: dict[int, dict[str, Any]] = {}
    for name, frame in frames.items():
        of_frame = [
            getattr(expectations, of.expectation)(**of.arguments, severity=of.severity, meta={"position": position})
            for position, of in enumerate(checks)
            if of.split == name
        ]
        definition = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
        outcome = definition.get_batch(batch_parameters={"dataframe": frame}).validate(
            gx.ExpectationSuite(name, of_frame),
            result_format={
                "result_format": "SUMMARY",
                "partial_unexpected_count": 3,
                "unexpected_index_column_names": ["index"] if "index" in frame else [],
            },
        )
        for result in outcome.to_json_dict()["results"]:
            position = result["expectation_config"]["meta"]["position"]
            if name == "both":
                result["result"]["observed_value"] = frame[checks[position].arguments["column"]].item()
            results[position] = _summarize(checks[position], result)
    return [results[position] for position in range(len(checks))]


def _summarize(check: Check, outcome: dict[str, Any]) -> dict[str, Any]:
    """Return what one expectation showed: observed value, failing samples, and a sentence if it failed."""
    result = outcome["result"]
    column = check.arguments.get("column")
    rows = result.get("partial_unexpected_index_list") or []
    failing_samples = [{"index": row["index"], "value": row[column]} for row in rows if check.split != "both"]
    offending = result.get("unexpected_count", 0)
    absent = result.get("partial_missing_list")
    observed = result.get("observed_value") if absent is None else f"{len(absent)} missing"
    if observed is None and "element_count" in result:
        observed = f"{offending:,} of {result['element_count']:,} {check.offence}"
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
        "success": outcome["success"],
        "observed": observed,
        "offending": offending,
        "failing_samples": failing_samples,
        "failure": None if outcome["success"] else f"{check.sentence}: {found}",
    }
