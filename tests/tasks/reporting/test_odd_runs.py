"""Runs out of the ordinary have a page, and it claims nothing that does not hold."""

import copy
import dataclasses
import re

import numpy as np
import pytest
from markupsafe import escape

from tasks.evaluation.models import Estimate
from tasks.reporting.page import report_data_of
from tasks.reporting.sections import (
    SECTIONS,
    calibration,
    data,
    failures,
    learning,
    networks,
    provenance,
    side_by_side,
    verdict,
)
from tests.tasks.reporting.conftest import made_up, sections_of, sharp, text_of


def test_one_model_that_reads_no_settings_is_compared_with_nothing(run):
    alone = made_up(run, {"xgboost": sharp(run, 1)})
    for label in ("train[xgboost]", "evaluate[xgboost]"):
        alone.manifests[label]["cache_key"]["settings"] = {}
    text = text_of(alone, *SECTIONS)
    assert "Only xgboost was trained: nothing to compare." in text
    assert "Only one network: nothing to compare." in text
    assert "Difference (" not in text
    assert "the library’s default depth and learning rate" in text


def test_a_network_at_chance_and_one_that_is_always_right_are_shown_as_that(run):
    both = made_up(run, {"perfect": sharp(run, 1, 50.0), "constant": np.full((len(run.labels), 10), 0.1)})
    rows = report_data_of(both).failures.classes["constant"]
    assert [row.precision is None for row in rows] == [False] + [True] * 9  # all are called the first class
    text = text_of(both, failures)
    assert "undefined" not in text  # but for the title of the dash
    assert "makes no error" in text


def test_two_networks_that_agree_perfectly_do_not_differ_significantly(run):
    same = made_up(run, {"one": sharp(run, 1), "two": sharp(run, 1)})
    text = text_of(same, verdict, failures)
    assert "p = 1" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "does not differ significantly for any class" in text
    assert report_data_of(same).side_by_side.rows["test_accuracy"].best is None


@pytest.mark.parametrize(("p", "significant"), [(0.051, False), (0.049, True)])
def test_what_is_not_significant_by_the_verdict_has_no_mark_though_its_interval_excludes_zero(run, p, significant):
    barely = {"difference": Estimate(value=0.01, low=0.0001, high=0.02), "p": p}
    pairs = [pair.model_copy(update={"test": pair.test.model_copy(update=barely)}) for pair in run.comparison.pairs]
    other = dataclasses.replace(run, comparison=run.comparison.model_copy(update={"pairs": pairs}))
    assert side_by_side.numbers(other).rows["test_accuracy"].significant == significant


def test_multiply_adds_that_are_not_known_of_a_layer_are_claimed_of_no_network(run):
    layers = {name: [*of, of[0] | {"multiply_adds": None}] for name, of in run.layers.items()}
    unknown = dataclasses.replace(run, layers=layers)
    assert "multiply_adds" not in side_by_side.numbers(unknown).rows
    assert "multiply-adds not counted" in sections_of(unknown, networks)


def test_without_any_epoch_on_record_nothing_is_drawn(run):
    nothing = dataclasses.replace(run, histories={name: [] for name in run.names})
    assert "No epoch is on record" in text_of(nothing, learning, side_by_side, verdict)


@pytest.mark.parametrize(
    ("low", "high", "finding"),
    [
        (0.001, 0.03, "is overconfident"),
        (-0.03, -0.001, "is underconfident"),
        (-0.01, 0.015, "shows no overall over- or underconfidence that these images could detect"),
        (-0.01, 0.05, "may be over- or underconfident (too few images to decide)"),
    ],
)
def test_no_over_or_underconfidence_is_found_only_where_the_interval_is_narrow(low, high, finding):
    assert calibration.finding(Estimate(value=(low + high) / 2, low=low, high=high)) == finding


