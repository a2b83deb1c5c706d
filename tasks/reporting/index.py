"""The index: all runs in `reports/`, newest first; its script compares any two of them."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tasks.evaluation.models import Share
from tasks.formatting import as_text, in_unit
from tasks.pipeline.reading import read_json
from tasks.reporting import LATEST, PAGES
from tasks.reporting.html import Templates

SHARES = TypeAdapter(dict[str, Share])


def render_index(reports_dir: Path) -> str:
    """Return the index of the pages in a folder; what cannot be read is listed as that."""
    runs = [_entry(page) for page in sorted(reports_dir.glob(PAGES), reverse=True)]
    networks = sorted({name for run in runs for name in run["networks"]})
    readable = [run for run in runs if run["values"]]
    oldest_first = [run["accuracy"] for run in reversed(readable)]
    values = {name: [accuracy[name] for accuracy in oldest_first if name in accuracy] for name in networks}
    return Templates().page(
        "index.html.j2",
        "index.js",
        runs=runs,
        networks=networks,
        sparklines={name: _sparkline(of_runs) for name, of_runs in values.items() if of_runs},
        compared=[{key: run[key] for key in ("title", "settings", "values")} for run in readable],
        latest=LATEST if (reports_dir / LATEST).exists() else None,
    )


def _entry(page: Path) -> dict[str, Any]:
    """Return what the index says of a page, from its report data."""
    when = f"{page.name[:4]}-{page.name[4:6]}-{page.name[6:8]} {page.name[9:11]}:{page.name[11:13]} UTC"
    entry: dict[str, Any] = {"page": page.name, "when": when, "title": f"{when} ({page.stem[-8:]})"}
    entry |= {"verdict": "", "data_set": "", "trained_on": "", "networks": []}
    entry |= {"accuracy": {}, "settings": {}, "values": {}}
    try:
        data = read_json(page.with_suffix(".json"))
        if "failed" in data:
            return entry | {"verdict": f"Data refused: {data['failed'][0]['failure']}", "data_set": data["data_set"]}
        return entry | (_of_study if {"members", "trials"} & data.keys() else _of_run)(data)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        why = "are missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        return entry | {"verdict": f"Its numbers {why}; the page may still be."}


def _of_run(data: dict[str, Any]) -> dict[str, Any]:
    epochs = ", ".join(f"{name} {len(history)}" for name, history in data["learning"]["histories"].items())
    accuracy = SHARES.validate_python(data["side_by_side"]["test_accuracy"])
    nodes = data["provenance"]["nodes"].items()
    settings = {f"{label}: {name}": as_text(value) for label, node in nodes for name, value in node["settings"].items()}
    return {
        "verdict": data["verdict"]["sentences"][0],
        "data_set": data["head"]["data_set"],
        "trained_on": f"{data['verdict']['images']['train']:,} images; epochs: {epochs}",
        "networks": list(accuracy),
        "accuracy": accuracy,
        "settings": settings | {name: str(version) for name, version in data["provenance"]["versions"].items()},
        "values": {
            f"{network}: {name.replace('_', ' ')}": in_unit(of["value"], row["unit"])
            for name, row in data["side_by_side"]["rows"].items()
            for network, of in row["values"].items()
        },
    }


def _of_study(data: dict[str, Any]) -> dict[str, Any]:
    entry = {"verdict": data["verdict"][0], "data_set": data["data_set"]}
    if "trials" in data:
        tried = f"{len(data['trials'])} trials of {data['network']}"
        return entry | {"trained_on": tried, "networks": [data["network"]]}
    means = {name: of["accuracy"]["test"]["mean"] for name, of in data["networks"].items() if "test" in of["accuracy"]}
    return entry | {
        "trained_on": f"{len(data['members'])} {data['kind']}s",
        "networks": list(data["networks"]),
        "accuracy": SHARES.validate_python({name: mean["value"] for name, mean in means.items()}),
    }


def _sparkline(values: list[float]) -> dict[str, Any]:
    """Return what draws a network's test accuracies, oldest first: the lowest, the highest, and a point for each."""
    low, high = min(values), max(values)
    across = [i / (len(values) - 1) if len(values) > 1 else 0.5 for i in range(len(values))]
    down = [(high - value) / (high - low) if high > low else 0.5 for value in values]
    return {"low": low, "high": high, "points": list(zip(across, down, strict=True))}
