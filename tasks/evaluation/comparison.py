"""What a comparison of networks finds."""

from tasks.evaluation.models import Count, Estimate, Model, Share
from tasks.evaluation.paired import ClassDifference, PairwiseDifferences


class NetworkResult(Model):
    """One network's accuracies, and its gap between those on training and on test images."""

    accuracy: dict[str, Estimate]  # by split
    gap: Estimate
    running_accuracy: Share  # of the last epoch on training images
    running_gap: Estimate  # the gap as the article has it: while the network still learned, with dropout active
    parameters: Count


class Claim(Model):
    """What the article claims about a network, and what was measured."""

    network: str
    claim: str
    outcome: str
    measured: str
    gap: Estimate
    running_gap: Estimate
    running_accuracy: Share
    train_accuracy: Share
    test_accuracy: Share
    article_train: Share
    article_test: Share


class Comparison(Model):
    """The verdict on networks, and what it is based on."""

    winner: str
    ranking: list[str]  # the winner first, the others by validation accuracy
    tied: list[str]
    verdict: list[str]  # the first says what to keep
    warning: str | None  # the test set shows another network to be better
    networks: dict[str, NetworkResult]  # as ranked
    pairs: list[PairwiseDifferences]
    classes: list[ClassDifference]  # of the first two networks
    claims: list[Claim]
    overfitting_reduction: str | None  # does dropout reduce it, and by how much?
