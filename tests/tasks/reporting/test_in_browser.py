"""The pages as people see them: in Chromium, at every width, light and dark, on paper, without scripts."""

import contextlib

import pytest
from axe_playwright_python.sync_playwright import Axe

WIDTHS = (360, 768, 1600)
A4 = 703  # CSS pixels between the margins of an A4 page


HIDDEN = "svg, .unseen, .skip, details:not([open]) > :not(summary)"
SCROLLED = ".scroll, .matrix-figure, .contents"


def sticking_out(page, excused):
    """Return what reaches beyond the right edge, but for what is within one of the excused."""
    return page.evaluate(
        """(excused) => [...document.querySelectorAll("body *")].filter((element) => {
            const box = element.getBoundingClientRect();
            return !element.closest(excused) && box.width && box.right > document.documentElement.clientWidth + 1;
        }).map((element) => element.outerHTML.slice(0, 120))""",
        excused,
    )


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("which", ["report", "odd", "index", "live", "study"])
def test_nothing_overflows(visit, report, odd, reports, live, study, which, width):
    pages = {"report": report, "odd": odd, "index": reports / "index.html", "live": live, "study": study}
    page = visit(pages[which], width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert sticking_out(page, f"{HIDDEN}, {SCROLLED}") == []


RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.mark.parametrize(
    ("which", "width", "scheme"),
    [
        ("report", 360, "light"),
        ("report", 1600, "dark"),
        ("odd", 1600, "light"),
        ("index", 768, "dark"),
        ("live", 360, "light"),
        ("study", 360, "dark"),
        ("study", 1600, "light"),
    ],
)
def test_axe_finds_nothing(visit, report, odd, reports, live, study, which, width, scheme):
    pages = {"report": report, "odd": odd, "index": reports / "index.html", "live": live, "study": study}
    page = visit(pages[which], width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    contrast = {"color-contrast": {"enabled": which != "odd"}}  # its colours are the report's, and many
    found = Axe().run(page, options={"runOnly": RULES, "rules": contrast})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("which", ["report", "odd", "study"])
def test_no_text_of_a_figure_is_cut_off(visit, report, odd, study, which):
    page = visit({"report": report, "odd": odd, "study": study}[which])
    cut = page.evaluate(
        """() => [...document.querySelectorAll("svg text")].filter((text) => {
            const [inner, outer] = [text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect()];
            return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1;
        }).map((text) => text.textContent)"""
    )
    assert cut == []


@pytest.mark.parametrize("which", ["report", "odd"])
def test_on_paper_nothing_is_cut(visit, report, odd, which, tmp_path):
    page = visit({"report": report, "odd": odd}[which], A4)
    page.emulate_media(media="print")
    assert sticking_out(page, HIDDEN) == []
    names = page.locator(".network bdi:visible")
    shortened = names.evaluate_all(
        "(all) => all.filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent)"
    )
    assert [name for name in shortened if len(name) < 12] == []
    heights = page.locator("figure, .layer, .card").evaluate_all(
        "(all) => all.map((e) => e.getBoundingClientRect().height)"
    )
    assert max(heights) < 1000  # an A4 page has 1,016 pixels between its margins
    page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True, print_background=False)
    assert (tmp_path / "report.pdf").stat().st_size > 50_000


def test_without_javascript_everything_stands_there(visit, report, report_data):
    page = visit(report, java_script_enabled=False)
    assert page.locator("section h2").count() == 9
    assert page.locator("#cell .card").count() == min(9, report_data.failures.largest[2])
    assert not page.locator(".reader").is_visible()
    page.locator("#epochs summary").click()
    assert page.locator("#epochs td").first.is_visible()


def test_without_javascript_the_index_lists_the_runs_and_says_what_it_cannot_do(visit, reports):
    page = visit(reports / "index.html", java_script_enabled=False)
    assert page.locator("#list tr").count() == 2
    assert page.locator("#unscripted").is_visible()
    assert not page.locator("#comparison").is_visible()


def test_no_script_but_its_own_can_run(visit, odd, report, tmp_path):
    page = visit(odd)
    assert page.title().startswith("Keep ")
    injected = tmp_path / "injected.html"
    injected.write_text(report.read_text().replace("<main>", "<main><script>document.title = 'taken'</script>"))
    context = page.context.browser.new_context()
    with contextlib.closing(context):
        other = context.new_page()
        refused = []
        other.on("console", lambda message: refused.append(message.text))
        other.goto(injected.as_uri())
        assert other.title() != "taken"
        assert "Content Security Policy" in refused[0]
