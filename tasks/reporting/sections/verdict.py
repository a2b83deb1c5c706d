"""The verdict: which network to keep, how sure that is, by what rule; and what became of the article's claims."""

from markupsafe import Markup

from tasks.evaluation.article import ARTICLE, OVERFITTING_GAP
from tasks.evaluation.budgets import lowest_loss, unequal_training
from tasks.evaluation.comparison import Claim
from tasks.evaluation.models import Count, Estimate, Model, Seconds
from tasks.evaluation.paired import PairwiseResult
from tasks.formatting import count, percent, points, times
from tasks.reporting.data import Run
from tasks.reporting.plots import Interval, Panel, interval_plot, look, short
from tasks.reporting.sections.networks import describe
from tasks.reporting.use import Use, use_of
from tasks.training.xgboost import XGBOOST

TITLE = "The verdict"
CLOSE = 0.05  # relative difference from a ratio that has a name


class Study(Model):
    """What a study says of which this run is a part."""

    winner: str
    sentences: list[str]
    seeds: Count
    made_at: str


class Budget(Model):
    """What a network's training cost."""

    epochs: Count
    images: Count  # seen, over all epochs
    seconds: Seconds
    lowest_loss: Count | None  # the epoch of the lowest validation loss


class Numbers(Model):
    """What the verdict says."""

    sentences: list[str]
    bottom_line: str | None
    warning: str | None
    caution: str | None
    use: Use  # of the winner
    descriptions: dict[str, str]  # by network
    validation_accuracy: dict[str, Estimate]
    images: dict[str, Count]
    seed: int
    preset: str
    budgets: dict[str, Budget]
    budget_warning: str | None
    next_steps: dict[str, str]  # command by what it does
    study: Study | None
    challenge: str | None  # what was decided on the champion, and why
    pairs: list[PairwiseResult]  # the winner and each other network
    claims: list[Claim]
    overfitting_reduction: str | None
    overfitting_gap: float
    article_winner: str | None  # the network that the article keeps, where this run has both of its networks
    claim_departures: dict[str, str]  # the first difference of a claim's recipe from the article's, by network
    departures: list[tuple[str, str, str]]  # setting, the article's value, this run's


def numbers(run: Run) -> Numbers:
    """Gather what the verdict says."""
    comparison, images = run.comparison, run.summary["prepare"]["images"]
    claims = comparison.claims if run.is_fashion_mnist else []
    reduction = comparison.overfitting_reduction if run.is_fashion_mnist else None
    budgets = _budgets(run, images["train"])
    networks = {name: budget for name, budget in budgets.items() if name != XGBOOST}  # which trains in rounds
    unequal = unequal_training(run.histories)
    winner = {node: run.manifests[f"{node}[{run.names[0]}]"] for node in ("train", "evaluate")}
    return Numbers(
        sentences=comparison.verdict,
        bottom_line=_bottom_line(run, budgets) if run.pairs else None,
        warning=comparison.warning,
        caution=run.caution,
        use=use_of(winner["train"], winner["evaluate"], run.data_set.class_names),
        descriptions={name: describe(run.layers[name]) for name in run.names},
        validation_accuracy={name: of.accuracy["validation"] for name, of in comparison.networks.items()},
        images=images,
        seed=run.manifests["prepare"]["cache_key"]["settings"]["seed"],
        preset=run.command.partition("--preset ")[2].partition(" ")[0] or "fast",
        budgets=budgets,
        budget_warning=unequal,
        next_steps=_next_steps(run, max(of.epochs for of in networks.values()) if unequal else None),
        study=run.study
        and Study(
            winner=run.study.summary["winner"],
            sentences=run.study.summary["verdict"],
            seeds=len(run.study.json("study.json")["members"]),
            made_at=run.study.manifest["made"]["at"],
        ),
        challenge=run.decision and run.decision["reason"],
        pairs=run.pairs,
        claims=claims,
        overfitting_reduction=reduction,
        overfitting_gap=OVERFITTING_GAP,
        article_winner=max(ARTICLE, key=lambda name: ARTICLE[name]["test"]) if reduction else None,
        claim_departures={of.network: _departure(run.departures, of.network) for of in claims if run.departures},
        departures=list(run.departures),
    )


