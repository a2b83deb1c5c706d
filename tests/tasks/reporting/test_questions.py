"""The questions that people ask of a result, and where the page answers each."""

import re

import pytest

# What a person would ask of the result: which link to choose, then where to look, and what stands there.
QUESTIONS = [
    ("Which network should I keep?", "verdict", "#answer", r"^Keep \w+"),
    ("How sure is that?", "verdict", "#answer", r"95 % interval .* McNemar p = "),
    ("Was the test set used to choose?", "verdict", "#rule + p", r"test images decide nothing"),
    ("Does dropout cure the overfitting?", "verdict", "#overfitting + p", r"the dropout network’s gap is"),
    ("Which one is smaller and faster?", "side-by-side", ".figures-table", r"parameters.*time for an image"),
    ("Would more epochs help?", "learning", "#curves ~ p", r"validation loss was lowest in epoch"),
    ("What is taken for what?", "failures", "#confusion", r"T-shirt/top"),
    ("Which class got worse?", "failures", "#better-and-worse", r"finds clearly more of .*, and .*clearly less"),
    ("Are there wrong labels?", "disagreement", "#label-issue-count", r"\d+ test images are label suspects"),
    ("May I trust a probability of 90 %?", "calibration", "#calibration p", r"sure on average and right in"),
    ("Was the data in order?", "data", "#data p", r"\d+ expectations, all met"),
    ("What differs between the networks?", "networks", ".layer.differs", r"Dropout|MaxPooling"),
    ("How do I make it again?", "provenance", "#command", r"python flows/main\.py"),
    ("What must I not use it for?", "provenance", "#limits + ul", r"says nothing of photographs"),
]


@pytest.mark.parametrize(("link", "place", "answer"), [row[1:] for row in QUESTIONS], ids=[row[0] for row in QUESTIONS])
def test_a_question_is_answered_within_one_click_and_one_screen_of_scrolling(visit, report, link, place, answer):
    page = visit(report)
    page.locator(f'.contents a[href="#{link}"]').click()
    found = page.locator(place).first
    assert re.search(answer, found.inner_text().replace("\N{NO-BREAK SPACE}", " "), re.DOTALL)
    assert 0 <= found.bounding_box()["y"] < 2 * page.viewport_size["height"]
