"""What a run would do, without doing it: the DAG walked from artifact to artifact; and about how long it takes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tasks.formatting import SPACE, duration, suggest
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.cache_key import label_of
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.node import Node
from tasks.pipeline.provenance import cores
from tasks.pipeline.run_records import records
from tasks.settings.settings import Settings
from tasks.settings.studies import SearchStudy

Step = tuple[str, str, str]  # label, what happens to it, why
Dag = Callable[[Callable[..., Any], Any], Any]  # such as `dag` of flows/main.py, of `run` and the settings


@dataclass
class ForcedReruns:
    """The nodes that `force` reruns, each with the reason: the one that it names and all that depend on it."""

    force: str | None
    reasons: dict[str, str] = field(default_factory=dict)  # by label

    def reason(self, node: Node, network: str | None, inputs: Iterable[str]) -> str | None:
        """Return why a node is rerun, if it is forced; its inputs, by label, were visited before."""
        label = node.label(network)
        upstream = next((given for given in inputs if given in self.reasons), None)
        if self.force in (node.name, label, label_of(node.name, network)):  # with a study's variant or without
            self.reasons[label] = "forced"
        elif upstream:
            self.reasons[label] = f"after {upstream}, forced"
        return self.reasons.get(label)


@dataclass
class Plan:
    """What happens to each node: reuse, run, wait for an input that may change, or stop at a failed check."""

    steps: list[Step] = field(default_factory=list)
    kept: dict[str, Artifact] = field(default_factory=dict)  # by label; verified
    failed_check: RunError | None = None
    libraries: set[str] = field(default_factory=set)  # of the nodes that run, or may have to

    @property
    def complete(self) -> bool:
        """Whether all that is requested is up to date."""
        return len(self.kept) == len(self.steps)


def plan(dag: Dag, settings: Settings) -> Plan:
    """Return what a run would do, as far as that is known before it runs; without Prefect or TensorFlow.

    Raises:
        UserError: `force` names no node.
    """
    forced, found = ForcedReruns(settings.force), Plan()

    def visit(node: Node, network: str | None = None, after: Any = None, **inputs: Any) -> Artifact | str:  # noqa: ARG001 (it shapes nothing)
        label, undecided = node.label(network), list(flatten(inputs, str))
        reason = forced.reason(node, network, undecided)
        if found.failed_check:
            verb, why = "wait", "(a failed check stops the run)"
        elif reason:
            verb, why = "run", reason
        elif undecided:
            verb, why = "wait", f"(input {undecided[0]} may change)"
        else:
            try:
                artifact = node.find(settings, network, inputs)
            except RunError as error:
                found.failed_check = error
                verb, why = "stop", str(error).removeprefix(f"{label}: ")
            else:
                if isinstance(artifact, Artifact):
                    found.kept[label] = artifact
                    verb, why = "reuse", f"cached ({artifact.key})"
                else:
                    verb, why = "run", artifact.reason
        found.steps.append((label, verb, why))
        if verb in ("run", "wait"):
            found.libraries.update(node.libraries)
        return found.kept.get(label, label)

    dag(visit, settings)
    if settings.force and not forced.reasons:
        names = dict.fromkeys(name for label, *_ in found.steps for name in (label.partition("[")[0], label))
        raise UserError(f"--force: unknown step {settings.force}{suggest(settings.force, names)}")
    return found


def flatten(inputs: dict[str, Any], kind: type = object) -> Iterator[Any]:
    """Give every input of this kind, of a mapped node each."""
    for given in inputs.values():
        yield from (
            each for each in (given.values() if isinstance(given, dict) else (given,)) if isinstance(each, kind)
        )


def outlook(plan: Plan, settings: Settings) -> str:
    """Return the last line of `--plan`: how many steps run, and about how long that takes, as in earlier runs."""
    total, kept = len(plan.steps), len(plan.kept)
    if plan.complete:
        return f"Up to date: {total} of {total} steps reused."
    if plan.failed_check:
        return "A failed check stops the run."
    known = f"{total - kept} {'step' if total - kept == 1 else 'steps'} to run, {kept} reused"
    if isinstance(settings, SearchStudy):
        return f"{known}; further trials depend on what these find"
    seconds, to_run = _seconds_of_steps(settings), [label for label, verb, _ in plan.steps if verb != "reuse"]
    if not seconds.keys() >= set(to_run):
        return known
    each = [seconds[label] for label in to_run]
    wall = max(max(each), sum(each) / cores())
    about = duration(60 * round(wall / 60) if wall >= 90 else wall).replace(SPACE, " ").removesuffix(" 0 s")
    return f"{known}; about {about} (from earlier runs of preset {settings.preset})"


def _seconds_of_steps(settings: Settings) -> dict[str, float]:
    """Return how long each step took when it last ran, with this recipe if it ever did, or else with this preset."""
    of_runs = (record.content for record in records(settings.data_dir))  # the newest first
    alike = [run for run in of_runs if run.get("recipe", "").split(" ")[0] == settings.preset]
    known: dict[str, float] = {}
    for run in sorted(alike, key=lambda run: run["recipe"] != settings.run_name):
        known = {label: of["seconds"] for label, of in run["nodes"].items() if of["how"] == "made"} | known
    return known
