"""What may be set together, and what it means: an option that is set comes first, then the network, then the preset."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import fields
from functools import cached_property
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ValidationError, field_validator, model_validator

from tasks.data.dataset import FASHION_MNIST, DataSet, load_data_set
from tasks.data.files import with_digests_of
from tasks.evaluation.article import ARTICLE
from tasks.formatting import as_options, as_text, option_of, suggest
from tasks.pipeline import PROJECT
from tasks.pipeline.champions import champions
from tasks.pipeline.errors import UserError, describe
from tasks.pipeline.store import RAW
from tasks.pipeline.user_module import UserFunction
from tasks.settings.models import CUSTOM_EPOCHS, networks
from tasks.settings.options import GROUPS, MODELS, RENAMED, Options, from_the_project
from tasks.settings.presets import PRESETS, Preset, has_bfloat16
from tasks.training.recipe import Recipe
from tasks.training.xgboost import XGBOOST, XGBOOST_DISTRIBUTION

PATH_OPTIONS = ("source", *GROUPS["where"])  # where things are says nothing about what they are
RUN_OPTIONS = (*PATH_OPTIONS, *GROUPS["this run"], *GROUPS["champion"], *GROUPS["cluster"])
SHAPE = ("filters", "dense_width", "dropout_rate")  # of an architecture; a network's `build` takes some of them
MUST_BE = {  # by pydantic's name for what is wrong
    "greater_than_equal": "be {ge:,.10g} or more",
    "greater_than": "be more than {gt:,.10g}",
    "less_than_equal": "be {le:,.10g} or less",
    "less_than": "be less than {lt:,.10g}",
    "int_parsing": "be a whole number",
    "float_parsing": "be a number",
    "bool_parsing": "be yes or no",
    "string_pattern_mismatch": "be an address, e.g. s3://bucket/folder; for a folder of all machines, use --data-dir",
}


class Settings(Options, use_attribute_docstrings=False):  # to look for them takes time, and these have none
    """Compare networks on Fashion-MNIST: which should I keep, and why?

    These settings are what a run does; of the recipe, what is left unset is the preset's.
    """

    program: ClassVar[str] = "python flows/main.py"
    flow: ClassVar[str] = "fashion-mnist"  # what Prefect calls it
    kind: ClassVar[str] = "run"  # what a study's trainings differ in: seed, fold, trial
    aliases: ClassVar[dict[str, tuple[str, ...]]] = {}  # other names of options
    excluded: ClassVar[tuple[str, ...]] = ()  # settings that would mean nothing here

    @model_validator(mode="after")
    def _nothing_in_vain(self) -> Settings:
        for name in self.excluded:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{option_of(name)} has no effect in {self.program}; leave it out")
        return self

    @field_validator("networks", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _with_recipe_file_and_own_network(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        if file := values.get("recipe_file"):
            values = _recipe_in(file) | {name: value for name, value in values.items() if name != "recipe_file"}
        own = str(values.get("network_file") or "").rpartition(":")[2]
        names = cls._split_names(values.get("networks", cls.model_fields["networks"].default))
        return values | {"networks": [*names, own]} if own and own not in names else values

    @model_validator(mode="after")
    def _known_networks(self) -> Settings:
        own = self.own_network.function if self.own_network else None
        if own in MODELS:
            raise ValueError(f"--network-file: {own} is the name of a built-in network; give yours another name")
        if unknown := [name for name in self.networks if name not in (*MODELS, own)]:
            raise ValueError(f"unknown network {unknown[0]}{suggest(unknown[0], MODELS)}")
        if len(set(self.networks)) < len(self.networks):
            raise ValueError(f"--networks names a network twice (got {as_text(self.networks)})")
        return self

    @model_validator(mode="after")
    def _all_installed(self) -> Settings:
        needed = {
            XGBOOST_DISTRIBUTION: XGBOOST in self.networks,
            f"prefect-{self.engine}": self.engine != "local",
            "s3fs": (self.store or "").startswith("s3:"),
        }
        for distribution in (name for name, wanted in needed.items() if wanted):
            if not list(Distribution.discover(name=distribution)):
                raise ValueError(f"{distribution} is not installed; install it with `make extras`")
        if self.scheduler and self.engine == "local":
            raise ValueError("--scheduler needs --engine dask or --engine ray")
        return self

    @model_validator(mode="after")
    def _enough_images(self) -> Settings:
        available = self.data_set.counts["train"]
        if self.limit and self.limit > available:
            raise ValueError(
                f"--limit must be {available:,} or less (got {self.limit:,}): "
                f"{self.data_set.name} has no more training images"
            )
        images = min(self.limit or PRESETS[self.preset].limit or available, available)
        validating = round(images * self.validation_fraction)
        if not 0 < validating < images:
            raise ValueError(
                f"--validation-fraction {self.validation_fraction} of {images:,} images leaves "
                f"{images - validating:,} for training and {validating:,} for validation; neither may be 0"
            )
        return self

    @cached_property
    def data_set(self) -> DataSet:
        """The specification of the data set."""
        built_in = self.dataset == FASHION_MNIST.name
        named = FASHION_MNIST if built_in else load_data_set(str(from_the_project(self.dataset)))
        return with_digests_of(named, self.source_folder or self.data_dir / RAW / named.name)

    @cached_property
    def own_network(self) -> UserFunction | None:
        """The user's own network, as its file was when these settings were made."""
        return UserFunction.named(str(from_the_project(self.network_file))) if self.network_file else None

    @cached_property
    def to_beat(self) -> dict[str, Any]:
        """The champion, and what was rolled back, as `data/champion.json` had them when a run first asked."""
        return champions(self.data_dir).to_beat

    @property
    def source_folder(self) -> Path | None:
        """The folder that the user names for the IDX files, by setting or by environment."""
        from_environment = os.environ.get("FASHION_MNIST_DIR")
        return self.source or (Path.cwd() / from_environment if from_environment else None)

    def relocated(self, project: Path) -> Self:
        """Return these settings for this machine: what was below that folder of another's is below the project here."""
        paths = {name: path for name in PATH_OPTIONS if (path := getattr(self, name)) and path.is_relative_to(project)}
        return self.model_copy(update={name: PROJECT / path.relative_to(project) for name, path in paths.items()})

    def resolved(self, network: str | None = None) -> dict[str, Any]:
        """Return all options with none left open, and the recipe of that: for one network, or what the preset says."""
        preset, known = PRESETS[self.preset], networks().get(network or "")
        usual = preset._asdict() | (known.recipe if known else {})
        if network:
            usual["epochs"] = (known.epochs if known else CUSTOM_EPOCHS)[self.preset]
        found = {name: getattr(self, name) for name in type(self).model_fields}
        found |= {name: value for name, value in usual.items() if found[name] is None}
        if found["precision"] == "auto":
            found["precision"] = "bfloat16" if has_bfloat16() else "float32"
        found |= {name: None for name in SHAPE if not known or name not in known.shape}
        if network in MODELS:
            found["network_file"] = None  # of the user's own network alone
        found["own_network"] = found["network_file"] and self.own_network
        found["recipe"] = Recipe(**{field.name: found[field.name] for field in fields(Recipe) if field.name in found})
        return found

    @property
    def command(self) -> str:
        """The command that makes the same report again, on whatever processor, wherever data and pages are kept."""
        return shlex.join([*self.program.split(), *as_options(self.recipe_for(type(self)))])

    def recipe_for(self, kind: type[Settings]) -> dict[str, Any]:
        """Return the preset and what is set besides, for what is of this kind; the precision is what auto became."""
        return {"preset": self.preset, **self._set_for(kind), "precision": self.resolved()["precision"]}

    @property
    def run_name(self) -> str:
        """What a run is called: "article", or "fast --epochs 3"."""
        return shlex.join([self.preset, *as_options(self._set_for(type(self)))])

    def _set_for(self, kind: type[Settings]) -> dict[str, Any]:
        """Return what is set and makes other results, the preset left aside."""
        names = [name for name in kind.model_fields if name not in ("preset", *RUN_OPTIONS)]
        return {name: of for name in names if (of := getattr(self, name)) != kind.model_fields[name].default}

    @property
    def recipes(self) -> dict[str, str]:
        """Each network's recipe, whatever the seed and the other networks: by it, a run finds a study that it is in."""
        shared = Settings.model_fields.keys() - {*RUN_OPTIONS, "preset", "networks", "seed"}
        resolved = {name: self.resolved(name) for name in self.networks}
        return {name: json.dumps({option: of[option] for option in sorted(shared)}) for name, of in resolved.items()}

    @property
    def departures(self) -> tuple[tuple[str, str, str], ...]:
        """What of the recipe is not as in the article: setting, its value there and here; empty if nothing."""
        found, article = {}, Settings(preset="article")
        for network in filter(ARTICLE.__contains__, self.networks):
            shape, both = networks()[network].shape, (article.resolved(network), self.resolved(network))
            for name in ("epochs", *Preset._fields, "validation_fraction", *shape):
                values = [shape.get(name) if of[name] is None else of[name] for of in both]
                if values[0] != values[1]:
                    what = f"{network}: epochs" if name == "epochs" else name.replace("_", " ")
                    found[what] = [as_text(value) for value in values]
        return tuple((what, there, here) for what, (there, here) in found.items())


