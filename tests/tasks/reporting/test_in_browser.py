"""The pages as people see them: in Chromium, at every width, light and dark, on paper, without scripts."""

import dataclasses

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from tasks.reporting.plots import NAMED
from tests.tasks.reporting.conftest import made_up, page_of, sharp

KINDS = ("report", "odd", "index", "live", "study")
LARGEST = 1_200_000  # bytes of a page
WIDTHS = (360, 768, 1600)
A4 = 703  # CSS pixels between the margins of an A4 page
HIDDEN = "svg, .unseen, .skip, details:not([open]) > :not(summary)"
SCROLLED = ".scroll, .matrix-figure, .contents"
HIDES = """(scrollers) => scrollers.filter((e) => e.scrollWidth > e.clientWidth).map((e) => [
    e.ariaLabel, e.getAttribute("tabindex"), getComputedStyle(e).backgroundImage.split("gradient").length - 1
])"""
SMALLEST = """() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const sizes = [];
    while (texts.nextNode()) {
        const { parentElement: parent, data } = texts.currentNode;
        if (data.trim() && parent.checkVisibility() && !parent.closest("svg, script, template, .unseen"))
            sizes.push([parseFloat(getComputedStyle(parent).fontSize), data.trim()]);
    }
    return sizes.sort(([one], [other]) => one - other)[0];
}"""
CHIPS = """(all) => [...new Set(all.filter((e) => e.checkVisibility()).map((e) => {
    const { backgroundColor, clipPath } = getComputedStyle(e.querySelector(".chip"));
    return `${(e.querySelector(".unseen") ?? e).textContent.replace(": ", "")} ${backgroundColor} ${clipPath}`;
}))].sort()"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CUT_OFF = """() => [...document.querySelectorAll("svg text")].filter((text) => {
    const [inner, outer] = [text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect()];
    return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1;
}).map((text) => text.textContent)"""
STICKING_OUT = """(excused) => [...document.querySelectorAll("body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    return !element.closest(excused) && box.width && box.right > document.documentElement.clientWidth + 1;
}).map((element) => element.outerHTML.slice(0, 120))"""
# What a person would ask of the result: which link to choose, then where to look.
QUESTIONS = {
    "Which network should I keep, and how sure is that?": ("verdict", "#answer"),
    "How do I use the winner?": ("verdict", "#use"),
    "Was the test set used to choose?": ("verdict", "#rule + p"),
    "Does dropout reduce overfitting?": ("verdict", "#overfitting + p"),
    "Which one is smaller and faster?": ("side-by-side", ".figures-table"),
    "Would more epochs help?": ("learning", "#curves ~ p"),
    "What is mistaken for what?": ("failures", "#confusion"),
    "Which class got worse?": ("failures", "#better-and-worse"),
    "Are there wrong labels?": ("disagreement", "#label-issue-count"),
    "Can I trust a probability of 90%?": ("calibration", "#calibration p"),
    "Was the data in order?": ("data", "#checks"),
    "What differs between the networks?": ("networks", ".layer.differs"),
    "How do I reproduce it?": ("provenance", "#command"),
    "What must I not use it for?": ("provenance", "#limits + ul"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_overflows_or_is_cut_off_and_what_scrolls_on_a_phone_has_a_shadow_and_is_a_stop(visit, pages, kind):
    page = visit(pages[kind], WIDTHS[0])
    hiding = page.locator(".scroll").evaluate_all(HIDES)
    assert {(tabindex, layers) for _, tabindex, layers in hiding} <= {("0", 4)}
    assert page.locator(".scroll[tabindex]").count() == len(hiding)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(CUT_OFF) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(STICKING_OUT, f"{HIDDEN}, {SCROLLED}") == []


@pytest.fixture(scope="module")
def five(run, tmp_path_factory):
    """The page of five networks that tested 10,000 images."""
    test = np.arange(10_000) % len(run.labels)
    large = dataclasses.replace(
        run,
        labels=run.labels[test],
        places={**run.places, "test": np.arange(10_000)},
        images={**run.images, "test": run.images["test"][run.places["test"][test]]},
        file_labels={**run.file_labels, "test": run.labels[test]},
    )
    path = tmp_path_factory.mktemp("five") / "report.html"
    path.write_text(page_of(made_up(large, {name: sharp(large, place) for place, name in enumerate(NAMED)})), "utf-8")
    return path


def test_a_page_of_full_size_is_small(five):
    assert len(five.read_bytes()) <= LARGEST


@pytest.mark.parametrize("name", ["report", "five"])
def test_a_screen_of_1280_pixels_shows_all_of_the_contents_and_of_every_table(visit, name, request):
    page = visit(request.getfixturevalue(name))
    page.evaluate("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    assert page.locator(".scroll, .matrix-figure, .contents ol").evaluate_all(HIDES) == []
    assert page.locator(".scroll[tabindex]").count() == 0  # none is a stop of the Tab key
    for section in page.locator("main > section").all():
        section.scroll_into_view_if_needed()
    assert page.locator(".contents a").first.is_visible()


def test_a_network_keeps_its_color_and_shape_in_plots_tables_and_cards(visit, five):
    page = visit(five)
    page.locator('[data-matrix="0"] button').first.click()
    chips = {place: page.locator(place).evaluate_all(CHIPS) for place in ("table .network", "#cell li li")}
    assert len(chips["table .network"]) == len(NAMED)
    assert chips["#cell li li"] == chips["table .network"]
    drawn = page.locator("#curves svg").first.inner_html()
    assert all(f"var(--network-{place})" in drawn for place in range(len(NAMED)))


@pytest.mark.parametrize(
    ("kind", "width", "scheme"),
    [("report", 360, "light"), ("report", 1600, "dark"), ("index", 768, "dark"), ("live", 360, "light")],
)
def test_axe_finds_nothing(visit, pages, kind, width, scheme):
    page = visit(pages[kind], width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    found = Axe().run(page, options={"runOnly": RULES})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("kind", ["report", "odd"])
def test_on_paper_text_is_legible_and_nothing_is_cut_or_asks_for_a_click(visit, pages, kind, tmp_path):
    page = visit(pages[kind], A4)
    page.emulate_media(media="print")
    assert page.evaluate(STICKING_OUT, HIDDEN) == []
    assert page.locator("summary:visible, .scripted:visible, .reader:visible, .contents:visible").count() == 0
    size, text = page.evaluate(SMALLEST)
    assert round(size * 72 / 96, 1) >= 7, text  # points
    pieces = page.locator("figure, .layer, .card")
    heights = pieces.evaluate_all("(all) => all.map((e) => e.getBoundingClientRect().height)")
    assert max(heights) < 1000  # an A4 page has 1,016 pixels between its margins
    page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True, print_background=False)
    assert (tmp_path / "report.pdf").stat().st_size > 50_000


def test_a_question_is_answered_within_one_click_and_one_screen_of_scrolling(visit, report):
    page = visit(report)
    for question, (link, place) in QUESTIONS.items():
        page.locator(f'.contents a[href="#{link}"]').click()
        found = page.locator(place).first
        assert 0 <= found.bounding_box()["y"] < 2 * page.viewport_size["height"], question


def test_without_javascript_everything_stands_there(visit, report, reports, report_data):
    page = visit(report, java_script_enabled=False)
    assert page.locator("section h2").count() == 10
    assert page.locator("#cell .card").count() == min(8, report_data.failures.largest[2])
    assert not page.locator(".reader").is_visible()
    page.locator("#epochs summary").click()
    assert page.locator("#epochs td").first.is_visible()
    page.goto((reports / "index.html").as_uri())
    assert page.locator("#list tr[data-networks]").count() == 2
    assert page.locator("#unscripted").is_visible()
    assert not page.locator("#comparison").is_visible()


def test_no_script_but_its_own_can_run(visit, chromium, odd, report, tmp_path):
    assert visit(odd).title().startswith("Keep ")
    injected = tmp_path / "injected.html"
    injected.write_text(report.read_text().replace("<main>", "<main><script>document.title = 'taken'</script>"))
    refused = []
    with chromium.new_page() as page:
        page.on("console", lambda message: refused.append(message.text))
        page.goto(injected.as_uri())
        assert page.title() != "taken"
    assert "Content Security Policy" in refused[0]
