"""Report: one self-contained HTML page that says which network to keep, why, and how it was made.

Takes every artifact before it. Makes `report.json`, every number of the page, and `report.html`, made of these numbers
and of the data's pictures alone; it loads nothing when it is opened.
"""

from pathlib import Path
from typing import Any

from tasks.data.dataset import DataSet
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.node import node


@node(libraries=("jinja2", "markupsafe", "matplotlib", "pillow", "pydantic"), key_on_provenance=True)
def report(
    output: Path,
    *,
    download: Artifact,
    validate: Artifact,
    prepare: Artifact,
    train: dict[str, Artifact],
    evaluate: dict[str, Artifact],
    compare: Artifact,
    study: dict[str, Artifact],
    challenge: dict[str, Artifact],
    data_set: DataSet,
    command: str,
    departures: tuple[tuple[str, str, str], ...],
) -> dict[str, Any]:
    """Fill the artifact with the page and its numbers; return what the command line prints at the end."""
    from tasks.reporting.data import gather
    from tasks.reporting.page import render, report_data_of, sprite_of

    made = [download, validate, prepare, *train.values(), *evaluate.values(), compare]
    run = gather(made, study, challenge, data_set=data_set, command=command, departures=departures)
    data = report_data_of(run)
    (output / "report.json").write_text(data.model_dump_json(), encoding="utf-8")
    (output / "report.html").write_text(render(data, sprite_of(data, run.images)), encoding="utf-8")
    rows = {
        name: {f"{split}_accuracy": accuracy.value for split, accuracy in of.accuracy.items()}
        | {"gap": of.gap.value, "parameters": of.parameters, "training_seconds": train[name].measured["seconds"]}
        for name, of in run.comparison.networks.items()
    }
    said = {"caution": run.caution, "networks": rows, "challenge": run.decision}
    return compare.summary | said | {"use": data.verdict.use.model_dump()}
