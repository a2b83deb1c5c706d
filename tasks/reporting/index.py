"""The index: all runs in `reports/`, those of a recipe together; its script compares any two of them."""

import json
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat, TypeAdapter

from tasks.evaluation.models import Share
from tasks.formatting import as_text, in_unit
from tasks.pipeline.reading import read_json
from tasks.reporting import LATEST, PAGES
from tasks.reporting.html import page
from tasks.reporting.plots import slot
from tasks.reporting.sections.provenance import grouped

SHARES = TypeAdapter(dict[str, Share])
LIMITS = TypeAdapter(dict[str, FiniteFloat | None])  # a value and its interval, if it has one
DIFFERENCES = {  # by unit: the scale, decimals and unit of a difference
    "%": (100, 2, "points"),
    "points": (100, 2, "points"),
    "nats": (1, 4, "nats"),
    "": (1, 0, ""),
    "bytes": (1e-6, 2, "MB"),
    "s": (1, 1, "s"),
    "ms": (1, 3, "ms"),
}


def render_index(reports_dir: Path) -> str:
    """Return the index of the pages in a folder; what cannot be read is listed as that."""
    runs = [_entry(path) for path in sorted(reports_dir.glob(PAGES), reverse=True)]
    networks = sorted({name for run in runs for name in run["networks"]})
    fields = ("when", "title", "choice", "settings", "versions", "values")
    compared = [{field: run[field] for field in fields} for run in runs if run["values"]]
    of_newest = compared[0]["values"].keys() if compared else set()
    return page(
        "index.html.j2",
        "index.js",
        runs=runs,
        groups=_by_recipe(runs),
        networks=networks,
        data={"runs": compared, "slots": {name: slot(name) for name in networks}},
        older=next((place for place, run in enumerate(compared[1:], 1) if of_newest & run["values"].keys()), 1),
        latest=LATEST if (reports_dir / LATEST).exists() else None,
    )


def _entry(path: Path) -> dict[str, Any]:
    """Return what the index says of a page, from its report data."""
    when = f"{path.name[:4]}-{path.name[4:6]}-{path.name[6:8]} {path.name[9:11]}:{path.name[11:13]}\xa0UTC"
    entry: dict[str, Any] = {"page": path.name, "when": when, "title": f"{when} ({path.stem[-8:]})", "verdict": ""}
    entry |= {"recipe": "No numbers", "command": "", "same": "", "networks": [], "study": False}
    entry |= {"accuracy": {}, "settings": {}, "versions": {}, "values": {}}
    try:
        data = read_json(path.with_suffix(".json"))
        if "failed" in data:
            why = f"Data refused: {data['failed'][0]['failure']}"
            return entry | {"verdict": why, "recipe": f"{data['data_set']} · refused"}
        return entry | (_of_study if {"members", "trials"} & data.keys() else _of_run)(data)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        why = "are missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        return entry | {"verdict": f"Its numbers {why}; the page may still be."}


def _of_run(data: dict[str, Any]) -> dict[str, Any]:
    epochs = grouped({name: len(history) for name, history in sorted(data["learning"]["histories"].items())})
    trained = "; ".join(f"{', '.join(names)} {number}" for number, names in epochs.items())
    rows = data["side_by_side"]["rows"]
    accuracy = SHARES.validate_python({name: of["value"] for name, of in rows["test_accuracy"]["values"].items()})
    settings = {label: node["settings"] for label, node in data["provenance"]["nodes"].items()}
    settings["download"] = {"data set": data["head"]["data_set"]}
    recipe = {label: {k: v for k, v in of_node.items() if k != "seed"} for label, of_node in settings.items()}
    images = f"{data['verdict']['images']['train']:,} training images"
    return {
        "verdict": data["verdict"]["sentences"][0],
        "recipe": f"{data['head']['data_set']} · {images} · epochs: {trained}",
        "command": data["provenance"]["command"],
        "same": json.dumps(recipe, sort_keys=True),
        "choice": f"{', '.join(accuracy)}; {images}",
        "networks": list(accuracy),
        "accuracy": accuracy,
        "settings": _by_setting(settings),
        "versions": {name: {"": str(version)} for name, version in data["provenance"]["versions"].items()},
        "values": _by_network(rows),
    }


def _of_study(data: dict[str, Any]) -> dict[str, Any]:
    search = "trials" in data
    of = f"{len(data['trials'])} trials of {data['network']}" if search else f"{len(data['members'])} {data['kind']}s"
    networks = [data["network"]] if search else list(data["networks"])
    found = {} if search else {name: network["accuracy"].get("test") for name, network in data["networks"].items()}
    compared = "" if search else f" · {', '.join(sorted(networks))}"
    return {
        "study": True,
        "verdict": data["verdict"][0],
        "recipe": f"{data['data_set']} · {'search' if search else 'study'}: {of}{compared}",
        "command": data["command"],
        "same": data["command"],
        "networks": networks,
        "accuracy": SHARES.validate_python({name: of["mean"]["value"] for name, of in found.items() if of}),
    }


def _by_setting(settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return each setting's value, as the page writes it, by network, or by node where no network is concerned."""
    found: dict[str, dict[str, str]] = {}
    for label, of_node in settings.items():
        for name, value in of_node.items():
            of = label.partition("[")[2].rstrip("]") or label
            text = "default" if value is None else "none" if value == [] else as_text(value)
            found.setdefault(name.replace("_", " "), {}).setdefault(of, text)
    return found


def _by_network(rows: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return each network's numbers: as the page writes them, and as their differences are counted."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows.values():
        scale, decimals, unit = DIFFERENCES[row["unit"]]
        for network, of in row["values"].items():
            given = LIMITS.validate_python(of)
            scaled = {name: None if value is None else scale * value for name, value in given.items()}
            shown = {"text": in_unit(given["value"] or 0.0, row["unit"]), "decimals": decimals, "unit": unit}
            found.setdefault(network, {})[row["title"]] = shown | scaled
    return found


def _by_recipe(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs of each recipe, newest first; the recipe of the newest run first."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["recipe"], run["same"]), []).append(run)
    titles = [title for title, _ in groups]
    return [
        {
            "title": title,
            "command": of[0]["command"] if titles.count(title) > 1 else "",
            "runs": of,
            "lines": _lines([run["accuracy"] for run in reversed(of) if run["values"]]),
        }
        for (title, _), of in groups.items()
    ]


def _lines(accuracies: list[dict[str, float]]) -> dict[str, Any]:
    """Return the networks' test accuracies, oldest first, with their places: nothing of fewer than two runs."""
    every = [value for of in accuracies for value in of.values()]
    if len(accuracies) < 2 or not every:
        return {}
    networks = {
        name: [(place, of[name]) for place, of in enumerate(accuracies) if name in of]
        for name in sorted({name for of in accuracies for name in of})
    }
    return {"low": min(every), "high": max(every), "last": len(accuracies) - 1, "networks": networks}
