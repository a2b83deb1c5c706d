"""How this was made: the DAG with each node's time and reason, settings, versions, machine, commit."""

from itertools import combinations
from typing import Any

from tasks.evaluation.models import Count, Model, Seconds
from tasks.formatting import SPACE
from tasks.reporting.data import Run

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
    reused: bool  # made by an earlier run than the newest of these artifacts
    settings: dict[str, Any]
    inputs: list[str]


class Numbers(Model):
    """How everything on the page was made."""

    command: str
    checkout: str | None  # the commit to reproduce it with; none if what was made is not all of clean commits
    nodes: dict[str, Made]
    wall_seconds: Seconds  # of all runs that made a step: from the start of its first one to the end of its last
    runs: Count  # that made them
    together: dict[str, list[str]]  # by step: those after it that ran while it ran
    machines: dict[str, list[str]]  # what was made on each
    commits: dict[str, list[str]]  # what was made of each state of the code
    versions: dict[str, str]
    seed: Count


def numbers(run: Run) -> Numbers:
    """Gather how everything was made."""
    made = {label: manifest["made"] for label, manifest in run.manifests.items()}
    newest = max(made.values(), key=lambda of_node: of_node["at"])
    clean = all(of_node["commit"].endswith("tree clean") for of_node in made.values())
    by_run = grouped({label: of["run"] for label, of in made.items()})
    spans = [[run.spans[label] for label in labels] for labels in by_run.values()]
    overlapping = [pair for pair in combinations(run.manifests, 2) if run.ran_together(*pair)]
    return Numbers(
        command=run.command,
        checkout=newest["commit"].split()[1].rstrip(",") if clean else None,
        nodes={
            label: Made(
                key=manifest["key"],
                **{name: made[label][name] for name in ("at", "seconds", "why")},
                reused=made[label]["run"] != newest["run"],
                settings={
                    name: value
                    for name, value in manifest["cache_key"]["settings"].items()
                    if name != "data_set" and value not in (None, [])
                },
                inputs=[name for name in [*_inputs(manifest, run), *GATES.get(label, ())] if name in run.manifests],
            )
            for label, manifest in run.manifests.items()
        },
        wall_seconds=sum(max(end for _, end in of) - min(start for start, _ in of) for of in spans),
        runs=len(spans),
        together={one: [later for label, later in overlapping if label == one] for one, _ in overlapping},
        machines=grouped({label: _machine(of_node) for label, of_node in made.items()}),
        commits=grouped({label: of_node["commit"] for label, of_node in made.items()}),
        versions={k: v for of in run.manifests.values() for k, v in of["cache_key"]["versions"].items()},
        seed=run.manifests["prepare"]["cache_key"]["settings"]["seed"],
    )


def _machine(made: dict[str, Any]) -> str:
    memory = f", {made['memory']:g}{SPACE}GiB of memory" if "memory" in made else ""  # older artifacts do not say
    return f"{made['processor']}, {made['cores']} cores{memory}, {made['system']}, Python {made['python']}"


def _inputs(manifest: dict[str, Any], run: Run) -> list[str]:
    """Return the labels of a node's inputs; what is mapped over the networks comes from the same network."""
    network = manifest["network"]
    names = manifest["cache_key"]["inputs"]
    return [f"{name}[{network}]" if network and f"{name}[{network}]" in run.manifests else name for name in names]


def grouped(of_each: dict[str, Any]) -> dict[Any, list[str]]:
    """Return the labels that have the same value, by that value."""
    groups: dict[Any, list[str]] = {}
    for label, what in of_each.items():
        groups.setdefault(what, []).append(label)
    return groups


def plots(numbers: Numbers) -> dict[str, Any]:
    """Place the DAG's nodes, in SVG units: each one's left upper corner, its inputs above it."""
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
    height = (len(levels) - 1) * ROW + 50
    return {"box": BOX, "width": width, "least": LEAST * width, "height": height, "places": places}
