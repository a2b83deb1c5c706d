"""What the pages do, in Chromium, by mouse and by keyboard."""

import dataclasses
import re

import numpy as np

from tasks.pipeline.progress import Event
from tasks.reporting.live import EVERY, REFRESH, LivePage
from tasks.reporting.page import render, sprite_of
from tasks.reporting.publish import publish
from tests.conftest import wait_until
from tests.tasks.reporting.conftest import artifact_of, page_of


def test_a_cell_shows_its_images_and_what_every_network_takes_them_for(visit, report, run, report_data):
    page = visit(report)
    label, predicted, count = report_data.failures.largest
    name = run.names[0]
    page.locator(f'[data-matrix="0"] [data-true="{label}"][data-predicted="{predicted}"]').click()
    names = run.data_set.class_names
    assert page.locator("#cell h3").inner_text() == f"{names[label]} called {names[predicted]} by {name}"
    assert page.locator("#cell .card").count() == count
    first = page.locator("#cell .card").first
    assert first.locator("strong").inner_text() == names[label]
    assert first.locator(".choices li").count() == len(run.names)
    index = int(first.locator("small").inner_text().removeprefix("test "))
    position = list(run.places["test"]).index(index)
    likeliest = run.probabilities[name]["test"][position].max()
    assert f"{names[predicted]} {100 * likeliest:.1f}" in first.locator(".choices li").first.inner_text()


def test_every_cell_of_every_matrix_shows_as_many_images_as_it_says_or_says_how_many(visit, report, run):
    page = visit(report)
    for place in range(len(run.names)):
        for button in page.locator(f'[data-matrix="{place}"] button').all():
            button.evaluate("(button) => button.click()")
            count, shown = int(button.inner_text()), page.locator("#cell .card").count()
            right = button.get_attribute("data-true") == button.get_attribute("data-predicted")
            assert shown == (min(12, count) if right else count)
            images = f"{count} image{'s' * (count > 1)}"
            told = images if shown == count else f"{images}; the {shown} of which it is least sure"
            assert page.locator("#cell .note").inner_text() == told


def test_a_cell_of_the_difference_shows_the_images_that_only_one_of_the_two_calls_so(visit, report, run):
    page = visit(report)
    button = page.locator('[data-matrix="difference"] button').first
    label, predicted = (int(button.get_attribute(f"data-{name}")) for name in ("true", "predicted"))
    button.click()
    first, second = (run.predicted[name] == predicted for name in run.names)
    of_label = run.labels == label
    counts = [int((of_label & first & ~second).sum()), int((of_label & second & ~first).sum())]
    galleries = page.locator("#cell ul.gallery")
    assert [gallery.locator(".card").count() for gallery in galleries.all()] == [count for count in counts if count]
    assert page.locator("#cell h3").count() == galleries.count()
    notes = page.locator("#cell .note").all_inner_texts()
    assert notes == [f"{count} image{'s' * (count > 1)}" for count in counts if count]


def test_a_cell_of_the_difference_counts_images_that_are_not_on_the_page(visit, run, report_data, tmp_path):
    (label, predicted) = max(
        np.ndindex(10, 10),
        key=lambda cell: sum(counts[cell[0]][cell[1]] for counts in report_data.failures.only.values()),
    )
    fewer = report_data.failures.pictures[:0]
    cut = report_data.model_copy(update={"failures": report_data.failures.model_copy(update={"pictures": fewer})})
    (tmp_path / "cut.html").write_text(render(cut, sprite_of(report_data, run.images)), encoding="utf-8")
    page = visit(tmp_path / "cut.html")
    page.locator(f'[data-matrix="difference"] [data-true="{label}"][data-predicted="{predicted}"]').click()
    counts = [count for of in report_data.failures.only.values() if (count := of[label][predicted])]
    told = [f"{count} image{'s' * (count > 1)}; none of them is on this page" for count in counts]
    assert page.locator("#cell .note").all_inner_texts() == told


