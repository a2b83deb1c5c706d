"""Where they disagree: what only one of two predicts correctly, and likely label issues."""

import numpy as np

from tasks.evaluation.models import Count, Model, Share
from tasks.reporting.data import PredictedImage, Run

TITLE = "Where they disagree"
SHOWN = 12
MIN_CONFIDENCE = 0.9  # with which all must agree on another class than the label, for a label issue


class ImageGroup(Model):
    """Test images with something in common: how many there are, and some of them, the most confident first."""

    count: Count
    pictures: list[PredictedImage]


class Numbers(Model):
    """Where the winner and the next one disagree; where all agree against the label."""

    both_correct: Count
    both_wrong: Count
    only: list[ImageGroup]  # what only the winner predicts correctly, and only the next; empty of a single network
    label_issues: ImageGroup
    min_confidence: Share


def numbers(run: Run) -> Numbers:
    """Gather where they disagree."""
    first, second = [*run.names, *run.names][:2]
    pairs = [(first, second), (second, first)] if run.pairs else []
    correct = {name: run.predicted[name] == run.labels for name in run.names}
    predicted, confidence = np.stack(list(run.predicted.values())), np.stack(list(run.confidence.values()))
    label_issues = (
        (predicted == predicted[0]).all(axis=0) & ~correct[first] & (confidence >= MIN_CONFIDENCE).all(axis=0)
    )
    return Numbers(
        both_correct=int((correct[first] & correct[second]).sum()),
        both_wrong=int((~correct[first] & ~correct[second]).sum()),
        only=[_group(run, correct[name] & ~correct[other], run.confidence[name]) for name, other in pairs],
        label_issues=_group(run, label_issues, confidence.min(axis=0)),
        min_confidence=MIN_CONFIDENCE,
    )


def _group(run: Run, chosen: np.ndarray, confidence: np.ndarray) -> ImageGroup:
    shown = run.most_confident(chosen, confidence)[:SHOWN]
    return ImageGroup(count=chosen.sum(), pictures=run.predicted_images(shown))
