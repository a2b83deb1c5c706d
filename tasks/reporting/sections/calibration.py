"""Can the probabilities be trusted: accuracy by confidence, and what rejecting the least sure images is worth."""

from markupsafe import Markup

from tasks.evaluation.metrics import REJECTED
from tasks.formatting import percent
from tasks.reporting.data import Run
from tasks.reporting.models import Count, Estimate, Model, Share
from tasks.reporting.plots import INK, SOFT, as_svg, look, new_figure, plain, short, styled

TITLE = "Can the probabilities be trusted?"


class Bin(Model):
    """The test images whose confidence lies between two limits."""

    low: Share
    high: Share
    images: Count
    confidence: Share | None
    accuracy: Estimate | None


class Rejection(Model):
    """The accuracy on what is left without the least sure images."""

    images: Count
    accuracy: Share


class Trust(Model):
    """How far one network's probabilities are true, on the test set."""

    accuracy: Share
    mean_confidence: Share
    too_sure: Estimate  # mean confidence less accuracy
    calibration_error: Share
    bins: list[Bin]
    rejection: list[Rejection]


class Numbers(Model):
    """How far each network's probabilities are true."""

    rejected: list[Share]  # of the images, the least sure ones
    networks: dict[str, Trust]


def numbers(run: Run) -> Numbers:
    """Gather how far each network's probabilities are true."""
    return Numbers(rejected=list(REJECTED), networks={name: _trust(run, name) for name in run.names})


def _trust(run: Run, name: str) -> Trust:
    test = run.metrics[name]["test"]
    return Trust.from_row(
        test,
        mean_confidence=float(run.confidence[name].astype(float).mean()),
        bins=[Bin.from_row(row) for row in test["reliability"]],
        rejection=[Rejection.from_row(row) for row in test["rejection"]],
    )


def figures(numbers: Numbers) -> dict[str, Markup]:
    """Draw a reliability diagram over a histogram of confidence for each network."""
    most = max(of_bin.images for trust in numbers.networks.values() for of_bin in trust.bins)
    return {name: _reliability(place, name, of, most) for place, (name, of) in enumerate(numbers.networks.items())}


@styled
def _reliability(place: int, name: str, trust: Trust, most: int) -> Markup:
    colour, marker = look(place)
    figure, (diagram, histogram) = new_figure(4.6, 2, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    diagram.plot([0, 100], [0, 100], color=SOFT, linewidth=0.8)
    diagram.annotate("line: as accurate as sure", (100, 4), ha="right", color=INK, fontsize=10)
    filled = [(100 * b.confidence, b.accuracy) for b in trust.bins if b.confidence is not None and b.accuracy]
    for confidence, accuracy in filled:
        diagram.plot([confidence] * 2, [100 * accuracy.low, 100 * accuracy.high], color=colour, linewidth=1.4)
    heights = [100 * accuracy.value for _, accuracy in filled]
    diagram.plot([confidence for confidence, _ in filled], heights, marker, color=colour, markersize=6)
    diagram.set(xlim=(0, 101), ylim=(0, 101), ylabel="accuracy, %")
    diagram.set_title(plain(short(name, 40)))
    diagram.grid()
    for of_bin in trust.bins:
        width = 100 * (of_bin.high - of_bin.low)
        histogram.bar(100 * of_bin.low, of_bin.images, width * 0.9, align="edge", color=colour, linewidth=0)
    histogram.set(xlabel="confidence, %", ylabel="images", ylim=(0, 1.05 * most))
    title = f"Accuracy by confidence of {name}, over how many images are so sure"
    told = f"Mean confidence {percent(trust.mean_confidence)}, accuracy {percent(trust.accuracy)}."
    return as_svg(figure, f"reliability-{place}", title, told)
