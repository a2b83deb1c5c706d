"""What may be set together, and what it means: what is left unset is the preset's, or the network's own."""

from __future__ import annotations

import json
import os
import shlex
from functools import cached_property
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import PrivateAttr, ValidationError, field_validator, model_validator

from tasks.data.dataset import FASHION_MNIST, DataSet, load_data_set
from tasks.data.files import with_digests_of
from tasks.formatting import as_options, as_text, option_of, suggest
from tasks.pipeline import PROJECT
from tasks.pipeline.champions import champions
from tasks.pipeline.errors import UserError
from tasks.pipeline.store import RAW
from tasks.pipeline.user_module import UserFunction
from tasks.settings.options import MODELS, RENAMED, Options, from_the_project
from tasks.settings.presets import PRESETS
from tasks.settings.recipe import departures, fill_in, preset_values, recipe_of
from tasks.training.trees import XGBOOST, XGBOOST_DISTRIBUTION

PATH_OPTIONS = ("source", "data_dir", "reports_dir")  # where things are says nothing about what they are
RUN_OPTIONS = (
    *("challenge", "min_improvement", "max_class_drop", *PATH_OPTIONS, "force", "time_limit", "keep_runs"),
    *("engine", "scheduler", "store"),
)
MUST_BE = {  # by pydantic's name for what is wrong
    "greater_than_equal": "be {ge:,} or more",
    "greater_than": "be more than {gt:,}",
    "less_than_equal": "be {le:,} or less",
    "less_than": "be less than {lt:,}",
    "int_parsing": "be a whole number",
    "int_from_float": "be a whole number",
    "float_parsing": "be a number",
    "bool_parsing": "be yes or no",
    "literal_error": "be {expected}",
    "string_too_short": "not be empty",
    "too_short": "name at least {min_length}",
    "too_long": "name at most {max_length}",
}
CLUSTERS = {"dask": "prefect_dask", "ray": "prefect_ray"}  # by what Prefect has for each


