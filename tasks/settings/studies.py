"""Studies: the networks trained several times over, with other seeds or on other folds, to see how much is chance.

Each has the settings of a run and a few of its own; what its variants differ in overrides the setting of that name.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from tasks.pipeline.artifact import Artifact, verify
from tasks.pipeline.cache_key import label_of
from tasks.pipeline.node import Variant, store_of
from tasks.search.trials import BATCH, Space, Trial, median_thresholds, next_settings
from tasks.settings.models import NAMES, networks
from tasks.settings.options import GROUPS
from tasks.settings.settings import Settings


class SeedStudy(Settings):
    """Is the difference real, or chance? Train the same networks with several seeds."""

    kind = "seed"
    program = "python flows/study.py seeds"
    flow = "fashion-mnist-seeds"
    excluded = GROUPS["champion"]

    seeds: int = Field(5, ge=2, le=1000, description="number of seeds, counted up from --seed")


class FoldStudy(Settings):
    """How good are the networks on unseen images? Cross-validation; the test set stays unread."""

    kind = "fold"
    program = "python flows/study.py folds"
    flow = "fashion-mnist-folds"
    excluded = (*GROUPS["champion"], "validation_fraction")

    folds: int = Field(5, ge=2, le=100, description="parts of the training images; each one validates once")


def variants_of(study: SeedStudy | FoldStudy) -> list[Variant]:
    """Return what a study's trainings differ in: the seeds, counted up, or the folds, from 1."""
    first, count = (study.seed, study.seeds) if isinstance(study, SeedStudy) else (1, study.folds)
    numbers = range(first, first + count)
    return [Variant(f"{study.kind} {number}", {study.kind: number}) for number in numbers]


class SearchStudy(Settings):
    """Which hyper-parameters are best? Search on validation images; the test set stays unread."""

    kind = "trial"
    program = "python flows/study.py search"
    flow = "fashion-mnist-search"
    aliases = {"networks": ("--network",)}  # noqa: RUF012 (a ClassVar)
    excluded = (*GROUPS["champion"], "network_file", "tta")

    networks: tuple[Literal[NAMES]] = Field(("dropout",), description="network to tune: " + ", ".join(NAMES))  # type: ignore[valid-type]
    trials: int = Field(30, ge=2, le=1000, description="number of trials; options that you set are not varied")
    minutes: float | None = Field(
        None, gt=0, description="start no new round once the trials have trained this long in total"
    )

    @model_validator(mode="after")
    def _searchable(self) -> SearchStudy:
        if not self.space:
            raise ValueError("nothing left to search: every option that could vary is set; leave one out")
        return self

    @property
    def recipe_of_a_run(self) -> dict[str, Any]:
        """What a run of this recipe takes, to which a trial's own settings are to be added."""
        return self.recipe_for(Settings)

    @property
    def space(self) -> Space:
        """What is varied, and within which bounds: what the network takes and these settings leave open."""
        network = networks()[self.networks[0]]
        usual = network.epochs[self.preset]
        whole: Space = {
            "learning_rate": {"low": 3e-4, "high": 1e-2, "log": True},
            "batch_size": {"choices": [64, 128, 256, 512]},
            "epochs": {"low": max(1, usual // 4), "high": max(2, usual * 5 // 4)},
            "filters": {"low": 8, "high": 64, "step": 8},
            "dense_width": {"low": 32, "high": 256, "step": 32},
            "dropout_rate": {"low": 0.0, "high": 0.7, "step": 0.05},
        }
        takes = {"learning_rate", "batch_size", "epochs", *network.shape}
        return {name: of for name, of in whole.items() if name in takes and getattr(self, name) is None}

    @property
    def defaults(self) -> dict[str, Any]:
        """What the preset and the network itself say of that: what the best trial is to beat."""
        (network,) = self.networks
        resolved, shape = self.resolved(network), networks()[network].shape
        return {name: shape[name] if name in shape else resolved[name] for name in self.space}

    def next_variants(self, finished: dict[str, Artifact]) -> list[Variant]:
        """Return the trials of the next round, by what has come of those before; none when it is over."""
        store = store_of(self)
        before = [Trial.of(store.fetch(train), self.space) for train in finished.values()]
        if self.minutes and sum(trial.seconds for trial in before) >= 60 * self.minutes:
            return []
        count = min(BATCH, self.trials - len(before))
        asked = next_settings(self.space, self.defaults, before, count, self.seed) if count else []
        bars = median_thresholds(before)
        numbered = enumerate(asked, len(before) + 1)
        return [Variant(f"trial {n}", {**of, "pruning_thresholds": bars if n > 1 else ()}) for n, of in numbered]


def newest_study(settings: Settings) -> dict[str, Artifact]:
    """Return the newest comparison over seeds in which a run with these settings has part, by kind, if there is one."""
    recipe = settings.recipes.items()
    its_trainings = {label_of("train", name, f"seed {settings.seed}") for name in settings.networks}
    found = [
        artifact
        for folder in (settings.data_dir / "compare_trainings").glob("*")
        if isinstance(artifact := verify(folder, "compare_trainings"), Artifact)
        and (of := artifact.manifest["cache_key"]["settings"])["kind"] == SeedStudy.kind
        and recipe <= of.get("recipes", {}).items()  # made by older code, it has none
        and its_trainings <= artifact.manifest["cache_key"]["inputs"].keys()
    ]
    return {SeedStudy.kind: max(found, key=lambda artifact: artifact.manifest["made"]["at"])} if found else {}


def artifacts(given: dict[str, Any]) -> dict[str, Artifact] | None:
    """Wait for what a run gives, and return it; `None` where that is only planned, or has failed."""
    found = {name: one.result(raise_on_failure=False) if hasattr(one, "result") else one for name, one in given.items()}
    return found if all(isinstance(one, Artifact) for one in found.values()) else None


KINDS: tuple[type[Settings], ...] = (Settings, SeedStudy, FoldStudy, SearchStudy)  # of settings, each with a flow
