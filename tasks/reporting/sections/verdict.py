"""The verdict: which network to keep, how sure that is, by what rule; and whether dropout cures the overfitting."""

from markupsafe import Markup

from tasks.evaluation.article import ARTICLE
from tasks.formatting import percent, points
from tasks.pipeline.artifact import Artifact
from tasks.reporting.data import Run
from tasks.reporting.models import Count, Difference, Estimate, Model, Share
from tasks.reporting.plots import SOFT, as_svg, draw_intervals, new_figure, styled

TITLE = "The verdict"


class Against(Model):
    """The network to keep against another, on the same test images."""

    other: str
    difference: Estimate
    only_keep_right: Count
    only_other_right: Count
    p: Share


class Claim(Model):
    """What the article says of a network, held against what was measured."""

    network: str
    claim: str
    outcome: str
    measured: str
    gap: Estimate
    running_gap: Estimate | None
    running_accuracy: Share | None
    train_accuracy: Share
    test_accuracy: Share
    article_train: Share
    article_test: Share
    article_gap: Difference


class Study(Model):
    """What a study says in which this run has part."""

    keep: str
    sentences: list[str]
    seeds: Count
    made_at: str


class Numbers(Model):
    """What the verdict says."""

    keep: str
    sentences: list[str]
    caution: str | None
    tied: list[str]
    validation_accuracy: dict[str, Estimate]
    images: dict[str, Count]
    seed: int
    study: Study | None
    challenge: str | None  # what was decided on the champion, and why
    against: list[Against]
    claims: list[Claim]
    cure: str | None
    articles_keep: str | None  # the network that the article keeps, where this run has both of its networks
    departures: list[str]


def numbers(run: Run) -> Numbers:
    """Gather what the verdict says."""
    comparison = run.comparison
    cure = comparison["cure"] if run.is_fashion_mnist else None
    return Numbers(
        keep=comparison["keep"],
        sentences=comparison["verdict"],
        caution=run.caution,
        tied=comparison["tied"],
        validation_accuracy={n: Estimate.of(run.metrics[n]["validation"], "accuracy") for n in run.names},
        images=run.summary["prepare"]["images"],
        seed=run.manifests["prepare"]["cache_key"]["settings"]["seed"],
        study=run.study and _study(run.study),
        challenge=run.decision and run.decision["reason"],
        against=[
            Against.from_row(
                pair,
                other=pair["second"],
                only_keep_right=pair["only_first_right"],
                only_other_right=pair["only_second_right"],
            )
            for pair in run.pairs
        ],
        claims=[_claim(run, claim) for claim in comparison["claims"]] if run.is_fashion_mnist else [],
        cure=cure and cure["answer"],
        articles_keep=max(ARTICLE, key=lambda name: ARTICLE[name]["test"]) if cure else None,
        departures=list(run.departures),
    )


def _study(study: Artifact) -> Study:
    return Study.from_row(
        study.summary,
        sentences=study.summary["verdict"],
        seeds=len(study.json("study.json")["members"]),
        made_at=study.manifest["made"]["at"],
    )


def _claim(run: Run, claim: dict[str, str]) -> Claim:
    row, article = run.comparison["networks"][claim["network"]], ARTICLE[claim["network"]]
    return Claim.from_row(
        row | claim,
        article_train=article["train"],
        article_test=article["test"],
        article_gap=article["train"] - article["test"],
    )


@styled
def figures(numbers: Numbers) -> dict[str, Markup]:
    """Draw what decides, and by how much the network to keep is better."""
    estimates, others = numbers.validation_accuracy, len(numbers.against)
    height = 0.95 + 0.32 * len(estimates) + (0.75 + 0.32 * others if others else 0)
    ratios = [len(estimates) + 1, others + 1][: 2 if others else 1]
    figure, panels = new_figure(height, len(ratios), squeeze=False, gridspec_kw={"height_ratios": ratios})
    best = max(estimates.values(), key=lambda estimate: estimate.value)
    panels[0, 0].axvspan(100 * best.low, 100 * best.high, color=SOFT, alpha=0.13, linewidth=0)
    decides = [(name, estimate, ()) for name, estimate in estimates.items()]
    draw_intervals(panels[0, 0], decides, title="validation accuracy, % (this decides)", of_networks=True)
    if others:
        shows = [(f"minus {against.other}", against.difference, ()) for against in numbers.against]
        draw_intervals(panels[1, 0], shows, title="test accuracy: keep minus other, points", of_networks=False)
    told = "; ".join(f"{name} {percent(e.value)}" for name, e in estimates.items())
    less = "; ".join(
        f"{a.other} {points(a.difference.value)} ({points(a.difference.low)} to {points(a.difference.high)})"
        for a in numbers.against
    )
    description = f"Validation accuracy: {told}. The shaded band is the best one’s 95 % interval."
    if less:
        description += f" Test accuracy of {numbers.keep} minus that of the other, in points: {less}."
    return {"decision": as_svg(figure, "decision", "What decides, and what the test set then showed", description)}