class Settings(Options, use_attribute_docstrings=False):  # to look for them takes time, and these have none
    """Compare networks on Fashion-MNIST: which should I keep, and why?

    These settings are what a run does; of the recipe, what is left unset is the preset's.
    """

    program: ClassVar[str] = "python flows/main.py"
    flow: ClassVar[str] = "fashion-mnist"  # what Prefect calls it
    aliases: ClassVar[dict[str, tuple[str, ...]]] = {}  # other names of options
    excluded: ClassVar[tuple[str, ...]] = ()  # settings that would mean nothing here
    _own_network: UserFunction | None = PrivateAttr(None)

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

    @model_validator(mode="after")
    def _engine_installed(self) -> Settings:
        needed = {"s3": "s3fs"} if (self.store or "").startswith("s3:") else {}
        for package in (needed | {k: v for k, v in CLUSTERS.items() if k == self.engine}).values():
            if not find_spec(package):
                raise ValueError(f"{package} is not installed; install it with `make extras`")
        if self.store and ("://" not in self.store or self.store.startswith("file:")):
            raise ValueError(
                f"--store must be an address, e.g. s3://bucket/folder (got {self.store}); "
                "for a folder that all machines mount, use --data-dir"
            )
        if self.scheduler and self.engine not in CLUSTERS:
            raise ValueError("--scheduler needs --engine dask or --engine ray")
        return self

    @model_validator(mode="before")
    @classmethod
    def _with_recipe_file_and_own_network(cls, values: Any) -> Any:
        if isinstance(values, dict) and (file := values.get("recipe_file")):
            values = _recipe_in(file) | {name: value for name, value in values.items() if name != "recipe_file"}
        if not isinstance(values, dict) or not isinstance(values.get("network_file"), str):
            return values
        names = cls._split_names(values.get("networks", cls.model_fields["networks"].default))
        own = values["network_file"].rpartition(":")[2]
        return values | {"networks": [*names, *([] if own in names else [own])]}

    @field_validator("dataset", "network_file")
    @classmethod
    def _file_from_the_project(cls, named: str | None) -> str | None:
        return named if named in (None, FASHION_MNIST.name) else str(from_the_project(named or ""))

    @model_validator(mode="after")
    def _known_networks(self) -> Settings:
        own = self._own_network = UserFunction.named(self.network_file) if self.network_file else None
        if own and own.function in MODELS:
            raise ValueError(
                f"--network-file: {own.function} is the name of a built-in network; give yours another name"
            )
        for name in self.networks:
            if name not in MODELS and not (own and name == own.function):
                raise ValueError(f"unknown network {name or repr(name)}{suggest(name, MODELS)}")
        if XGBOOST in self.networks and not list(Distribution.discover(name=XGBOOST_DISTRIBUTION)):
            raise ValueError(f"{XGBOOST_DISTRIBUTION} is not installed; install it with `make extras`")
        if len(set(self.networks)) < len(self.networks):
            raise ValueError(f"--networks names a network twice (got {as_text(self.networks)})")
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
        named = load_data_set(self.dataset)
        return with_digests_of(named, self.source_folder or self.data_dir / RAW / named.name)

    @property
    def own_network(self) -> UserFunction | None:
        """The user's own network, as its file was when these settings were made."""
        return self._own_network

    @cached_property
    def to_beat(self) -> dict[str, Any]:
        """The champion, and what was rolled back, as `data/champion.json` had them when a run first asked."""
        return champions(self.data_dir).to_beat

    @property
    def source_folder(self) -> Path | None:
        """The folder that the user names for the IDX files, by setting or by environment."""
        from_environment = os.environ.get("FASHION_MNIST_DIR")
        if self.source or not from_environment:
            return self.source
        return Path.cwd() / from_environment

    def relocated(self, project: Path) -> Self:
        """Return these settings for this machine: what was below that folder of another's is below the project here."""

        def moved(path: Path) -> Path:
            return PROJECT / path.relative_to(project) if path.is_relative_to(project) else path

        changed: dict[str, Any] = {name: moved(path) for name in PATH_OPTIONS if (path := getattr(self, name))}
        changed |= {name: str(moved(Path(of))) for name in ("dataset", "network_file") if (of := getattr(self, name))}
        here = self.model_copy(update=changed)
        if own := self.own_network:
            here._own_network = own.model_copy(update={"path": moved(own.path)})
        return here

    @property
    def command(self) -> str:
        """The command that makes the same report again, on whatever processor, wherever data and pages are kept."""
        return self.command_of(type(self))

    def command_of(self, kind: type[Settings]) -> str:
        """Return the command that does what is of this kind with what is set here."""
        return f"{kind.program} {shlex.join(['--preset', self.preset, *as_options(self.recipe_for(kind))])}"

    def recipe_for(self, kind: type[Settings]) -> dict[str, Any]:
        """Return what is set here otherwise than in what is of this kind and of the same preset, all but the preset."""
        usual = kind(preset=self.preset).model_copy(update=preset_values(self))
        return self.resolved()._diff(usual)

    @property
    def run_name(self) -> str:
        """What a run is called: "article", or "fast --epochs 3"."""
        return shlex.join([self.preset, *as_options(self._diff(type(self)(preset=self.preset)))])

    @property
    def recipes(self) -> dict[str, str]:
        """Each network's recipe, whatever the seed and the other networks: by it, a run finds a study that it is in."""
        usual = Settings(preset=self.preset).model_copy(update={"seed": self.seed, "networks": self.networks})
        of_each = {name: self.resolved(name)._diff(usual) for name in self.networks}
        return {name: shlex.join([self.preset, *as_options(settings)]) for name, settings in of_each.items()}

    def _diff(self, usual: Settings) -> dict[str, Any]:
        """Return those of these settings that make other results than the usual ones."""
        names = [name for name in type(usual).model_fields if name not in RUN_OPTIONS]
        others = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(usual, name)}
        return {name: of.removeprefix(f"{PROJECT}/") if isinstance(of, str) else of for name, of in others.items()}

    @property
    def departures(self) -> tuple[tuple[str, str, str], ...]:
        """What of the recipe is not as in the article: setting, its value there and here; empty if nothing."""
        return departures(self, Settings(preset="article"))

    def resolved(self, network: str | None = None) -> Self:
        """Return the settings with nothing left open: of that network, or as far as the preset decides for all."""
        return self.model_copy(update=fill_in(self, network))

    def read(self, names: list[str], network: str | None) -> dict[str, Any]:
        """Return what a node reads by these names: settings with nothing left open, and the network's recipe."""
        resolved = self.resolved(network)
        special = {"recipe": recipe_of} | ({"own_network": lambda _: None} if network in MODELS else {})
        return {name: special[name](resolved) if name in special else getattr(resolved, name) for name in names}


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
        recipe = json.loads(from_the_project(file).read_bytes())
    except OSError as error:
        raise ValueError(f"--recipe-file {file}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise ValueError(f"--recipe-file {file}: not JSON ({error})") from error
    if not isinstance(recipe, dict):
        raise ValueError(f"--recipe-file {file}: not a JSON object of settings")  # noqa: TRY004 (pydantic's rule)
    return recipe


def _sentence(problem: Any, kind: type[Settings], values: dict[str, Any]) -> str:
    """Return what is wrong with a value, and which values may be there."""
    name, message = str(next(iter(problem["loc"]), "")), problem["msg"].removeprefix("Value error, ")
    from_file = name not in values and values.get("recipe_file")
    spelled = f"--recipe-file {from_file}: {name}" if from_file else option_of(name)
    if name in RENAMED:
        return f"{spelled} is now {RENAMED[name]}"
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {name}{suggest(name, kind.model_fields)}"
    if not name or problem["type"] == "value_error":
        return f"{spelled} {message}" if message.startswith("must ") else message
    facts = {
        key: int(of) if isinstance(of, float) and of % 1 == 0 else of for key, of in problem.get("ctx", {}).items()
    }
    wanted = MUST_BE[problem["type"]].format(**facts) if problem["type"] in MUST_BE else f"be valid: {message.lower()}"
    given = as_text(problem["input"]) or "nothing"
    return f"{spelled} must {wanted} (got {given})".replace("'", "")
