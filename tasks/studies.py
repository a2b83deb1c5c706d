"""Studies: the networks trained several times over, with other seeds or on other folds, to see what luck has done.

Each has the settings of a run and a few of its own; what its members differ in overrides the setting of that name.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from tasks.artifacts.identity import label_of
from tasks.artifacts.store import Artifact, verify
from tasks.node import Member
from tasks.settings import Settings


class Study(Settings):
    """Several trainings of each network, held against each other."""

    kind: ClassVar[str]  # what its trainings differ in

    @property
    def members(self) -> list[Member]:
        """What there is a training of each network for."""
        raise NotImplementedError


class SeedStudy(Study):
    """Is the difference real, or the luck of the seed? The same networks, each trained with several seeds."""

    kind = "seed"
    program = "python flows/study.py seeds"
    flow = "fashion-mnist-seeds"

    seeds: int = Field(5, ge=2, le=1000, description="how many seeds, from `seed` on")

    @property
    def members(self) -> list[Member]:
        """The seeds: another split into training and validation images, other weights, other batches."""
        return [Member(f"seed {seed}", {"seed": seed}) for seed in range(self.seed, self.seed + self.seeds)]


class FoldStudy(Study):
    """How good are they on images that they were not trained on? Cross-validation; the test set stays shut."""

    kind = "fold"
    program = "python flows/study.py folds"
    flow = "fashion-mnist-folds"

    folds: int = Field(5, ge=2, le=100, description="parts of the training images, each of which validates once")

    @property
    def members(self) -> list[Member]:
        """The folds, from 1."""
        return [Member(f"fold {fold}", {"fold": fold}) for fold in range(1, self.folds + 1)]


def newest_study(settings: Settings) -> dict[str, Artifact]:
    """Return the newest comparison over seeds in which a run with these settings has part, by kind, if there is one."""
    recipe = {"kind": SeedStudy.kind, "recipe_of_any_seed": settings.resolved().recipe_of_any_seed}
    its_trainings = {label_of("train", name, f"seed {settings.seed}") for name in settings.networks}
    found = [
        artifact
        for folder in (settings.data_dir / "compare_trainings").glob("*")
        if isinstance(artifact := verify(folder, "compare_trainings"), Artifact)
        and recipe.items() <= artifact.manifest["identity"]["settings"].items()
        and its_trainings <= artifact.manifest["identity"]["inputs"].keys()
    ]
    return {SeedStudy.kind: max(found, key=lambda artifact: artifact.manifest["made"]["at"])} if found else {}


KINDS: tuple[type[Settings], ...] = (Settings, SeedStudy, FoldStudy)  # of settings, each with a flow
