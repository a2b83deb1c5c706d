"""Report a search: one self-contained HTML page that says which hyper-parameters are best, and shows every trial.

Takes the trials' trainings and their ranking. Makes `report.json`, every number of the page, and `report.html`, as
`report` does for a single run.
"""

from pathlib import Path
from typing import Any

from tasks.data.dataset import DataSet
from tasks.formatting import as_text, caution, option_of
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node

SHOWN = 5  # trials at the end of the command


@node(libraries=("jinja2", "markupsafe", "matplotlib", "pydantic"), key_on_provenance=True)
def report_search(
    output: Path,
    *,
    validate: Artifact,
    train: dict[str, Artifact],
    rank_trials: Artifact,
    data_set: DataSet,
    kind: str,
    command: str,
    command_of_a_run: str,
    limit: int | None,
) -> dict[str, Any]:
    """Fill the artifact with the page and its numbers; its facts are what the command line prints at the end."""
    from tasks.reporting.search import numbers, render

    told = caution(limit, data_set.counts["train"])
    best = rank_trials.json("trials.json")["trials"][0]["settings"]
    options = [f"{option_of(name)} {as_text(value)}" for name, value in best.items()]
    commands = {"command": command, "command_of_the_best": " ".join([command_of_a_run, *options])}
    found = numbers([validate, rank_trials], train, data_set=data_set.name, kind=kind, caution=told, **commands)
    rows = {
        trial.name: {
            "validation_accuracy": trial.accuracy,
            "parameters": trial.parameters,
            "training_seconds": trial.seconds,
        }
        for trial in [trial for trial in found.trials if not trial.given_up][:SHOWN]
    }
    return found.fill(output, render(found), rows)
