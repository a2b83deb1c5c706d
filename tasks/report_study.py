"""Report a study: one self-contained HTML page that says whether the difference is real, and shows every training.

Takes the trainings, their evaluations and the comparison. Makes `report.json`, every number of the page, and
`report.html`, as `report` does for a single run.
"""

from pathlib import Path
from typing import Any

from tasks.data.dataset import DataSet
from tasks.formatting import caution
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node


@node(libraries=("jinja2", "markupsafe", "matplotlib", "pydantic"), key_on_provenance=True)
def report_study(
    output: Path,
    *,
    validate: Artifact,
    train: dict[str, Artifact],
    evaluate: dict[str, Artifact],
    compare_trainings: Artifact,
    data_set: DataSet,
    command: str,
    departures: tuple[str, ...],
    limit: int | None,
) -> dict[str, Any]:
    """Fill the artifact with the page and its numbers; its facts are what the command line prints at the end."""
    from tasks.reporting.study import numbers, render

    settings = {"data_set": data_set.name, "command": command, "departures": departures}
    unrepeatable = [of.manifest["network"] for of in train.values() if not of.summary.get("repeatable", True)]
    told = caution(limit, data_set.counts["train"], *unrepeatable[:1])
    found = numbers([validate, compare_trainings], train, evaluate, **settings, caution=told)
    rows: dict[str, Any] = {
        name: {f"{split}_accuracy": of.mean for split, of in network.accuracy.items()}
        | {"parameters": network.parameters, "training_seconds": sum(network.seconds) / len(network.seconds)}
        for name, network in found.networks.items()
    }
    return found.fill(output, render(found), rows)
