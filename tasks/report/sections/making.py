"""How this was made: the DAG with each node's time and reason, settings, versions, machine, commit."""

from typing import Any

from markupsafe import Markup

from tasks.report.gather import Run
from tasks.report.quantities import Count, Seconds
from tasks.report.quantities import Numbers as Model

TITLE = "How this was made"
GATES = {"prepare": ["validate"]}  # what has to pass before, though nothing is read of it
BOX, ROW, GAP = 158, 74, 16  # SVG units: a node's width, the distance of two rows, the gap between two nodes
LEAST = 0.75  # of its size: where there is less room, as on a phone, it scrolls instead of getting too small to read


class Made(Model):
    """A node: when, why and how fast its artifact was made, and from what."""

    key: str
    at: str
    seconds: Seconds
    why: str
    kept: bool  # made by an earlier run than the newest of these artifacts
    settings: dict[str, Any]
    inputs: list[str]


class Numbers(Model):
    """How everything on the page was made."""

    command: str
    nodes: dict[str, Made]
    machines: dict[str, list[str]]  # what was made on each
    commits: dict[str, list[str]]  # what was made of each state of the code
    clean: bool  # was everything made of a commit, with nothing changed?
    versions: dict[str, str]
    seed: Count


def numbers(run: Run) -> Numbers:
    """Gather how everything was made."""
    made = {label: manifest["made"] for label, manifest in run.manifests.items()}
    newest = max(made.values(), key=lambda of_node: of_node["at"])["run"]
    return Numbers(
        command=run.command,
        nodes={
            label: Made.from_row(
                manifest | made[label],
                kept=made[label]["run"] != newest,
                settings={k: v for k, v in manifest["cache_key"]["settings"].items() if k != "data_set"},
                inputs=[name for name in [*_inputs(manifest, run), *GATES.get(label, ())] if name in run.manifests],
            )
            for label, manifest in run.manifests.items()
        },
        machines=_grouped({label: _machine(of_node) for label, of_node in made.items()}),
        commits=_grouped({label: of_node["commit"] for label, of_node in made.items()}),
        clean=all(of_node["commit"].endswith("tree clean") for of_node in made.values()),
        versions={
            library: version
            for manifest in run.manifests.values()
            for library, version in manifest["cache_key"]["versions"].items()
        },
        seed=run.manifests["prepare"]["cache_key"]["settings"]["seed"],
    )


def _inputs(manifest: dict[str, Any], run: Run) -> list[str]:
    """Return the labels of a node's inputs; what is mapped over the networks comes from the same network."""
    network = manifest["network"]
    names = manifest["cache_key"]["inputs"]
    return [f"{name}[{network}]" if network and f"{name}[{network}]" in run.manifests else name for name in names]


def _machine(made: dict[str, Any]) -> str:
    return f"{made['processor']}, {made['cores']} cores, {made['system']}, Python {made['python']}"


def _grouped(of_each: dict[str, str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for label, what in of_each.items():
        groups.setdefault(what, []).append(label)
    return groups


def figures(numbers: Numbers) -> dict[str, Markup]:
    """Draw the DAG: a box a node, its inputs above it."""
    depth: dict[str, int] = {}
    for label, made in numbers.nodes.items():
        depth[label] = 1 + max((depth[name] for name in made.inputs if name in depth), default=-1)
    levels = [[label for label in depth if depth[label] == level] for level in range(max(depth.values()) + 1)]
    width = max(map(len, levels)) * (BOX + GAP) - GAP
    places = {
        label: (width / 2 + (place - len(level) / 2) * (BOX + GAP) + GAP / 2, row * ROW)
        for row, level in enumerate(levels)
        for place, label in enumerate(level)
    }
    lines, boxes = [], []
    for label, made in numbers.nodes.items():
        x, y = places[label]
        for name in made.inputs:
            from_x, from_y = places[name]
            start, end = (from_x + BOX / 2, from_y + 48), (x + BOX / 2, y)
            bend = (start[1] + end[1]) / 2
            lines.append(f"M{start[0]:g} {start[1]:g}C{start[0]:g} {bend:g} {end[0]:g} {bend:g} {end[0]:g} {end[1]:g}")
        boxes.append(_box(label, made, x, y))
    height = len(levels) * ROW - (ROW - 50)
    told = "; ".join(
        f"{label} {'kept' if made.kept else 'made'}, {made.seconds:.1f} s" for label, made in numbers.nodes.items()
    )
    drawing = Markup(
        '<svg role="img" aria-label="The steps of the pipeline" viewBox="-1 -1 {} {}" '
        'style="max-width: {}px; min-width: {}px">'
        '<title>The steps of the pipeline</title><desc>{}</desc><path class="edge" d="{}"/>{}</svg>'
    )
    return {
        "dag": drawing.format(
            f"{width + 2:g}",
            height + 2,
            f"{width + 2:g}",
            f"{LEAST * width:g}",
            told,
            " ".join(lines),
            Markup("").join(boxes),
        )
    }


def _box(label: str, made: Made, x: float, y: float) -> Markup:
    kept = "kept" if made.kept else "made"
    return Markup(
        '<g class="node {}"><title>{}</title><rect x="{:g}" y="{:g}" width="{}" height="48" rx="6"/>'
        '<text x="{:g}" y="{:g}" class="label">{}</text><text x="{:g}" y="{:g}">{} · {:.1f} s</text></g>'
    ).format(
        kept,
        f"{label}: {made.why}",
        x,
        y,
        BOX,
        x + 10,
        y + 20,
        label if len(label) < 22 else f"{label[:20]}…",
        x + 10,
        y + 38,
        kept,
        made.seconds,
    )
