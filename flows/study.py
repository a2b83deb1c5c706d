"""Is it the network, or was it luck? Studies over the same nodes: their DAGs at a glance, and the command.

python flows/study.py seeds --seeds 5     # the same networks with five seeds: is the difference real?
python flows/study.py folds --folds 5     # cross-validation on the training images; the test set stays shut
python flows/study.py search --trials 30  # which hyper-parameters are best? resumed where it was stopped
python flows/study.py seeds --help        # every setting
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # in flows/, nothing is found by its bare name
    from flows.environment import prepare_python

    prepare_python()

from flows.models import evaluator, trainer
from tasks.compare_trainings import compare_trainings
from tasks.download import download
from tasks.fold import fold
from tasks.prepare import prepare
from tasks.rank_trials import rank_trials
from tasks.report_study import report_study
from tasks.settings.studies import FoldStudy, SearchStudy, SeedStudy, artifacts, variants_of
from tasks.train import train
from tasks.validate import validate


def comparison(run: Callable[..., Any], settings: SeedStudy | FoldStudy) -> Any:
    """Wire the nodes: for each seed or fold, every network is trained on the same split, and evaluated.

    A seed splits the training images into those to train on and those to validate on; a fold validates what is trained
    on the others, and of the test set nothing is prepared.
    """
    split = fold if isinstance(settings, FoldStudy) else prepare
    raw = run(download)
    validation = run(validate, download=raw)
    trained, evaluated = {}, {}
    for variant in variants_of(settings):
        prepared = run(split.of(variant), download=raw, after=validation)
        for name in settings.networks:
            of = f"{name}, {variant.name}"
            trained[of] = run(trainer(name).of(variant), network=name, prepare=prepared)
            evaluated[of] = run(evaluator(name).of(variant), network=name, train=trained[of], prepare=prepared)
    results = run(compare_trainings, train=trained, evaluate=evaluated)
    return run(report_study, validate=validation, train=trained, evaluate=evaluated, results=results)


def search(run: Callable[..., Any], settings: SearchStudy) -> Any:
    """Wire the nodes: round by round, trials of one network; what came of them says what the next ones are."""
    raw = run(download)
    validation = run(validate, download=raw)
    prepared = run(prepare, download=raw, after=validation)
    (network,) = settings.networks
    trained: dict[str, Any] = {}
    while (finished := artifacts(trained)) is not None and (trials := settings.next_variants(finished)):
        trained |= {trial.name: run(train.of(trial), network=network, prepare=prepared) for trial in trials}
    ranking = run(rank_trials, train=trained, prepare=prepared)
    return run(report_study, validate=validation, train=trained, evaluate={}, results=ranking)


if __name__ == "__main__":
    from flows.cli import main_of_studies

    main_of_studies(
        {"seeds": (comparison, SeedStudy), "folds": (comparison, FoldStudy), "search": (search, SearchStudy)}
    )
