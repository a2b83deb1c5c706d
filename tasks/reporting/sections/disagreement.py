"""Where they disagree: what only one of two has right, what all are surely wrong about, the article's two images."""

import numpy as np
from pydantic import Field

from tasks.reporting.data import Run
from tasks.reporting.models import Count, Judged, Model, Picture, Share, judged

TITLE = "Where they disagree"
SHOWN = 12
SURE = 0.9  # the confidence with which all must agree on another class than the label, to call the label a suspect
ARTICLES_PICTURES = (("train", 220), ("test", 88))  # the two that the article looks at


class Kind(Model):
    """Test images of a kind: how many there are, and some of them, the surest first."""

    count: Count
    pictures: list[Judged]


class ArticlesPicture(Picture):
    """One of the article's two images, and what the networks make of it, where this run used it."""

    split: str | None = Field(description="which split it belongs to in this run; none if the run left it out")
    probabilities: dict[str, list[Share]] = Field(description="by network: of every class")


class Numbers(Model):
    """Where the network to keep and the next one disagree; where all agree against the label."""

    first: str
    second: str | None
    both_right: Count
    both_wrong: Count
    only_first: Kind | None
    only_second: Kind | None
    suspects: Kind
    sure: Share
    articles: list[ArticlesPicture]


def numbers(run: Run) -> Numbers:
    """Gather where they disagree."""
    first, *others = run.names
    second = others[0] if others else first
    right = {name: run.called[name] == run.labels for name in run.names}
    calls, confidence = np.stack(list(run.called.values())), np.stack(list(run.confidence.values()))
    suspects = (calls == calls[0]).all(axis=0) & ~right[first] & (confidence >= SURE).all(axis=0)
    return Numbers(
        first=first,
        second=second if others else None,
        both_right=int((right[first] & right[second]).sum()),
        both_wrong=int((~right[first] & ~right[second]).sum()),
        only_first=_kind(run, right[first] & ~right[second], run.confidence[first]) if others else None,
        only_second=_kind(run, right[second] & ~right[first], run.confidence[second]) if others else None,
        suspects=_kind(run, suspects, confidence.min(axis=0)),
        sure=SURE,
        articles=[_article(run, file, index) for file, index in ARTICLES_PICTURES] if run.is_fashion_mnist else [],
    )


def _kind(run: Run, chosen: np.ndarray, confidence: np.ndarray) -> Kind:
    positions = np.flatnonzero(chosen)
    surest = positions[np.argsort(-confidence[positions], kind="stable")][:SHOWN]
    return Kind(count=len(positions), pictures=judged(run, surest))


def _article(run: Run, file: str, index: int) -> ArticlesPicture:
    split, probabilities = None, {}
    for of_file in ("test",) if file == "test" else ("train", "validation"):
        place = np.flatnonzero(run.places[of_file] == index)
        if len(place):
            split = of_file
            probabilities = {name: by[of_file][place[0]].tolist() for name, by in run.probabilities.items()}
    label = int(run.file_labels[file][index])
    return ArticlesPicture(file=file, index=index, label=label, split=split, probabilities=probabilities)