def test_arrow_keys_move_within_a_matrix_and_enter_shows_the_cell(visit, report):
    page = visit(report)
    before, neighbour = page.evaluate(
        """() => {
            const all = [...document.querySelectorAll('[data-matrix="0"] button')];
            const first = all.findIndex((button, at) => button.dataset.true === all[at + 1]?.dataset.true);
            all[first].focus();
            return [first, first + 1].map((at) => [all[at].dataset.true, all[at].dataset.predicted]);
        }"""
    )
    assert int(neighbour[1]) > int(before[1])
    page.keyboard.press("ArrowRight")
    assert (
        page.evaluate("(({ true: label, predicted }) => [label, predicted])(document.activeElement.dataset)")
        == neighbour
    )
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.tabIndex") == 0
    page.keyboard.press("Enter")
    assert page.locator(".matrix button[aria-pressed=true]").count() == 1
    assert page.locator("#cell h3").inner_text().endswith(page.locator(".matrix caption").first.inner_text().strip())


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
    epochs = [
        {
            "epoch": n,
            "accuracy": 0.5 + n / 50,
            "validation_accuracy": 0.5 + n / 60,
            "loss": 1 / n,
            "validation_loss": 1.1 / n,
        }
        for n in range(1, 11)
    ]
    histories = {name: [epoch | {"learning_rate": 0.001} for epoch in epochs] for name in run.names}
    path = tmp_path / "report.html"
    path.write_text(page_of(dataclasses.replace(run, histories=histories)), encoding="utf-8")
    page = visit(path)
    slider, reading = page.locator("#epoch"), page.locator("#reading")
    slider.fill("3")
    assert reading.inner_text().startswith("Epoch 3")
    assert reading.inner_text().count("loss 0.3333 training, 0.3667 validation") == len(run.names)
    slider.press("ArrowRight")
    assert reading.inner_text().startswith("Epoch 4")
    assert "epoch 4; " in slider.get_attribute("aria-valuetext")
    figure = page.locator("#curves svg").first
    figure.scroll_into_view_if_needed()
    box = figure.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + box["height"] / 2)
    assert reading.inner_text().startswith("Epoch 10")
    line, marker = page.locator("#curves .cursor").first.bounding_box(), box["x"] + box["width"]
    assert box["x"] + box["width"] / 2 < line["x"] < marker


def test_the_contents_follow(visit, report):
    page = visit(report)
    for link in page.locator(".contents a").all():
        link.click()
        page.wait_for_function("(link) => link.getAttribute('aria-current') === 'true'", arg=link.element_handle())
        assert page.locator(".contents [aria-current]").count() == 1
        title = page.locator(f"{link.get_attribute('href')} h2").bounding_box()
        assert 0 <= title["y"] < 450 or link == page.locator(".contents a").last


def test_the_index_lists_the_runs_and_its_filter_hides_those_without_a_network(visit, reports):
    page = visit(reports / "index.html")
    rows = page.locator("#list tr")
    assert rows.first.locator("a").inner_text().startswith("2099-01-02")
    page.locator("#network").select_option("baseline")
    assert [row.is_visible() for row in rows.all()] == [False, True]
    page.locator("#network").select_option("")
    assert [row.is_visible() for row in rows.all()] == [True, True]
    assert page.locator(".spark").count() == 2
    rows.last.locator("a").click()
    assert page.title().startswith("Keep ")


def test_any_two_runs_can_be_held_against_each_other(visit, reports):
    page = visit(reports / "index.html")
    assert not page.locator("#unscripted").is_visible()
    static = page.locator("#moved").inner_text()
    settings, figures = r"prepare: seed\s+0\s+7", r"dropout: test accuracy\s+\S+.%\s+50.00.%"
    assert re.search(rf"{settings}.*{figures}.*: gap\s+\S+\s+–", static, re.DOTALL)
    page.locator("#older").select_option("0")
    assert page.locator("#same").is_visible()
    assert page.locator("#moved tr").count() == 0
    page.locator("#newer").select_option("1")
    assert re.search(r"prepare: seed\s+7\s+0", page.locator("#moved").inner_text())
    page.locator("#older").select_option("1")
    page.locator("#newer").select_option("0")
    assert page.locator("#moved").inner_text() == static


def test_the_live_page_refreshes_itself_until_the_report_is_there(visit, finished_run, tmp_path):
    with LivePage(tmp_path, ["train[dropout]"]) as live:
        wait_until(live.path.exists, 20)
        page = visit(live.path)
        assert "being worked out" in page.locator("h2").first.inner_text()
        live(Event("advanced", "train[dropout]", "epoch 1/2", 1, 2, True))
        page.wait_for_selector("text=epoch 1/2", timeout=1000 * (EVERY + REFRESH + 10))
        live.end()
        publish(artifact_of(finished_run), tmp_path)
        page.wait_for_selector("#answer", timeout=1000 * (EVERY + REFRESH + 10))
