"""How large the report is, how long it takes to make and to open, and whether it is the same bytes twice.

python -m tests.benchmarks.report_page [options of flows/main.py, for a run that stands]
"""

import statistics
import sys
import time
from itertools import pairwise
from typing import Any

from playwright.sync_api import sync_playwright

from flows.command_line import read_options
from flows.plan import plan
from tasks.report.gather import gather
from tasks.report.page import render, sprite_of, twin_of
from tasks.settings import parse_settings
from tests.conftest import CHROMIUM

TIMES = 5
LOADED = """() => new Promise((resolve) => {
    const largest = new PerformanceObserver((list) => {
        const [loaded] = performance.getEntriesByType("navigation");
        resolve([loaded.domContentLoadedEventEnd, list.getEntries().at(-1).startTime]);
    });
    largest.observe({ type: "largest-contentful-paint", buffered: true });
})"""


def main() -> None:
    """Measure, and print bytes and milliseconds."""
    settings = parse_settings(read_options(sys.argv[1:]))
    ahead = plan(settings)
    if not ahead.whole:
        sys.exit("that run does not stand; make it first")
    found = ahead.kept
    stands = (found["report"].folder / "report.html").read_text(encoding="utf-8")
    numbers = (found["report"].folder / "report.json").read_bytes()
    print(f"page {len(stands.encode()):,} bytes, numbers {len(numbers):,} bytes")
    pages, parts = zip(*(_made(found, settings) for _ in range(TIMES)), strict=True)
    same = all(page == stands for page in pages)
    print(f"made {TIMES} times more: {'the same bytes each time' if same else 'OTHER BYTES'}")
    names = ("gather", "numbers", "pictures", "render")
    medians = [1000 * statistics.median(part) for part in zip(*parts, strict=True)]
    print(f"{sum(medians):.0f} ms: " + ", ".join(f"{n} {ms:.0f}" for n, ms in zip(names, medians, strict=True)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = [_opened(browser, found["report"].folder / "report.html") for _ in range(TIMES)]
        browser.close()
    loaded, painted = (statistics.median(column) for column in zip(*opened, strict=True))
    print(f"opened: DOMContentLoaded {loaded:.0f} ms, largest paint {painted:.0f} ms (medians of {TIMES})")


def _made(found: dict[str, Any], settings: Any) -> tuple[str, list[float]]:
    marks = [time.perf_counter()]
    each = [{n: found[f"{node}[{n}]"] for n in settings.networks} for node in ("train", "evaluate")]
    singles = [found[node] for node in ("download", "validate", "prepare")]
    run = gather(*singles, *each, found["compare"], {}, {}, settings.data_set, settings.command, settings.departures)
    marks.append(time.perf_counter())
    twin = twin_of(run)
    marks.append(time.perf_counter())
    sprite = sprite_of(twin, run.images)
    marks.append(time.perf_counter())
    page = render(twin, sprite)
    marks.append(time.perf_counter())
    return page, [after - before for before, after in pairwise(marks)]


def _opened(browser: Any, path: Any) -> list[float]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    times = page.evaluate(LOADED)
    page.close()
    return times


if __name__ == "__main__":
    main()
