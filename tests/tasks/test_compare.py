import json
import re

import numpy as np
import pytest

from tasks.compare import Candidate, compare, compare_networks, rank
from tasks.data.splits import SPLITS
from tasks.evaluation.comparison import Comparison
from tasks.evaluation.intervals import proportion
from tasks.evaluation.metrics import measure
from tasks.pipeline.artifact import Artifact

IMAGES = {"train": 54_000, "validation": 6_000, "test": 10_000}


def candidate(train=0.95, validation=0.91, test=0.90, parameters=1000, images=IMAGES, correct=None):
    """Return a candidate with these accuracies, correct on the first images of the test set unless given otherwise."""
    accuracies = {"train": train, "validation": validation, "test": test}
    hits = {split: round(accuracies[split] * images[split]) for split in images}
    corrects = {split: np.arange(images[split]) < hits[split] for split in images}
    if correct is not None:
        corrects["test"] = correct
    return Candidate(
        accuracy={split: proportion(hits[split] / images[split], images[split]) for split in images},
        probabilities={
            split: np.where(of_split[:, np.newaxis], [[0.9, 0.1]], [[0.2, 0.8]]) for split, of_split in corrects.items()
        },
        parameters=parameters,
        running_accuracy=train,
    )


def compared(candidates):
    """Compare them, as if every image were of the first of two classes."""
    some = next(iter(candidates.values())).probabilities
    return compare_networks(candidates, {split: np.zeros(len(by), np.uint8) for split, by in some.items()})


def verdict(**candidates):
    """Return the verdict's sentences with plain spaces."""
    return [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in compared(candidates).verdict]


@pytest.mark.parametrize(
    ("candidates", "ranking", "tied"),
    [
        ({"alone": (0.91, 1000)}, ["alone"], []),
        ({"small": (0.88, 10), "large": (0.93, 1000)}, ["large", "small"], []),
        (
            {"large": (0.920, 2_000_000), "small": (0.918, 500_000), "poor": (0.850, 10)},
            ["small", "large", "poor"],
            ["large", "small"],
        ),
        ({"second": (0.918, 10), "first": (0.920, 10)}, ["first", "second"], ["first", "second"]),
        (
            {f"network {number}": (0.50 + number / 20, 10) for number in range(8)},
            [f"network {number}" for number in range(7, -1, -1)],
            [],
        ),
    ],
    ids=["one", "a clear winner though it is larger", "fewer parameters in a tie", "equally large in a tie", "eight"],
)
def test_networks_are_ranked_by_validation_accuracy_and_in_a_tie_the_smallest_is_kept(candidates, ranking, tied):
    made = {name: candidate(validation=of, parameters=size) for name, (of, size) in candidates.items()}
    assert rank(made) == rank(dict(reversed(made.items()))) == (ranking, tied)


def test_one_network_is_compared_with_nothing():
    comparison = compared({"alone": candidate(train=0.99, test=0.9)})
    assert (comparison.winner, comparison.pairs, comparison.tied) == ("alone", [], [])
    assert verdict(alone=candidate(test=0.9)) == [
        "Only alone was trained: nothing to compare.",
        "It reaches 90.00 % on the test set.",
    ]
    gap = comparison.networks["alone"].gap  # training accuracy less test accuracy
    assert gap.value == pytest.approx(0.09)
    assert gap.interval == pytest.approx((0.0841, 0.0961), abs=2e-4)


def test_two_networks_get_a_verdict_with_its_certainty():
    candidates = {
        "baseline": candidate(validation=0.90, test=0.90, parameters=2000),
        "dropout": candidate(validation=0.93, test=0.92),
    }
    comparison = compared(candidates)
    assert comparison.winner == "dropout"
    (pair,) = comparison.pairs
    assert (pair.first, pair.second) == ("dropout", "baseline")
    assert (pair.only_first_correct, pair.only_second_correct) == (200, 0)
    assert pair.difference.value == pytest.approx(0.02)
    first, second = verdict(**candidates)
    assert first == "Keep dropout: it is the better on validation data, 93.00 % against 90.00 %."
    assert second.startswith("On the test set it reaches 92.00 %, 2.00 points better than baseline (95 % interval 1.7")
    assert second.endswith("the choice of test images hardly explains the difference between these two trainings.")