@pytest.mark.parametrize(
    ("errors", "of_errors", "words"),
    [
        ({"one": 440, "two": 494}, {"one": 670, "two": 751}, "Two thirds"),
        ({"one": 55}, {"one": 100}, "55%"),
        ({"one": 30, "two": 60}, {"one": 100, "two": 100}, None),  # the networks differ
        ({"one": 0}, {"one": 0}, None),
    ],
)
def test_the_share_of_errors_among_look_alikes_is_said_in_words_where_it_is_one(errors, of_errors, words):
    assert failures.in_words(errors, of_errors) == words


def test_a_note_on_training_curves_says_only_what_this_run_did(run):
    alone = made_up(run, {"one": sharp(run, 1)})
    text = text_of(alone, learning)
    assert "averaged over each epoch, with dropout on (one). Solid: validation, after each epoch. Ring" in text
    settings = alone.manifests["train[one]"]["cache_key"]["settings"]
    settings |= {"augmentation": "flip", "label_smoothing": 0.1}
    alone.manifests["evaluate[one]"]["cache_key"]["settings"]["tta"] = "flip"
    text = text_of(alone, learning)
    assert "with dropout on (one), augmented images (one) and smoothed labels in the loss (one)." in text
    assert "after each epoch, without flip test-time augmentation." in text


def test_a_failed_check_is_shown_open_and_passed_ones_are_summed_up(run):
    whole = sections_of(run, data)
    assert '<details id="validation">' in whole
    assert all(escape(result["sentence"]) in whole for result in run.expectations)
    first, *others = run.expectations
    failed = first | {"success": False, "failure": "No image is blank: 3 are"}
    page = sections_of(dataclasses.replace(run, expectations=[failed, *others]), data)
    assert f"1 of {len(run.expectations)} data checks failed:" in page
    assert '<details id="validation" open>' in page
    assert "✗ No image is blank: 3 are" in page


def test_each_machine_and_commit_is_named_with_what_was_made_of_it(run):
    def with_commit(commit):
        manifests = copy.deepcopy(run.manifests)
        for of_node in manifests.values():
            of_node["made"]["commit"] = "commit 0123456789ab, tree clean"
        elsewhere = {"processor": "a laptop's", "run": "an earlier one", "at": "2026-01-01T00:00:00+00:00"}
        manifests["train[dropout]"]["made"] |= elsewhere | {"commit": commit}
        other = dataclasses.replace(run, manifests=manifests)
        assert [of for of, node in provenance.numbers(other).nodes.items() if node.reused] == ["train[dropout]"]
        return text_of(other, provenance)

    text = with_commit("commit 0123456789ab, tree clean")
    assert "To reproduce: git checkout 0123456789ab, then run" in text
    assert re.search(r"a laptop's, \d+ cores, [0-9.]+ GiB of memory, .*? \(train\[dropout\]\)", text)
    text = with_commit("commit 0123456789ab, with uncommitted changes")
    assert "Some results were not made from a clean commit" in text
    assert "git checkout" not in text
    assert "commit 0123456789ab, with uncommitted changes (train[dropout])" in text


def test_what_ran_at_the_same_time_is_named_and_how_long_all_of_it_took(run):
    ends = {"train[baseline]": ("01:40", 60), "train[dropout]": ("01:30", 40), "compare": ("01:41", 1)}
    manifests = {}
    for label, of in run.manifests.items():
        at, seconds = ends.get(label, ("00:30", 1))
        manifests[label] = of | {"made": of["made"] | {"at": f"2026-01-01T00:{at}+00:00", "seconds": seconds}}
    numbers = provenance.numbers(dataclasses.replace(run, manifests=manifests))
    assert (numbers.wall_seconds, numbers.runs) == (101 - 29, 1)
    assert numbers.together == {"train[baseline]": ["train[dropout]"]}
    manifests["compare"] = manifests["compare"] | {"made": manifests["compare"]["made"] | {"run": "another"}}
    numbers = provenance.numbers(dataclasses.replace(run, manifests=manifests))
    assert (numbers.wall_seconds, numbers.runs) == (100 - 29 + 1, 2)
