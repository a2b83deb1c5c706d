"""Can the probabilities be trusted: accuracy by confidence, and without the least confident images."""

from markupsafe import Markup

from tasks.evaluation.metrics import Bin, Calibration
from tasks.evaluation.models import Estimate, Model
from tasks.formatting import count, percent
from tasks.reporting.data import Run
from tasks.reporting.plots import MUTED, TEXT, as_svg, look, new_figure, short

TITLE = "Can the probabilities be trusted?"
WELL_CALIBRATED = 0.02  # confidence and accuracy that differ by no more, as far as 95 % intervals go, agree


class Numbers(Model):
    """How well each network's confidence agrees with its accuracy, on the test set."""

    networks: dict[str, Calibration]
    findings: dict[str, str]
    outside: dict[str, str]  # what of its confidence bins contradicts calibration


def numbers(run: Run) -> Numbers:
    """Gather each network's calibration."""
    networks = {name: run.metrics[name]["test"].calibration for name in run.names}
    return Numbers(
        networks=networks,
        findings={name: finding(of.overconfidence) for name, of in networks.items()},
        outside={name: _outside(of.bins) for name, of in networks.items()},
    )


def _outside(bins: list[Bin]) -> str:
    """Return a sentence on the bins whose confidence lies outside the interval of their accuracy, if there are any."""
    off = [of_bin for of_bin in bins if not of_bin.accuracy.low <= of_bin.confidence <= of_bin.accuracy.high]
    if not off:
        return ""
    largest = max(off, key=lambda of_bin: of_bin.images)
    which = ":" if len(off) == 1 else "; most images are in the one"
    return (
        f"In {len(off)} of {len(bins)} non-empty confidence bins, the interval of the accuracy excludes the mean "
        f"confidence{which} from {percent(largest.low, 1)} to {percent(largest.high, 1)} ({count(largest.images)} "
        f"images, confidence {percent(largest.confidence)}, accuracy {percent(largest.accuracy.value)})."
    )


def finding(overconfidence: Estimate) -> str:
    """Return what the predicate of a sentence about a network says of its mean confidence."""
    if overconfidence.significant:
        return "is overconfident" if overconfidence.value > 0 else "is underconfident"
    if max(map(abs, overconfidence.interval)) <= WELL_CALIBRATED:
        return "shows no overall over- or underconfidence that these images could detect"
    return "may be over- or underconfident (too few images to decide)"


def plots(numbers: Numbers) -> dict[str, Markup]:
    """Draw a reliability diagram over a histogram of confidence for each network."""
    most = max(of_bin.images for of in numbers.networks.values() for of_bin in of.bins)
    return {name: _reliability(place, name, of, most) for place, (name, of) in enumerate(numbers.networks.items())}


def _reliability(place: int, name: str, calibration: Calibration, most: int) -> Markup:
    color, marker = look(name)
    figure, (diagram, histogram) = new_figure(4.6, 2, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    diagram.plot([0, 100], [0, 100], color=MUTED, linewidth=0.8)
    diagram.annotate("line: perfect calibration", (100, 4), ha="right", color=TEXT, fontsize=10)
    bins = calibration.bins
    confidence = [100 * of_bin.confidence for of_bin in bins]
    limits = [100 * of_bin.accuracy.low for of_bin in bins], [100 * of_bin.accuracy.high for of_bin in bins]
    diagram.vlines(confidence, *limits, color=color, linewidth=1.4)
    diagram.plot(confidence, [100 * of.accuracy.value for of in bins], marker, color=color, markersize=6, clip_on=False)
    diagram.set(xlim=(0, 101), ylim=(0, 101), ylabel="accuracy, %", title=short(name, 40))
    diagram.grid()
    widths = [90 * (of_bin.high - of_bin.low) for of_bin in bins]
    images = [of_bin.images for of_bin in bins]
    histogram.bar([100 * of_bin.low for of_bin in bins], images, widths, align="edge", color=color, linewidth=0)
    histogram.set(xlabel="confidence, %", ylabel="images", ylim=(0, 1.05 * most))
    title = f"Calibration of {name}: accuracy by confidence, above the number of images"
    description = f"Mean confidence {percent(calibration.mean_confidence)}, accuracy {percent(calibration.accuracy)}."
    return as_svg(figure, f"reliability-{place}", title, description)