@pytest.mark.parametrize(
    ("candidates", "sentences"),
    [
        (
            {"large": candidate(validation=0.920, parameters=2000), "small": candidate(validation=0.918)},
            "Keep small: its validation accuracy, 91.80 %, lies within large’s 95 % interval around 92.00 %, "
            "and it has fewer parameters.",
        ),
        (
            {"small": candidate(validation=0.93), "large": candidate(validation=0.93, parameters=2000)},
            "Keep small: none is better on validation data, where large reaches 93.00 % too; "
            "nothing within its 95 % interval (large) has fewer parameters.",
        ),
        (
            {"one": candidate(validation=0.921), "two": candidate(validation=0.920)},
            "Keep one: it is the better on validation data, 92.10 % against 92.00 %; "
            "nothing within its 95 % interval (two) has fewer parameters. "
            "On the test set it reaches 90.00 %, as much as two (95 % interval −0.0",
        ),
        (
            {"kept": candidate(validation=0.93, test=0.90), "other": candidate(validation=0.90, test=0.92)},
            "2.00 points worse than other (95 % interval −2.2",
        ),
    ],
    ids=["fewer parameters in a tie", "equal", "equally large in a tie", "worse on the test set"],
)
def test_the_verdict_says_why_one_is_kept_and_what_the_test_set_shows(candidates, sentences):
    assert sentences in " ".join(verdict(**candidates))


@pytest.mark.parametrize(
    ("only_second", "p", "explained"),
    [(180, 0.051, r"may explain .*: by them, the two cannot be told apart\."), (178, 0.040, r"hardly explains .*s\.")],
)
def test_the_verdict_follows_the_p_value_that_it_prints(only_second, p, explained):
    correct = np.ones((2, 10_000), bool)
    correct[1, :220] = False
    correct[0, 220 : 220 + only_second] = False
    candidates = {"kept": candidate(validation=0.93, correct=correct[0]), "other": candidate(correct=correct[1])}
    (pair,) = compared(candidates).pairs
    assert pair.p == pytest.approx(p, abs=6e-4)
    assert pair.difference.low > 0
    expected = rf"McNemar p = {p:.2g}\); the choice of test images {explained}"
    assert re.search(f"{expected}$", verdict(**candidates)[1])


def test_networks_are_compared_pair_by_pair_and_the_test_set_never_changes_the_ranking():
    def comparison(*accuracies):
        tests = enumerate(accuracies)
        return compared({f"network {n}": candidate(validation=0.80 + n / 30, test=of) for n, of in tests})

    found = comparison(0.1, 0.5, 0.9)
    assert found.ranking == comparison(0.9, 0.5, 0.1).ranking == ["network 2", "network 1", "network 0"]
    pairs = [(2, 1), (2, 0), (1, 0)]
    assert [(of.first, of.second) for of in found.pairs] == [(f"network {a}", f"network {b}") for a, b in pairs]
    assert found.claims == []
    assert Comparison(**json.loads(json.dumps(found.model_dump(), allow_nan=False))) == found


def test_the_node_compares_what_was_trained_and_evaluated(tmp_path):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, 200).astype(np.uint8)

    def artifact(name, summary=None):
        folder = tmp_path / name
        folder.mkdir()
        return Artifact(folder, {"summary": summary or {}})

    prepared = artifact("prepare")
    for split in SPLITS:
        np.save(prepared.folder / f"{split}_labels.npy", labels)
    train, evaluate, hits = {}, {}, {}
    for name, sharpness, parameters in (("baseline", 0.5, 2000), ("dropout", 2.0, 1000)):
        probabilities = generator.random((200, 10)).astype(np.float32)
        probabilities[np.arange(200), labels] += sharpness
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        hits[name] = int((probabilities.argmax(axis=1) == labels).sum())
        train[name] = artifact(f"train-{name}", {"parameters": parameters})
        (train[name].folder / "history.json").write_text(json.dumps([{"accuracy": 0.5}, {"accuracy": 0.75}]))
        evaluate[name] = artifact(f"evaluate-{name}")
        for split in SPLITS:
            np.save(evaluate[name].folder / f"{split}_probabilities.npy", probabilities)
        metrics = {split: measure(probabilities, labels) for split in SPLITS}
        (evaluate[name].folder / "metrics.json").write_text(
            json.dumps({split: of.model_dump() for split, of in metrics.items()})
        )
    output = artifact("compare").folder
    summary = compare(output, train=train, evaluate=evaluate, prepare=prepared)
    comparison = Comparison.model_validate_json((output / "comparison.json").read_text())
    assert summary == {"winner": "dropout", "verdict": comparison.verdict}
    assert comparison.networks["baseline"].parameters == 2000
    assert comparison.networks["dropout"].parameters == 1000
    assert comparison.networks["dropout"].running_accuracy == 0.75
    assert comparison.pairs[0].difference.value == pytest.approx((hits["dropout"] - hits["baseline"]) / 200)
