"""Report: one self-contained HTML page that says which network to keep, shows why, and how it was made.

Takes every artifact before it. Makes `report.html`, which asks the network for nothing when it is opened. `publish`
copies it to `reports/`, under a name of its own and as `latest.html`.
"""

import shutil
from pathlib import Path
from typing import Any

from tasks.artifacts.store import Artifact
from tasks.artifacts.workspace import abandoned, workspace
from tasks.errors import RunError
from tasks.fashion_mnist import DataSet
from tasks.node import node
from tasks.report.content import page_content

LATEST = "latest.html"


@node(libraries=("jinja2", "matplotlib"), by_provenance=True)
def report(
    output: Path,
    *,
    download: Artifact,
    validate: Artifact,
    prepare: Artifact,
    train: dict[str, Artifact],
    evaluate: dict[str, Artifact],
    compare: Artifact,
    data_set: DataSet,
    command: str,
    departures: tuple[str, ...],
) -> dict[str, Any]:
    """Fill the artifact with the page; its facts are what the command line prints at the end."""
    content = page_content(download, validate, prepare, train, evaluate, compare, data_set)
    content |= {"command": command, "departures": departures}
    (output / "report.html").write_text(render(content), encoding="utf-8")
    comparison = content["comparison"]
    rows = {
        name: row | {"training_seconds": train[name].facts["seconds"]} for name, row in comparison["networks"].items()
    }
    return {"verdict": comparison["verdict"], "caution": content["caution"], "networks": rows}


def render(content: dict[str, Any]) -> str:
    """Return the page for its content: the template beside this file, every value escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from tasks.compare import percent, points

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "points": points, "count": "{:,}".format}
    return environment.get_template("page.html.j2").render(content) + "\n"


def publish(artifact: Artifact, reports_dir: Path) -> Path:
    """Copy the page to `<reports>/<time made>-<key>.html` and `latest.html`; return the latter.

    Raises:
        RunError: the folder cannot be written.
    """
    made_at = artifact.manifest["made"]["at"][:19].replace(":", "").replace("-", "")
    page = reports_dir / f"{made_at}-{artifact.key[:8]}.html"
    try:
        for _ in abandoned(reports_dir):
            continue  # each goes when its turn is over
        for target in (page, reports_dir / LATEST):
            with workspace(target, target.name) as desk:
                copy = shutil.copyfile(artifact.folder / "report.html", desk.folder / target.name)
                copy.replace(target)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise RunError(f"the report cannot be put into {reports_dir}: {why}; choose another --reports-dir") from error
    return reports_dir / LATEST
