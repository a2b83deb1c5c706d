"""What the pages do, in Chromium, by mouse and by keyboard."""

import dataclasses
import re

import numpy as np
import pytest

from tasks.pipeline.progress import Event
from tasks.reporting.live import EVERY, REFRESH, LivePage
from tasks.reporting.page import render, sprite_of
from tasks.reporting.publish import publish
from tests.programs import wait_until
from tests.tasks.reporting.conftest import FIGURES, page_of

EACH_CELL = """(buttons) => buttons.map((button) => {
    button.click();
    const [shown, note] = ["#cell .card", "#cell .note"].map((selector) => document.querySelectorAll(selector));
    return [+button.textContent, button.dataset.true === button.dataset.predicted, shown.length, note[0].textContent];
})"""


def images(count):
    return f"{count} image{'s' * (count > 1)}"


def test_a_cell_shows_its_images_and_what_every_network_takes_them_for(visit, report, run, report_data):
    page = visit(report)
    label, predicted, count = report_data.failures.largest
    name, names = run.names[0], run.data_set.class_names
    page.locator(f'[data-matrix="0"] [data-true="{label}"][data-predicted="{predicted}"]').click()
    assert page.locator("#cell h3").inner_text() == f"{names[label]} predicted as {names[predicted]} by {name}"
    assert page.locator("#cell .card").count() == count
    first = page.locator("#cell .card").first
    assert first.locator("strong").inner_text() == names[label]
    assert first.locator(".choices li").count() == len(run.names)
    position = list(run.places["test"]).index(int(first.locator("small").inner_text().removeprefix("test ")))
    likeliest = run.probabilities[name]["test"][position].max()
    assert f"{names[predicted]} {100 * likeliest:.1f}" in first.locator(".choices li").first.inner_text()


def test_every_cell_of_every_matrix_shows_as_many_images_as_it_says_or_says_how_many(visit, report, run):
    page = visit(report)
    for place in range(len(run.names)):
        for count, correct, shown, note in page.locator(f'[data-matrix="{place}"] button').evaluate_all(EACH_CELL):
            assert shown == (min(12, count) if correct else count)
            assert note == (f"The {shown} least confident of {images(count)}" if shown < count else images(count))


@pytest.mark.parametrize(("pictures", "added"), [(True, ""), (False, "; none of them is on this page")])
def test_a_cell_of_the_difference_shows_or_counts_the_images_that_only_one_of_the_two_calls_so(
    visit, run, report_data, tmp_path, pictures, added
):
    failures = report_data.failures if pictures else report_data.failures.model_copy(update={"pictures": []})
    numbers = report_data.model_copy(update={"failures": failures})
    (tmp_path / "page.html").write_text(render(numbers, sprite_of(report_data, run.images)), encoding="utf-8")
    page = visit(tmp_path / "page.html")
    button = page.locator('[data-matrix="difference"] button').first
    label, predicted = (int(button.get_attribute(f"data-{name}")) for name in ("true", "predicted"))
    button.click()
    first, second = (run.predicted[name] == predicted for name in run.names)
    counts = [int(((run.labels == label) & only).sum()) for only in (first & ~second, second & ~first)]
    assert page.locator("#cell .note").all_inner_texts() == [f"{images(count)}{added}" for count in counts if count]
    assert page.locator("#cell h3").count() == sum(count > 0 for count in counts)
    assert page.locator("#cell .card").count() == (sum(counts) if pictures else 0)


