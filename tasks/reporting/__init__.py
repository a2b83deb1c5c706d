"""The HTML pages, and what their files in `reports/` are called."""

LATEST, LIVE, INDEX = "latest.html", "live.html", "index.html"
PAGES = "[0-9]*T[0-9]*-*.html"  # the page of a result
