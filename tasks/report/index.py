"""The index: all runs in `reports/`, newest first, and any two of them held against each other."""

import json
import math
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tasks.report.html import Templates
from tasks.report.publish import LATEST, PAGES
from tasks.wording import as_text, in_unit, percent

WIDTH, HEIGHT = 220, 44  # of the sparkline


def render_index(reports_dir: Path) -> str:
    """Return the index of the pages in a folder; what cannot be read is listed as that."""
    runs = [_entry(page) for page in sorted(reports_dir.glob(PAGES), reverse=True)]
    networks = sorted({name for run in runs for name in run["networks"]})
    told = [run for run in runs if run["figures"]]
    drawn = [(place, name) for place, name in enumerate(networks) if any(name in run["accuracy"] for run in told)]
    packed = json.dumps([{key: run[key] for key in ("title", "settings", "figures")} for run in told])
    return Templates().page(
        "index.html.j2",
        "index.js",
        runs=runs,
        networks=networks,
        sparklines=[(place, name, _sparkline(place, name, told)) for place, name in drawn],
        told=told,
        moved=differences(told[0], told[1]) if len(told) > 1 else [],
        latest=LATEST if (reports_dir / LATEST).exists() else None,
        packed=Markup(packed.replace("<", r"\u003c")),  # noqa: S704 (no < is left)
    )


def _entry(page: Path) -> dict[str, Any]:
    """Return what the index says of a page, from its twin."""
    when = f"{page.name[:4]}-{page.name[4:6]}-{page.name[6:8]} {page.name[9:11]}:{page.name[11:13]} UTC"
    entry: dict[str, Any] = {"page": page.name, "when": when, "title": f"{when} ({page.stem[-8:]})"}
    entry |= {"verdict": "", "data_set": "", "trained_on": ""}
    entry |= {"networks": [], "accuracy": {}, "settings": {}, "figures": {}}
    try:
        twin = json.loads(page.with_suffix(".json").read_bytes())
        if "refused" in twin:
            return entry | {"verdict": f"Data refused: {twin['refused'][0]['failure']}", "data_set": twin["data_set"]}
        if "members" in twin:
            return entry | _of_study(twin)
        if "trials" in twin:
            return entry | _of_search(twin)
        return entry | {
            "verdict": twin["verdict"]["sentences"][0],
            "data_set": twin["head"]["data_set"],
            "trained_on": _trained_on(twin),
            "networks": list(twin["side_by_side"]["test_accuracy"]),
            "accuracy": {name: _finite(share) for name, share in twin["side_by_side"]["test_accuracy"].items()},
            "settings": _settings(twin),
            "figures": _figures(twin),
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        missing = isinstance(error, FileNotFoundError)
        return entry | {
            "verdict": f"Its numbers {'are missing' if missing else 'cannot be read'}; the page may still be."
        }


def _of_study(twin: dict[str, Any]) -> dict[str, Any]:
    means = {name: of["accuracy"].get("test") for name, of in twin["networks"].items()}
    return {
        "verdict": twin["verdict"][0],
        "data_set": twin["data_set"],
        "trained_on": f"{len(twin['members'])} {twin['kind']}s",
        "networks": list(twin["networks"]),
        "accuracy": {name: _finite(of["mean"]) for name, of in means.items() if of},
    }


def _of_search(twin: dict[str, Any]) -> dict[str, Any]:
    tried = f"{len(twin['trials'])} trials of {twin['network']}"
    of_it = {"data_set": twin["data_set"], "trained_on": tried, "networks": [twin["network"]]}
    return {"verdict": twin["verdict"][0], **of_it}


def _finite(share: Any) -> float:
    if not math.isfinite(share):
        raise ValueError("not a share")
    return float(share)


def _trained_on(twin: dict[str, Any]) -> str:
    epochs = {name: len(history) for name, history in twin["learning"]["histories"].items()}
    told = ", ".join(f"{name} {count}" for name, count in epochs.items())
    return f"{twin['verdict']['images']['train']:,} images; epochs: {told}"


def _settings(twin: dict[str, Any]) -> dict[str, str]:
    nodes = twin["making"]["nodes"].items()
    settings = {f"{label}: {name}": as_text(value) for label, node in nodes for name, value in node["settings"].items()}
    return settings | {name: str(version) for name, version in twin["making"]["versions"].items()}


def _figures(twin: dict[str, Any]) -> dict[str, str]:
    """Return every figure that stands side by side, as text."""
    return {
        f"{network}: {name.replace('_', ' ')}": in_unit(of["value"], row["unit"])
        for name, row in twin["side_by_side"]["rows"].items()
        for network, of in row["values"].items()
    }


def differences(newer: dict[str, Any], older: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what differs between two runs: settings, then figures; each with both values."""
    return [
        (name, older[kind].get(name, "–"), newer[kind].get(name, "–"))
        for kind in ("settings", "figures")
        for name in {**older[kind], **newer[kind]}
        if older[kind].get(name) != newer[kind].get(name)
    ]


def _sparkline(place: int, name: str, runs: list[dict[str, Any]]) -> Markup:
    """Draw a network's test accuracy over its runs, oldest first."""
    values = [run["accuracy"][name] for run in reversed(runs) if name in run["accuracy"]]
    low, high = min(values), max(values)
    points = [
        f"{4 + (WIDTH - 8) * (i / (len(values) - 1) if len(values) > 1 else 0.5):.1f},"
        f"{HEIGHT - 4 - (HEIGHT - 8) * ((value - low) / (high - low) if high > low else 0.5):.1f}"
        for i, value in enumerate(values)
    ]
    title = f"Test accuracy of {name} over {len(values)} runs: lowest {percent(low)}, highest {percent(high)}"
    dots = Markup("").join(Markup('<circle cx="{}" cy="{}" r="2.5"/>').format(*point.split(",")) for point in points)
    return Markup(
        '<svg class="spark" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}" '
        'style="color: var(--network-{})"><title>{}</title><polyline points="{}"/>{}</svg>'
    ).format(title, WIDTH, HEIGHT, WIDTH, HEIGHT, place % 8, title, " ".join(points), dots)
