"""What a plan comes to: how many steps run, and about how long that takes, as in earlier runs."""

from collections.abc import Callable

from flows.plan import Plan
from tasks.formatting import SPACE, duration
from tasks.pipeline.provenance import cores
from tasks.pipeline.run_records import records
from tasks.settings.settings import Settings
from tasks.settings.studies import SearchStudy


def outlook(plan: Plan, settings: Settings) -> str:
    """Return the last line of `--plan`."""
    total, kept = len(plan.steps), len(plan.kept)
    if plan.complete:
        return f"Up to date: {total} of {total} steps reused."
    if plan.failed_check:
        return "A failed check stops the run."
    to_run = total - kept
    known = f"{to_run} {'step' if to_run == 1 else 'steps'} to run, {kept} reused"
    if isinstance(settings, SearchStudy):
        return f"{known}; further trials depend on what these find"
    return known + _estimate(plan, settings)


def _estimate(plan: Plan, settings: Settings) -> str:
    """Return about how long it takes, if every step has run before with this recipe, or at least this preset."""
    labels = [label for label, verb, _ in plan.steps if verb != "reuse"]
    known: dict[str, float] = {}
    sources: dict[str, Callable[[str], bool]] = {
        "the last such run": lambda recipe: recipe == settings.run_name,
        f"earlier runs of preset {settings.preset}": lambda recipe: recipe.split(" ")[0] == settings.preset,
    }
    for source, is_like in sources.items():
        for record in records(settings.data_dir):  # the newest first
            if is_like(record.content.get("recipe", "")):
                made = {label: of["seconds"] for label, of in record.content["nodes"].items() if of["how"] == "made"}
                known = made | known
        if known.keys() >= set(labels):
            return f"; about {_rounded(_wall_seconds(plan, labels, known))} (from {source})"
    return ""


def _wall_seconds(plan: Plan, labels: list[str], seconds: dict[str, float]) -> float:
    """Return the longest chain of steps that wait for one another, or all of them shared among the cores."""
    ends: dict[str, float] = {}
    for label in labels:  # in the order of the DAG
        ends[label] = seconds[label] + max((ends.get(given, 0.0) for given in plan.waits_for[label]), default=0.0)
    return max(*ends.values(), sum(seconds[label] for label in labels) / cores())


def _rounded(seconds: float) -> str:
    return duration(60 * round(seconds / 60) if seconds >= 90 else seconds).replace(SPACE, " ").removesuffix(" 0 s")
