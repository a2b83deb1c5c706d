"""Which of these networks should I keep, and why? The DAG at a glance, and the command that runs it.

python flows/main.py                      # all images, both networks, the fast recipe
python flows/main.py --preset article     # exactly the article's recipe
python flows/main.py --help               # every setting
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
from tasks.challenge import challenge
from tasks.compare import compare
from tasks.download import download
from tasks.pipeline.champions import evaluation_of_the_champion
from tasks.prepare import prepare
from tasks.report import report
from tasks.settings.settings import Settings
from tasks.settings.studies import newest_study
from tasks.validate import validate


def dag(run: Callable[..., Any], settings: Settings) -> Any:
    """Wire the nodes. `run(node, …)` gives the node's artifact, or whatever stands for it until it is there."""
    raw = run(download)
    validation = run(validate, download=raw)
    prepared = run(prepare, download=raw, after=validation)
    trained = {name: run(trainer(name), network=name, prepare=prepared) for name in settings.networks}
    evaluated = {name: run(evaluator(name), network=name, train=trained[name], prepare=prepared) for name in trained}
    comparison = run(compare, train=trained, evaluate=evaluated, prepare=prepared)
    decided = {}
    if settings.challenge:
        in_use = evaluation_of_the_champion(settings.data_dir, settings.to_beat)
        decided["decision"] = run(challenge, compare=comparison, evaluate=evaluated, prepare=prepared, champion=in_use)
    return run(
        report,
        download=raw,
        validate=validation,
        prepare=prepared,
        train=trained,
        evaluate=evaluated,
        compare=comparison,
        study=newest_study(settings),
        challenge=decided,
    )


if __name__ == "__main__":
    from flows.cli import main

    main(dag, Settings)
