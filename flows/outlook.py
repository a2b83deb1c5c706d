"""What a plan comes to: how many steps run, and about how long that takes, as in earlier runs."""

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
    seconds = _wall_seconds(plan, _seconds_of_steps(settings))
    if not seconds:
        return known
    about = duration(60 * round(seconds / 60) if seconds >= 90 else seconds).replace(SPACE, " ").removesuffix(" 0 s")
    return f"{known}; about {about} (from earlier runs of preset {settings.preset})"


def _seconds_of_steps(settings: Settings) -> dict[str, float]:
    """Return how long each step took when it last ran, with this recipe if it ever did, or else with this preset."""
    recipes = [(record.content.get("recipe", ""), record.content["nodes"]) for record in records(settings.data_dir)]
    alike = [(recipe, nodes) for recipe, nodes in recipes if recipe.split(" ")[0] == settings.preset]
    known: dict[str, float] = {}
    for _, nodes in sorted(alike, key=lambda found: found[0] != settings.run_name):  # else the newest first, as before
        known = {label: of["seconds"] for label, of in nodes.items() if of["how"] == "made"} | known
    return known


def _wall_seconds(plan: Plan, seconds: dict[str, float]) -> float | None:
    """Return the longest chain of steps that wait for one another, or all of them shared among the cores."""
    ends: dict[str, float] = {}
    labels = [label for label, verb, _ in plan.steps if verb != "reuse"]  # in the order of the DAG
    if not seconds.keys() >= set(labels):
        return None
    for label in labels:
        ends[label] = seconds[label] + max((ends.get(given, 0.0) for given in plan.waits_for[label]), default=0.0)
    return max(*ends.values(), sum(seconds[label] for label in labels) / cores())
