"""How these numbers were computed: the method of each interval and test, with its source."""

from tasks.evaluation.metrics import BINS
from tasks.evaluation.models import Count, Model
from tasks.evaluation.paired import BOOTSTRAP_SAMPLES
from tasks.reporting.data import Run

TITLE = "How these numbers were computed"


class Numbers(Model):
    """What the methods were called with."""

    bins: Count
    bootstrap_samples: Count


def numbers(run: Run) -> Numbers:  # noqa: ARG001 (they are the same for every run)
    """Return what the methods were called with."""
    return Numbers(bins=BINS, bootstrap_samples=BOOTSTRAP_SAMPLES)
