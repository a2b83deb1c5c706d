"""Every setting, once: its bounds, its help, its default.

The command line and Prefect's parameter form are derived from the model below; what `prefect.yaml` sets is held to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.data.dataset import FASHION_MNIST
from tasks.settings.models import NAMES
from tasks.settings.presets import Augmentation, Precision, Schedule, TestTimeAugmentation
from tasks.training.trees import XGBOOST

MODELS = (*NAMES, XGBOOST)
RENAMED = {  # old spelling: new one
    "fresh": "force",
    "inference": "tta",
    "keep": "keep_runs",
    "margin": "min_improvement",
    "tolerance": "max_class_drop",
}
BOUNDS = {"minimum": "from", "exclusiveMinimum": "over", "maximum": "to", "exclusiveMaximum": "under"}


def _for_a_form(schema: dict[str, Any], kind: Any) -> None:
    """Put each setting's bounds or choices into its help, where a form shows that alone; leave out what is in vain."""
    for name in kind.excluded:
        del schema["properties"][name]
    for described in schema["properties"].values():
        facts = {name: value for option in described.get("anyOf", [described]) for name, value in option.items()}
        bounds = " ".join(f"{sign} {facts[name]:,}" for name, sign in BOUNDS.items() if name in facts)
        if told := bounds or ", ".join(facts.get("enum", [])):
            described["description"] += f" ({told})"


class Options(BaseModel):
    """What can be set; `tasks.settings.settings` says which values go together, and what they mean."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, json_schema_extra=_for_a_form)

    preset: Literal["fast", "article", "smoke"] = "fast"
    """recipe that fills in what is left unset; smoke only proves that everything works"""
    recipe_file: Path | None = None
    """JSON file of settings that fill in what is left unset, such as a search’s recipe.json"""
    networks: tuple[str, ...] = Field(
        ("baseline", "dropout"),
        min_length=1,
        max_length=8,
        description="networks to compare, of: " + ", ".join(MODELS),
        json_schema_extra={"items": {"type": "string", "enum": list(MODELS)}, "uniqueItems": True},
    )
    network_file: str | None = None
    """a network of your own that takes part too: file and function, as in my.py:build"""
    epochs: int | None = Field(None, ge=1, le=1000)
    """passes over the training images, for every network but xgboost"""
    batch_size: int | None = Field(None, ge=1, le=8192)
    """images in one update of the weights"""
    learning_rate: float | None = Field(None, gt=0, le=1)
    """Adam's learning rate (the peak of a one-cycle schedule)"""
    schedule: Schedule | None = None
    """how the learning rate moves during training"""
    seed: int = Field(0, ge=0, lt=2**31)
    """fixes all that is random: shuffle, initial weights, dropout, augmentation"""
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    """share of the training images, the last of the shuffled ones, kept for validation"""
    precision: Precision | None = None
    """arithmetic of training; auto is bfloat16 only where the processor has instructions for it"""
    augmentation: Augmentation | None = None
    """what is done to training images at random: flip, shift by a pixel, erase a square"""
    label_smoothing: float | None = Field(None, ge=0, le=0.5)
    """share of each training label that is spread evenly over all classes"""
    tta: TestTimeAugmentation | None = None
    """test-time augmentation: flip averages over an image and its mirror image, in twice the time"""
    filters: int | None = Field(None, ge=1, le=512)
    """filters of the first convolution, where a network has such; the others follow"""
    dense_width: int | None = Field(None, ge=1, le=8192)
    """units of the dense layer, where there is one"""
    dropout_rate: float | None = Field(None, ge=0, lt=1)
    """share of activations that are dropped, where a network drops any"""
    limit: int | None = Field(None, ge=100)
    """use this many training images, and at most as many test images"""
    dataset: str = FASHION_MNIST.name
    """fashion-mnist, or a JSON file that specifies another data set"""
    source: Path | None = None
    """folder with the four IDX files, .gz or not; else FASHION_MNIST_DIR, a system copy, the mirrors"""
    challenge: bool = False
    """have the best network challenge the champion, and take its place if it is clearly better"""
    min_improvement: float = Field(0.001, ge=0, le=1)
    """smallest gain in validation accuracy that makes a new champion (fraction)"""
    max_class_drop: float = Field(0.02, ge=0, le=1)
    """largest acceptable drop in any class's recall (fraction)"""
    force: str | None = Field(None, min_length=1)
    """rerun this node and everything downstream, even if cached: train, or train[dropout]"""
    data_dir: Path = Field(Path("data"), validate_default=True)
    """where artifacts are kept"""
    reports_dir: Path = Field(Path("reports"), validate_default=True)
    """where the report's pages go"""
    engine: Literal["local", "dask", "ray"] = "local"
    """what the nodes run on: this process's workers, or a cluster"""
    scheduler: str | None = None
    """address of the cluster's scheduler, as tcp://host:8786; else one is started on this machine"""
    store: str | None = None
    """where machines share artifacts, as s3://bucket/folder; data_dir then keeps this one's copies"""
    time_limit: float | None = Field(None, gt=0, le=8760)
    """stop a run after so many hours; what it has finished is kept"""
    keep_runs: int | None = Field(None, ge=1)
    """after a run, delete what only runs older than the last N of this recipe used"""