def test_keys_move_within_a_matrix_and_enter_shows_the_cell(visit, report):
    page = visit(report)
    buttons = page.locator('[data-matrix="0"] button')
    middle = buttons.nth(buttons.count() // 2)
    row = page.locator(f'[data-matrix="0"] [data-true="{middle.get_attribute("data-true")}"]')
    moves = {"Home": row.first, "End": row.last, "Control+Home": buttons.first, "Control+End": buttons.last}
    for key, expected in moves.items():
        middle.focus()
        page.keyboard.press(key)
        assert expected.evaluate("(button) => button === document.activeElement && button.tabIndex === 0"), key
    row.first.focus()
    page.keyboard.press("ArrowRight")
    assert row.nth(1).evaluate("(button) => button === document.activeElement")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.tabIndex") == 0
    page.keyboard.press("Enter")
    assert page.locator(".matrix button[aria-pressed=true]").count() == 1
    assert page.locator("#cell h3").inner_text().endswith(page.locator(".matrix caption").first.inner_text().strip())


@pytest.mark.parametrize("matrix", ["0", "1", "difference"])
def test_on_a_phone_a_cell_is_large_enough_and_its_images_appear_below_its_matrix(visit, report, matrix):
    page = visit(report, 390, has_touch=True, is_mobile=True)
    buttons = page.locator(f'[data-matrix="{matrix}"] button')
    for button in (buttons.first, buttons.last):
        button.scroll_into_view_if_needed()
        button.tap()
        cell, card = button.bounding_box(), page.locator("#cell .card").first.bounding_box()
        assert cell["width"] >= 24 and cell["height"] >= 44
        assert 0 < cell["y"] + cell["height"] < card["y"] + card["height"] <= 900 + 1
        assert page.locator(f'figure:has([data-matrix="{matrix}"]) + #cell').count() == 1


def test_the_panel_of_a_cell_cuts_no_picture_in_two(visit, report, report_data):
    page = visit(report)
    counts = np.array(report_data.failures.confusion[report_data.head.networks[0]])
    label, predicted = np.unravel_index(counts.argmax(), counts.shape)
    page.locator(f'[data-matrix="0"] [data-true="{label}"][data-predicted="{predicted}"]').click()
    panel = page.locator("#cell").bounding_box()
    end = panel["y"] + panel["height"]
    cards = [card.bounding_box() for card in page.locator("#cell .card").all()]
    assert not any(card["y"] < end - 1 and card["y"] + card["height"] > end + 1 for card in cards)


def test_the_keyboard_alone_reaches_everything(visit, report):
    page = visit(report)
    can = page.evaluate(
        """() => {
            const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")];
            const reachable = all.filter((e) => e.checkVisibility() && e.tabIndex >= 0);
            reachable.forEach((e, place) => (e.dataset.stop = place));
            return reachable.length;
        }"""
    )
    reached = set()
    for _ in range(can + 5):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.stop ?? null"))
    assert reached - {None} == {str(place) for place in range(can)}
    assert page.locator(".matrix [data-stop]").count() == 3  # a matrix is one stop; arrows move within it


def test_the_epochs_can_be_read_by_slider_and_by_pointer(visit, run, tmp_path):
    epochs = [{**FIGURES, "epoch": n, "loss": 1 / n, "validation_loss": 1.1 / n} for n in range(1, 11)]
    path = tmp_path / "report.html"
    path.write_text(page_of(dataclasses.replace(run, histories=dict.fromkeys(run.names, epochs))), encoding="utf-8")
    page = visit(path)
    slider, reading = page.locator("#epoch"), page.locator("#reading")
    slider.fill("3")
    assert reading.inner_text().startswith("Epoch 3")
    assert reading.inner_text().count("loss 0.3333 training, 0.3667 validation") == len(run.names)
    slider.press("ArrowRight")
    assert "epoch 4; " in slider.get_attribute("aria-valuetext")
    figure = page.locator("#curves svg").first
    figure.scroll_into_view_if_needed()
    box = figure.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + box["height"] / 2)
    assert reading.inner_text().startswith("Epoch 10")
    line = page.locator("#curves .cursor").first.bounding_box()
    assert box["x"] + box["width"] / 2 < line["x"] < box["x"] + box["width"]


def test_the_contents_follow(visit, report):
    page = visit(report)
    for link in page.locator(".contents a").all():
        link.click()
        page.wait_for_function("(link) => link.getAttribute('aria-current') === 'true'", arg=link.element_handle())
        assert page.locator(".contents [aria-current]").count() == 1
        title = page.locator(f"{link.get_attribute('href')} h2").bounding_box()
        assert 0 <= title["y"] < 450 or link == page.locator(".contents a").last


def test_the_index_filters_the_runs_by_network(visit, reports):
    page = visit(reports / "index.html")
    rows = page.locator("#list tr[data-networks]")
    assert rows.first.locator("a").inner_text().startswith("2099-01-02")
    for network, visible in {"baseline": [False, True], "": [True, True]}.items():
        page.locator("#network").select_option(network)
        assert [row.is_visible() for row in rows.all()] == visible
    assert page.locator(".spark").count() == 2
    rows.last.locator("a").click()
    assert page.title().startswith("Keep ")


def test_any_two_runs_can_be_compared(visit, reports):
    page = visit(reports / "index.html")
    assert not page.locator("#unscripted").is_visible()
    differing = page.locator("#moved").inner_text()
    settings, figures = r"seed \(prepare\)\s+0\s+7", r"dropout\s+Test accuracy\s+(\S+)%\s+50.00%\s+(\S+) points"
    found = re.search(rf"{settings}.*{figures}", differing, re.DOTALL)
    assert abs(float(found[2].replace("−", "-")) - (50 - float(found[1]))) < 0.011
    assert "Train − test gap (points)" in page.locator("#only").inner_text()
    page.locator("#older").select_option("0")
    assert page.locator("#same").is_visible()
    assert page.locator("#moved tr").count() == 0
    page.locator("#newer").select_option("1")
    assert re.search(r"seed \(prepare\)\s+7\s+0", page.locator("#moved").inner_text())


def test_the_live_page_refreshes_itself_until_the_report_is_there(visit, made, tmp_path):
    with LivePage(tmp_path, ["train[dropout]"]) as live:
        wait_until(live.path.exists, 20)
        page = visit(live.path)
        assert "in progress" in page.locator("h2").first.inner_text()
        assert page.locator("#hold").is_visible()
        live(Event("advanced", "train[dropout]", "epoch 1/2", 1, 2, True))
        page.wait_for_selector("text=epoch 1/2", timeout=1000 * (EVERY + REFRESH + 10))
        live.end()
        publish(made["report"], tmp_path)
        page.wait_for_selector("#answer", timeout=1000 * (EVERY + REFRESH + 10))
