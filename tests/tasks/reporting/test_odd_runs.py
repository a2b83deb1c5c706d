"""Runs out of the ordinary have a page, and it claims nothing that does not hold."""

import dataclasses

import numpy as np
import pytest

from tasks.evaluation.models import Estimate
from tasks.reporting.page import report_data_of
from tasks.reporting.sections import (
    SECTIONS,
    calibration,
    failures,
    learning,
    networks,
    side_by_side,
    verdict,
)
from tests.tasks.reporting.conftest import HOSTILE, Text, made_up, sections_of, sharp, text_of


def test_names_cannot_run_script_and_eight_networks_with_long_or_reversed_ones_have_a_page(odd):
    page = odd.read_text(encoding="utf-8")
    assert page.count("<script") == 2  # its own, and its data
    assert HOSTILE[:41] in Text(page).whole
    assert page.count('class="matrix"') == 9  # eight, and the difference of the first two


def test_one_network_is_compared_with_nothing(run):
    text = text_of(made_up(run, {"alone": sharp(run, 1)}), *SECTIONS)
    assert "Only alone was trained: nothing to compare." in text
    assert "One network has nobody to disagree with." in text
    assert "Difference:" not in text


def test_a_model_that_reads_no_settings_has_a_page_alone(run):
    alone = made_up(run, {"xgboost": sharp(run, 1)})
    for label in ("train[xgboost]", "evaluate[xgboost]"):
        alone.manifests[label]["cache_key"]["settings"] = {}
    assert "depth and step are the library’s defaults" in sections_of(alone, networks)


def test_a_network_at_chance_is_shown_as_that(run):
    both = made_up(run, {"good": sharp(run, 1, 5.0), "constant": np.full((len(run.labels), 10), 0.1)})
    rows = report_data_of(both).failures.classes["constant"]
    assert [row.precision is None for row in rows] == [False] + [True] * 9  # all are called the first class
    assert "undefined" not in text_of(both, failures)  # but for the title of the dash


def test_two_networks_that_agree_perfectly_do_not_differ_significantly(run):
    same = made_up(run, {"one": sharp(run, 1), "two": sharp(run, 1)})
    text = text_of(same, verdict, failures)
    assert "McNemar p = 1" in text
    assert "finds clearly more of no class, and no class clearly less" in text
    assert report_data_of(same).side_by_side.rows["test_accuracy"].best is None


@pytest.mark.parametrize(("p", "significant"), [(0.051, False), (0.049, True)])
def test_what_is_not_significant_by_the_verdict_has_no_mark_though_its_interval_excludes_zero(run, p, significant):
    barely = {"difference": Estimate(value=0.01, low=0.0001, high=0.02), "p": p}
    pairs = [pair.model_copy(update=barely) for pair in run.comparison.pairs]
    other = dataclasses.replace(run, comparison=run.comparison.model_copy(update={"pairs": pairs}))
    assert side_by_side.numbers(other).rows["test_accuracy"].significant == significant


def test_multiply_adds_that_are_not_known_of_a_layer_are_claimed_of_no_network(run):
    layers = {name: [*of, of[0] | {"multiply_adds": None}] for name, of in run.layers.items()}
    unknown = dataclasses.replace(run, layers=layers)
    assert "multiply_adds" not in side_by_side.numbers(unknown).rows
    assert "multiply-adds not counted" in sections_of(unknown, networks)


def test_whether_a_network_is_overconfident_is_reported_with_its_interval(run):
    probabilities = sharp(run, 1)
    correct = probabilities.argmax(axis=1) == run.labels
    surer = np.where(probabilities == probabilities.max(axis=1, keepdims=True), 0.99, 0.01 / 9)
    over = f"{100 * (0.99 - correct.mean()):.2f}"
    assert f": too sure ({over} points, 95 % interval " in text_of(made_up(run, {"one": surer}), calibration)


def test_a_network_that_is_always_right_makes_no_error(run):
    perfect = made_up(run, {"perfect": sharp(run, 1, 50.0), "other": sharp(run, 2)})
    assert "makes no error" in text_of(perfect, failures)


def test_without_any_epoch_on_record_nothing_is_drawn(run):
    text = text_of(dataclasses.replace(run, histories={name: [] for name in run.names}), learning, side_by_side)
    assert "No epoch is on record" in text
    assert "s an epoch here" not in text
