"""Every setting, once: its bounds, its help, its default.

The command line and Prefect's parameter form are derived from the model below; what `prefect.yaml` sets is held to it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from tasks.data.dataset import FASHION_MNIST
from tasks.pipeline import PROJECT
from tasks.settings.models import NAMES
from tasks.training.xgboost import XGBOOST

MODELS = (*NAMES, XGBOOST)
RENAMED = {  # old spelling: new one
    "fresh": "force",
    "inference": "tta",
    "keep": "keep_runs",
    "margin": "min_improvement",
    "tolerance": "max_class_drop",
}
GROUPS = {  # how the help and the documentation arrange the options
    "what to compare": ("networks", "network_file"),
    "recipe": (
        *("preset", "recipe_file", "epochs", "batch_size", "learning_rate", "schedule", "seed", "validation_fraction"),
        *("precision", "augmentation", "label_smoothing", "tta", "filters", "dense_width", "dropout_rate"),
    ),
    "data": ("dataset", "source", "limit"),
    "where": ("data_dir", "reports_dir"),
    "this run": ("force", "time_limit", "keep_runs"),
    "champion": ("challenge", "min_improvement", "max_class_drop"),
    "cluster": ("engine", "scheduler", "store"),
}
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}


def from_the_project(path: str | Path) -> Path:
    """Return a path as seen from the project."""
    if Path(path) == Path():
        raise ValueError("must not be empty")
    return PROJECT / os.path.expanduser(path)  # noqa: PTH111 (which raises where there is no such home)


def _within_the_project(path: str | Path) -> str:
    """Name no folder of this machine in what goes to another, such as a deployment's form."""
    return str(from_the_project(path)).removeprefix(f"{PROJECT}/")


Folder = Annotated[Path, AfterValidator(from_the_project), PlainSerializer(_within_the_project)]
File = Annotated[str, AfterValidator(_within_the_project)]


def facts_of(described: dict[str, Any]) -> dict[str, Any]:
    """Return what a setting's schema says of it where it is set."""
    return next((option for option in described.get("anyOf", ()) if option["type"] != "null"), described)


def _for_a_form(schema: dict[str, Any], kind: Any) -> None:
    """Put each setting's bounds or choices into its help, all that a form shows; leave out what has no effect."""
    for name in kind.excluded:
        del schema["properties"][name]
    for described in schema["properties"].values():
        facts = facts_of(described)
        bounds = ", ".join(f"{sign} {facts[name]:,}" for name, sign in BOUNDS.items() if name in facts)
        if limits := bounds or ", ".join(facts.get("enum", [])):
            described["description"] += f" ({limits})"


class Options(BaseModel):
    """What can be set; `tasks.settings.settings` says which values go together, and what they mean."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra=_for_a_form,
        regex_engine="python-re",  # which knows (?!
    )

    preset: Literal["fast", "article", "smoke"] = "fast"
    """recipe that fills in what you leave out; smoke only checks that everything works"""
    recipe_file: Path | None = None
    """JSON file of settings that fills in what you leave out, e.g. a search's recipe.json"""
    networks: tuple[str, ...] = Field(
        ("baseline", "dropout"),
        min_length=1,
        max_length=8,
        description="networks to compare: " + ", ".join(MODELS),
        json_schema_extra={"items": {"type": "string", "enum": list(MODELS)}, "uniqueItems": True},
    )
    network_file: File | None = None
    """a network of your own to compare as well: file and function, e.g. my.py:build"""
    epochs: int | None = Field(None, ge=1, le=1000)
    """passes over the training images (xgboost has none)"""
    batch_size: int | None = Field(None, ge=1, le=8192)
    """images per weight update"""
    learning_rate: float | None = Field(None, gt=0, le=1)
    """Adam's learning rate; with one-cycle, its peak"""
    schedule: Literal["constant", "one-cycle"] | None = None
    """how the learning rate changes during training"""
    seed: int = Field(0, ge=0, lt=2**31)
    """fixes everything random: shuffling, initial weights, dropout, augmentation"""
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    """fraction of the shuffled training images held out for validation"""
    precision: Literal["auto", "float32", "bfloat16"] | None = None
    """number format in training; auto: bfloat16 if the CPU supports it, else float32"""
    augmentation: Literal["none", "flip", "flip-shift", "flip-erase", "flip-shift-erase"] | None = None
    """random changes to training images: flip, shift by a pixel, erase a square"""
    label_smoothing: float | None = Field(None, ge=0, le=0.5)
    """fraction of each training label spread evenly over all classes"""
    tta: Literal["none", "flip"] | None = None
    """test-time augmentation; flip averages an image and its mirror image, at twice the time"""
    filters: int | None = Field(None, ge=1, le=512)
    """filters of the first convolution, if the network has one; the others follow"""
    dense_width: int | None = Field(None, ge=1, le=8192)
    """units of the dense layer, if the network has one"""
    dropout_rate: float | None = Field(None, ge=0, lt=1)
    """fraction of activations dropped, if the network uses dropout"""
    limit: int | None = Field(None, ge=100)
    """use only this many training images, and at most as many test images"""
    dataset: File = FASHION_MNIST.name
    """fashion-mnist, or a JSON file that describes another data set"""
    source: Folder | None = None
    """folder with the four IDX files (.gz or not); left out: $FASHION_MNIST_DIR, a system copy, or a download"""
    challenge: bool = False
    """the winner challenges the champion and replaces it if it is clearly better"""
    min_improvement: float = Field(0.001, ge=0, le=1)
    """smallest gain in validation accuracy that makes a new champion (fraction)"""
    max_class_drop: float = Field(0.02, ge=0, le=1)
    """largest acceptable drop in any class's recall (fraction)"""
    force: str | None = Field(None, min_length=1)
    """rerun this step and everything downstream, even if cached: train, or train[dropout]"""
    data_dir: Folder = Field(Path("data"), validate_default=True)
    """folder for artifacts"""
    reports_dir: Folder = Field(Path("reports"), validate_default=True)
    """folder for the report pages"""
    engine: Literal["local", "dask", "ray"] = "local"
    """where steps run: on this machine, or on a Dask or Ray cluster"""
    scheduler: str | None = None
    """address of the cluster's scheduler, e.g. tcp://host:8786; left out: one is started on this machine"""
    store: str | None = Field(None, pattern="^(?!file:)[a-z0-9]+://")
    """shared artifact store, e.g. s3://bucket/folder; --data-dir becomes a local cache"""
    time_limit: float | None = Field(None, gt=0, le=8760)
    """stop the run after this many hours; finished steps are kept"""
    keep_runs: int | None = Field(None, ge=1)
    """after a run, delete what only runs older than the last N of this recipe used"""
