"""Report a study: one self-contained HTML page with its verdict and every training.

Takes the trainings, their evaluations (a search has none), and what they show together: `compare_trainings`, or
`rank_trials` of a search. Makes `report.json`, every number of the page, and `report.html`, as `report` does for a
single run.
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
    results: Artifact,
    data_set: DataSet,
    kind: str,
    command: str,
    departures: tuple[tuple[str, str, str], ...],
    limit: int | None,
) -> dict[str, Any]:
    """Fill the artifact with the page and its numbers; return what the command line prints at the end."""
    from tasks.reporting import search, study

    unrepeatable = [of.manifest["network"] for of in train.values() if not of.summary.get("repeatable", True)]
    unsure = caution(limit, data_set.counts["train"], *unrepeatable[:1])
    settings = {"data_set": data_set.name, "command": command, "caution": unsure}
    found: search.Search | study.Study
    if kind == "trial":
        found = search.numbers(validate, train, results, **settings)
        page = search.render(found)
    else:
        found = study.numbers(validate, train, evaluate, results, departures=departures, **settings)
        page = study.render(found)
    (output / "report.json").write_text(found.model_dump_json(), encoding="utf-8")
    (output / "report.html").write_text(page, encoding="utf-8")
    return results.summary | {"caution": unsure, "study": kind, "networks": found.rows}
