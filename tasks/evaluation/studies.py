"""What a study of several trainings of each network finds."""

from tasks.evaluation.models import Count, Estimate, Model


class Summary(Model):
    """A quantity over the trainings: each one's value, their mean with its 95 % interval, their standard deviation."""

    values: list[float]
    mean: Estimate
    deviation: float


class PairedSummary(Summary):
    """How much higher the first network's accuracy is, training by training."""

    better: Count  # in so many trainings, the first is higher
    required: Count | None  # so many trainings would show the difference; None: over 1,000, or unknown


class StudiedNetwork(Model):
    """A network's trainings, in the order of the members."""

    parameters: Count
    accuracy: dict[str, Summary]  # by split


class StudiedPair(Model):
    """Two networks, trained alike."""

    first: str
    second: str
    accuracy: dict[str, PairedSummary]  # by split


class StudyResults(Model):
    """The verdict over the trainings, and what it is based on."""

    kind: str  # what its members differ in: seed, fold
    members: list[str]
    winner: str
    tied: list[str]
    verdict: list[str]  # the first says what to keep
    warning: str | None  # the test set shows another network to be better
    networks: dict[str, StudiedNetwork]  # the best first
    pairs: list[StudiedPair]
