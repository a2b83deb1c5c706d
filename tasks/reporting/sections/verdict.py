"""The verdict: which network to keep, how sure that is, by what rule; and whether dropout reduces the overfitting."""

from markupsafe import Markup

from tasks.evaluation.article import ARTICLE
from tasks.evaluation.comparison import Claim
from tasks.evaluation.models import Count, Estimate, Model
from tasks.evaluation.paired import PairwiseResult
from tasks.formatting import percent, points
from tasks.pipeline.artifact import Artifact
from tasks.reporting.data import Run
from tasks.reporting.plots import Interval, Panel, interval_plot, look

TITLE = "The verdict"


class Study(Model):
    """What a study says in which this run has part."""

    winner: str
    sentences: list[str]
    seeds: Count
    made_at: str


class Numbers(Model):
    """What the verdict says."""

    winner: str
    sentences: list[str]
    caution: str | None
    tied: list[str]
    validation_accuracy: dict[str, Estimate]
    images: dict[str, Count]
    seed: int
    study: Study | None
    challenge: str | None  # what was decided on the champion, and why
    pairs: list[PairwiseResult]  # the winner and each other network
    claims: list[Claim]
    overfitting_reduction: str | None
    article_winner: str | None  # the network that the article keeps, where this run has both of its networks
    departures: list[str]


def numbers(run: Run) -> Numbers:
    """Gather what the verdict says."""
    comparison = run.comparison
    reduction = comparison.overfitting_reduction if run.is_fashion_mnist else None
    return Numbers(
        winner=comparison.winner,
        sentences=comparison.verdict,
        caution=run.caution,
        tied=comparison.tied,
        validation_accuracy={name: of.accuracy["validation"] for name, of in comparison.networks.items()},
        images=run.summary["prepare"]["images"],
        seed=run.manifests["prepare"]["cache_key"]["settings"]["seed"],
        study=run.study and _study(run.study),
        challenge=run.decision and run.decision["reason"],
        pairs=run.pairs,
        claims=comparison.claims if run.is_fashion_mnist else [],
        overfitting_reduction=reduction,
        article_winner=max(ARTICLE, key=lambda name: ARTICLE[name]["test"]) if reduction else None,
        departures=list(run.departures),
    )


def _study(study: Artifact) -> Study:
    return Study(
        winner=study.summary["winner"],
        sentences=study.summary["verdict"],
        seeds=len(study.json("study.json")["members"]),
        made_at=study.manifest["made"]["at"],
    )


def plots(numbers: Numbers) -> dict[str, Markup]:
    """Draw what decides, and by how much the winner is better."""
    estimates = numbers.validation_accuracy
    best = max(estimates.values(), key=lambda estimate: estimate.value)
    decides = [Interval(name, estimate, look=look(place)) for place, (name, estimate) in enumerate(estimates.items())]
    panels = [Panel("validation accuracy, % (this decides)", decides, band=best)]
    each = "; ".join(f"{name} {percent(estimate.value)}" for name, estimate in estimates.items())
    description = f"Validation accuracy: {each}. The shaded band is the best one’s 95 % interval."
    if numbers.pairs:
        shows = [Interval(f"minus {pair.second}", pair.difference) for pair in numbers.pairs]
        panels.append(Panel("test accuracy: keep minus other, points", shows, zero=True))
        less = "; ".join(
            f"{pair.second} {points(pair.difference.value)} "
            f"({points(pair.difference.low)} to {points(pair.difference.high)})"
            for pair in numbers.pairs
        )
        description += f" Test accuracy of {numbers.winner} minus that of the other, in points: {less}."
    title = "What decides, and what the test set then showed"
    return {"decision": interval_plot("decision", title, description, *panels)}
