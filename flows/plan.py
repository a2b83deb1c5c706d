"""What a run would do, without doing it: the DAG walked from artifact to artifact."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tasks.formatting import nearest
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.cache_key import label_of
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.node import Node
from tasks.settings.settings import Settings

Step = tuple[str, str, str]  # label, what happens to it, why
Dag = Callable[[Callable[..., Any], Any], Any]  # such as `dag` of flows/main.py, of `run` and the settings


@dataclass
class Afresh:
    """Which nodes `fresh` has made again, each with the reason: the one that it names and all after it."""

    fresh: str | None
    reasons: dict[str, str] = field(default_factory=dict)  # by label

    def reason(self, node: Node, network: str | None, inputs: Iterable[str]) -> str | None:
        """Return why a node is made again, if it is; its inputs, by label, were asked for before."""
        label = node.label(network)
        upstream = next((given for given in inputs if given in self.reasons), None)
        if self.fresh in (node.name, label, label_of(node.name, network)):  # with a study's member or without
            self.reasons[label] = "asked for afresh"
        elif upstream:
            self.reasons[label] = f"after {upstream}, asked for afresh"
        return self.reasons.get(label)


def outline(dag: Dag, settings: Settings) -> tuple[list[str], dict[str, str]]:
    """Return every node's label, as far as the DAG is known before it runs, and those that `fresh` forces, and why.

    Raises:
        UserError: it names no node.
    """
    afresh = Afresh(settings.fresh)
    nodes: dict[str, str] = {}  # by label

    def visit(node: Node, network: str | None = None, after: Any = None, **inputs: Any) -> str:  # noqa: ARG001
        label = node.label(network)
        nodes[label] = node.name
        afresh.reason(node, network, _labels(inputs))
        return label

    dag(visit, settings)
    if settings.fresh and not afresh.reasons:
        names = dict.fromkeys([*nodes.values(), *nodes])
        raise UserError(f"fresh: no node is called {settings.fresh!r}{nearest(settings.fresh, names)}")
    return list(nodes), afresh.reasons


@dataclass
class Plan:
    """What happens to each node: keep, run, wait for an input that may change, or stop at a failed check."""

    steps: list[Step] = field(default_factory=list)
    kept: dict[str, Artifact] = field(default_factory=dict)  # by label; verified
    refusal: RunError | None = None  # of the check that failed
    libraries: set[str] = field(default_factory=set)  # what the nodes that run, or may have to, are made with

    @property
    def whole(self) -> bool:
        """Whether all that is asked for stands."""
        return len(self.kept) == len(self.steps)


def plan(dag: Dag, settings: Settings) -> Plan:
    """Return what a run would do; without Prefect or TensorFlow."""
    afresh = Afresh(settings.fresh)
    found = Plan()

    def visit(node: Node, network: str | None = None, after: Any = None, **inputs: Any) -> Artifact | str:  # noqa: ARG001
        label, undecided = node.label(network), _labels(inputs)
        why = afresh.reason(node, network, undecided)
        if found.refusal:
            verb, why = "wait", "(a failed check stops the run)"
        elif why:
            verb = "run"
        elif undecided:
            verb, why = "wait", f"(input {undecided[0]} may change)"
        else:
            try:
                artifact = node.find(settings, network, inputs)
            except RunError as error:
                found.refusal = error
                verb, why = "stop", str(error).removeprefix(f"{label}: ")
            else:
                if isinstance(artifact, Artifact):
                    found.kept[label] = artifact
                    verb, why = "keep", f"{artifact.key} verified"
                else:
                    verb, why = "run", artifact.reason
        found.steps.append((label, verb, why))
        if verb in ("run", "wait"):
            found.libraries.update(node.libraries)
        return found.kept.get(label, label)

    dag(visit, settings)
    return found


def flat(inputs: dict[str, Any]) -> Iterator[Any]:
    """Give every input, of a mapped node each."""
    for given in inputs.values():
        yield from given.values() if isinstance(given, dict) else (given,)


def _labels(inputs: dict[str, Any]) -> list[str]:
    return [given for given in flat(inputs) if isinstance(given, str)]
