"""What a run would do, without doing it: the DAG walked from artifact to artifact."""

from collections.abc import Iterator
from typing import Any

from flows.main import dag
from tasks.artifacts.store import Artifact, Miss
from tasks.errors import RunError, UserError
from tasks.node import Node
from tasks.settings import Settings, nearest
from tasks.train import train

Step = tuple[str, str, str]  # label, what happens to it, why


def downstream(settings: Settings) -> dict[str, str]:
    """Return the nodes that `fresh` has made again, each with the reason: the one that it names and all after it.

    Raises:
        UserError: there is no such node.
    """
    reasons: dict[str, str] = {}
    names: list[str] = []

    def visit(node: Node, network: str | None = None, after: Any = None, **inputs: Any) -> str:  # noqa: ARG001
        label = node.label(network)
        names.extend([node.name, label] if network else [label])
        upstream = [name for name in _flat(inputs) if name in reasons]
        if settings.fresh in (node.name, label):
            reasons[label] = "asked for afresh"
        elif upstream:
            reasons[label] = f"after {upstream[0]}, asked for afresh"
        return label

    dag(visit, settings)
    if settings.fresh and not reasons:
        known = list(dict.fromkeys(names))
        raise UserError(f"fresh: no node is called {settings.fresh!r}{nearest(settings.fresh, known)}")
    return reasons


def labels(settings: Settings) -> list[str]:
    """Return what every node is called, in the order of the DAG."""
    found: list[str] = []

    def visit(node: Node, network: str | None = None, after: Any = None, **inputs: Any) -> None:  # noqa: ARG001
        found.append(node.label(network))

    dag(visit, settings)
    return found


def plan(settings: Settings) -> list[Step]:
    """Return what happens to each node: keep, run, wait for an input that may change, or stop at a failed check."""
    afresh = downstream(settings)
    steps: list[Step] = []
    stopped: set[str] = set()

    def visit(node: Node, network: str | None = None, after: Any = None, **inputs: Any) -> Artifact | str:
        label = node.label(network)
        undecided = [given for given in _flat(inputs) if isinstance(given, str)]
        if not stopped.isdisjoint({*undecided, *([after] if isinstance(after, str) else [])}):
            stopped.add(label)
            steps.append((label, "wait", "(a failed check stops the run)"))
        elif label in afresh:
            steps.append((label, "run", afresh[label]))
        elif undecided:
            steps.append((label, "wait", f"(input {undecided[0]} may change)"))
        else:
            try:
                found = node.find(settings, network, inputs)
            except RunError as error:
                stopped.add(label)
                steps.append((label, "stop", str(error).removeprefix(f"{label}: ")))
                return label
            if isinstance(found, Miss):
                steps.append((label, "run", found.reason))
            else:
                steps.append((label, "keep", f"{found.key} verified"))
                return found
        return label

    dag(visit, settings)
    return steps


def trainings_ahead(settings: Settings) -> int:
    """Return how many networks a run would train, or may have to."""
    trainings = [train.label(network) for network in settings.networks]
    return sum(label in trainings and what in ("run", "wait") for label, what, _ in plan(settings))


def standing(settings: Settings) -> dict[str, Artifact] | None:
    """Return every node's artifact if all stand and are verified; without Prefect or TensorFlow."""
    found: dict[str, Artifact] = {}

    class NotKept(Exception):
        pass

    def visit(node: Node, network: str | None = None, after: Any = None, **inputs: Any) -> Artifact:  # noqa: ARG001
        artifact = node.find(settings, network, inputs)
        if isinstance(artifact, Miss):
            raise NotKept  # the flow finds the same, and says why
        found[node.label(network)] = artifact
        return artifact

    try:
        dag(visit, settings)
    except NotKept:
        return None
    return found


def _flat(inputs: dict[str, Any]) -> Iterator[Any]:
    for given in inputs.values():
        yield from given.values() if isinstance(given, dict) else (given,)
