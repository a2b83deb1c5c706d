"""Trials: which hyper-parameters a search trains next, given the results of those before.

Optuna proposes them, but stores nothing: before each round, its study is rebuilt from the trainings' artifacts. So the
same search proposes the same trials, and a killed one resumes with what has been trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.training.recipe import VALIDATION_CORRECT

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

    from tasks.pipeline.artifact import Artifact

Space = dict[str, dict[str, Any]]  # bounds or choices of each setting that is varied
BATCH = 5  # trials that are proposed together, and can be trained side by side
N_STARTUP_TRIALS = 10  # random trials, before results guide the next ones
PRUNING_STEPS = (1, 2, 3)  # of its epochs, after which a poor trial is stopped early
MIN_FINISHED = 5  # finished trials, before which none is stopped early
PROPOSALS_PER_TRIAL = 10  # proposals for each trial: in a small space, some repeat earlier trials
DIGITS = 3  # of a learning rate


@dataclass(frozen=True)
class Trial:
    """A trial’s settings, and its results."""

    settings: dict[str, Any]  # those that the search varies
    accuracies: list[float]  # on validation data, epoch by epoch
    epochs: int  # asked for
    pruned: bool
    seconds: float
    parameters: int
    correct: np.ndarray  # which validation images its network predicts correctly at its end (n)

    @classmethod
    def of(cls, train: Artifact, space: Space) -> Trial:
        """Read a training."""
        asked, facts = train.manifest["cache_key"]["settings"], train.summary
        return cls(
            settings={name: asked[name] for name in space},
            accuracies=[epoch["validation_accuracy"] for epoch in train.json("history.json")],
            epochs=asked["epochs"],
            pruned=facts["pruned"],
            seconds=train.measured["seconds"],
            parameters=facts["parameters"],
            correct=np.load(train.folder / VALIDATION_CORRECT, allow_pickle=False),
        )

    @property
    def accuracy(self) -> float:
        """The validation accuracy at its end, by which it ranks: 0 if it diverged before there was any."""
        return self.accuracies[-1] if self.accuracies else 0.0

    def epochs_after(self, quarter: int) -> int:
        """The epochs that were over when so many quarters of them were, the first at least."""
        return max(1, round(self.epochs * quarter / 4))

    def after(self, quarter: int) -> float:
        """The validation accuracy then."""
        return self.accuracies[self.epochs_after(quarter) - 1]


def next_settings(
    space: Space, default: dict[str, Any], before: list[Trial], count: int, seed: int
) -> list[dict[str, Any]]:
    """Return the settings of the next round’s trials, the default recipe first; a larger count only adds to them.

    By Optuna's tree-structured Parzen estimator: Bergstra et al. (2011), "Algorithms for hyper-parameter optimization".
    """
    from optuna.samplers import TPESampler

    own_seed = int(np.random.SeedSequence((seed, len(before))).generate_state(1)[0])
    sampler = TPESampler(seed=own_seed, n_startup_trials=N_STARTUP_TRIALS)
    study = study_of(before, space, sampler)
    asked = [] if before else [default]
    known = [trial.settings for trial in before]
    for _ in range(PROPOSALS_PER_TRIAL * count):
        drawn = study.ask(distributions_of(space)).params
        proposed = {name: float(f"{of:.{DIGITS}g}") if isinstance(of, float) else of for name, of in drawn.items()}
        if len(asked) < count and proposed not in [*known, *asked]:
            asked.append(proposed)
    return asked[:count]


def study_of(trials: list[Trial], space: Space, sampler: BaseSampler | None = None) -> Study:
    """Return the trials as Optuna knows them."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in trials:
        over = [quarter for quarter in PRUNING_STEPS if trial.epochs_after(quarter) <= len(trial.accuracies)]
        built = optuna.trial.create_trial(
            state=optuna.trial.TrialState.PRUNED if trial.pruned else optuna.trial.TrialState.COMPLETE,
            value=None if trial.pruned else trial.accuracy,
            params=trial.settings,
            distributions=distributions_of(space),
            intermediate_values={quarter: trial.after(quarter) for quarter in over},
        )
        study.add_trial(built)
    return study


def distributions_of(space: Space) -> dict[str, BaseDistribution]:
    """Return what there is to vary in Optuna's terms: whole numbers, others, or choices."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    return {
        name: CategoricalDistribution(of["choices"])
        if "choices" in of
        else (IntDistribution if isinstance(of["low"], int) else FloatDistribution)(**of)
        for name, of in space.items()
    }


def median_thresholds(before: list[Trial]) -> tuple[float, ...]:
    """Return the validation accuracies below which a trial stops early: at each quarter, the median of the finished.

    They also allow it to diverge. The first trial has none: as the default recipe, it is what any run trains.

    The median stopping rule: Golovin et al. (2017), "Google Vizier", section 3.2.2.
    """
    finished = [trial for trial in before if not trial.pruned]
    if len(finished) < MIN_FINISHED:
        return (0.0,) * len(PRUNING_STEPS)
    return tuple(round(float(np.median([trial.after(quarter) for trial in finished])), 6) for quarter in PRUNING_STEPS)