def _budgets(run: Run, images: int) -> dict[str, Budget]:
    return {
        name: Budget(
            epochs=len(history),
            images=len(history) * images,
            seconds=run.summary[f"train[{name}]"]["seconds"],
            lowest_loss=lowest_loss(history),
        )
        for name, history in run.histories.items()
    }


def _departure(departures: tuple[tuple[str, str, str], ...], network: str) -> str:
    """Return the departure from the article's recipe that explains most of a network's result: its epochs, if any."""
    epochs = f"{network}: epochs"
    setting, theirs, ours = next((of for of in departures if of[0] == epochs), departures[0])
    what = f"{setting} {ours}" if setting != epochs else f"{ours} epoch{'s' if ours != '1' else ''}"
    return f"{what} instead of {theirs}"


def _next_steps(run: Run, epochs: int | None) -> dict[str, str]:
    """Return what would make a reader surer, and the command that does it: with so many epochs for all, if any."""
    steps = {"Train all networks equally long": f"{run.command} --epochs {epochs}"} if epochs else {}
    if run.pairs and not run.study:
        study = run.command.replace("flows/main.py", "flows/study.py seeds") + (f" --epochs {epochs}" if epochs else "")
        steps["Repeat with five seeds, to see how much results vary between trainings"] = f"{study} --seeds 5"
    return steps


def _bottom_line(run: Run, budgets: dict[str, Budget]) -> str:
    """Return what keeping the winner instead of the next means: errors, size, training time."""
    winner, other = run.names[:2]
    fewer, images = round(run.pairs[0].test.difference.value * len(run.labels)), count(len(run.labels))
    wrong = {name: round((1 - run.metrics[name]["test"].accuracy.value) * len(run.labels)) for name in (winner, other)}
    errors = f", {count(abs(fewer))} {'fewer' if fewer > 0 else 'more'}" if fewer else ""
    parts = [f"{count(wrong[winner])} errors in {images} test images instead of {count(wrong[other])}{errors}"]
    if XGBOOST not in (winner, other):
        one, two = (run.comparison.networks[name].parameters for name in (winner, other))
        parts.append(_ratio(one, two, "number of parameters"))
    epochs = {budgets[name].epochs for name in (winner, other) if name != XGBOOST}
    for_epochs = f" for {budgets[winner].epochs} epochs instead of {budgets[other].epochs}" if len(epochs) == 2 else ""
    parts.append(_ratio(budgets[winner].seconds, budgets[other].seconds, "training time") + for_epochs)
    return f"Compared with {other}: {'; '.join(parts)}."


def _ratio(one: float, other: float, of_what: str) -> str:
    """Return how the first compares with the second: half the number of parameters, 3.1× the training time."""
    ratio = one / other if other else 1.0
    for value, words in {1.0: "about the same", 0.5: "half the", 0.25: "a quarter of the"}.items():
        if abs(ratio / value - 1) < CLOSE:
            return f"{words} {of_what}"
    return f"{f'{percent(ratio, 0)} of' if ratio < 1 else times(ratio)} the {of_what}"


def plots(numbers: Numbers) -> dict[str, Markup]:
    """Draw what decides, and what the test set then showed."""
    estimates = numbers.validation_accuracy
    decides = [Interval(name, estimate, look=look(name)) for name, estimate in estimates.items()]
    panels = [Panel("Validation accuracy, % (picks the winner)", decides)]
    each = "; ".join(f"{name} {percent(estimate.value)}" for name, estimate in estimates.items())
    description = f"Validation accuracy: {each}."
    if pairs := numbers.pairs:
        rows = [Interval(f"{pair.second}, validation", pair.validation.difference) for pair in pairs]
        rows += [Interval(f"{pair.second}, test", pair.test.difference) for pair in pairs]
        panels.append(Panel(f"{short(pairs[0].first)} minus the other (points)", rows, zero=True))
        shown = "; ".join(f"{name} {points(of.value)} ({points(of.low)} to {points(of.high)})" for name, of, *_ in rows)
        description += f" {pairs[0].first} minus the other, in points: {shown}."
    return {"decision": interval_plot("decision", "What decides, and what the test set showed", description, *panels)}
