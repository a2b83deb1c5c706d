"""What a search finds."""

from tasks.evaluation.models import Count, Estimate, Model, Seconds, Share


class TrialResult(Model):
    """A trial’s settings, and its validation accuracy, epoch by epoch and at the end."""

    name: str
    settings: dict[str, int | float]
    accuracy: Estimate | None  # None: it diverged before its first epoch's end
    accuracies: list[Share]
    pruned: bool
    seconds: Seconds
    parameters: Count


class SearchResults(Model):
    """The trials, ranked, and what matters among what was varied."""

    network: str
    winner: str
    tied: list[str]
    verdict: list[str]  # the first says what to keep
    trials: list[TrialResult]  # the best first
    importance: dict[str, Share]
    command_of_the_best: str
