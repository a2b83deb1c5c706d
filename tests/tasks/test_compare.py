import numpy as np
import pytest

from tasks.compare import STUDY, compare_networks, result_of
from tasks.evaluation.intervals import proportion
from tasks.evaluation.paired import Predictions

IMAGES = {"train": 54_000, "validation": 6_000, "test": 10_000}


def candidate(train=0.95, validation=0.91, test=0.90, parameters=1000, images=IMAGES, correct=None):
    """Return a network's result and probabilities: correct on the first images of each split unless given otherwise."""
    accuracies = {"train": train, "validation": validation, "test": test}
    hits = {split: round(accuracies[split] * images[split]) for split in images}
    corrects = {split: np.arange(images[split]) < hits[split] for split in images} | (correct or {})
    accuracy = {split: proportion(hits[split] / images[split], images[split]) for split in images}
    return result_of(accuracy, accuracy["train"], parameters), {
        split: np.where(of_split[:, np.newaxis], [[0.9, 0.1]], [[0.2, 0.8]]) for split, of_split in corrects.items()
    }


def compared(candidates):
    """Compare them, as if every image were of the first of two classes."""
    _, some = next(iter(candidates.values()))
    labels = {split: np.zeros(len(by), np.uint8) for split, by in some.items()}
    predictions = {name: Predictions.of(probabilities, labels) for name, (_, probabilities) in candidates.items()}
    return compare_networks({name: result for name, (result, _) in candidates.items()}, predictions, labels)


def verdict(**candidates):
    """Return the verdict's sentences with plain spaces."""
    return [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in compared(candidates).verdict]


def disagreeing(only_first, only_second, count):
    """Return which images each of two candidates gets right, where they disagree on so many."""
    correct = np.ones((2, count), bool)
    correct[1, :only_first] = False
    correct[0, only_first : only_first + only_second] = False
    return correct


def test_one_network_is_compared_with_nothing():
    comparison = compared({"alone": candidate(train=0.99, test=0.9)})
    assert (comparison.winner, comparison.pairs, comparison.tied) == ("alone", [], [])
    assert verdict(alone=candidate(test=0.9)) == [
        "Only alone was trained: nothing to compare.",
        "On the 10,000 test images it scores 90.00%.",
    ]
    gap = comparison.networks["alone"].gap  # training accuracy less test accuracy
    assert gap.value == pytest.approx(0.09)
    assert gap.interval == pytest.approx((0.0841, 0.0961), abs=2e-4)


@pytest.mark.parametrize(
    ("only_dropout", "only_baseline", "count", "verdict_begins"),
    [
        (140, 91, 6_000, "Of these trained models, keep the dropout network: 98.48% on validation, baseline 97.67%."),
        (42, 31, 200, "Tie: 200 validation images cannot tell dropout and baseline apart. Keep the dropout network, "),
    ],
    ids=["a full run", "a smoke run"],
)
def test_the_verdict_is_by_the_paired_difference(only_dropout, only_baseline, count, verdict_begins):
    correct = disagreeing(only_dropout, only_baseline, count)
    candidates = {
        name: candidate(
            validation=of.mean(), parameters=size, images=IMAGES | {"validation": count}, correct={"validation": of}
        )
        for name, of, size in zip(("dropout", "baseline"), correct, (1000, 2000), strict=True)
    }
    assert compared(candidates).winner == "dropout"
    first, *others = verdict(**candidates)
    assert first.startswith(verdict_begins)
    assert any(sentence.endswith(f"or more seeds: {STUDY}.") for sentence in others) == first.startswith("Tie")


@pytest.mark.parametrize(
    ("only_kept", "only_other", "says"),
    [
        (220, 180, "McNemar p = 0.051). {rare} not unusual."),
        (220, 178, "McNemar p = 0.04). {rare} rare."),
        (220, 100, "McNemar p < 0.001). {rare} very rare."),
        (220, 220, "as many as other (95% CI −0.41 to 0.41)."),
        (180, 220, "0.40 points below other (95% CI 0.01 to 0.79, McNemar p = 0.051). {rare} not"),
    ],
)
def test_the_verdict_says_what_chance_has_to_do_with_the_test_result(only_kept, only_other, says):
    correct = disagreeing(only_kept, only_other, 10_000)
    candidates = {
        "kept": candidate(validation=0.93, correct={"test": correct[0]}),
        "other": candidate(correct={"test": correct[1]}),
    }
    rare = "If these two trained models were equally accurate, a difference this large would be"
    assert says.format(rare=rare) in verdict(**candidates)[-1]
    assert compared(candidates).warning is None


def test_a_test_set_that_significantly_prefers_another_network_is_a_warning_and_changes_no_choice():
    comparison = compared(
        {"kept": candidate(validation=0.93, test=0.90), "other": candidate(validation=0.90, test=0.92)}
    )
    assert comparison.winner == "kept"
    assert comparison.warning.replace("\N{NO-BREAK SPACE}", " ").startswith(
        "The test set contradicts this choice: other scores 2.00 points more (95% CI 1.7"
    )


def test_networks_are_compared_pair_by_pair_and_the_test_set_never_changes_the_ranking():
    def comparison(*accuracies):
        tests = enumerate(accuracies)
        return compared({f"network {n}": candidate(validation=0.80 + n / 30, test=of) for n, of in tests})

    found = comparison(0.1, 0.5, 0.9)
    assert found.ranking == comparison(0.9, 0.5, 0.1).ranking == ["network 2", "network 1", "network 0"]
    pairs = [(2, 1), (2, 0), (1, 0)]
    assert [(of.first, of.second) for of in found.pairs] == [(f"network {a}", f"network {b}") for a, b in pairs]
    assert found.claims == []
    assert found.warning is None