def parse_settings(values: dict[str, Any], kind: type[Settings] = Settings) -> Settings:
    """Return the settings of this kind that these values make.

    Raises:
        UserError: one is unknown, of the wrong type or out of bounds; the message names it as the command line does.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise UserError("; ".join(_sentence(problem, kind, values) for problem in error.errors())) from error


def _recipe_in(file: Any) -> dict[str, Any]:
    try:
        return {**json.loads(from_the_project(file).read_bytes())}
    except (OSError, TypeError, ValueError) as error:
        reason = describe(error) if isinstance(error, OSError) else f"{file}: {error}"
        raise ValueError(f"--recipe-file {reason}") from error


def _sentence(problem: Any, kind: type[Settings], values: dict[str, Any]) -> str:
    """Return what is wrong with a value, and which values may be there."""
    name, message = str(next(iter(problem["loc"]), "")), problem["msg"].removeprefix("Value error, ")
    from_file = name not in values and values.get("recipe_file")
    spelled = f"--recipe-file {from_file}: {name}" if from_file else kind.aliases.get(name, [option_of(name)])[0]
    if name in RENAMED:
        return f"{spelled} is now {option_of(RENAMED[name])}"
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {name}{suggest(name, kind.model_fields)}"
    if not name:
        return message
    if problem["type"] in MUST_BE:
        message = MUST_BE[problem["type"]].format(**problem.get("ctx", {}))
    wanted = re.sub(r"^\w+ should |^must |, (unable|got) .*|'", "", message)
    return f"{spelled} must {wanted} (got {as_text(problem['input']) or 'nothing'})"
