"""Publish: put pages, and beside each its numbers, into `reports/`, each whole or not at all."""

import json
import re
from pathlib import Path

from tasks.pipeline.artifact import Artifact
from tasks.pipeline.errors import RunError, reason
from tasks.pipeline.staging import clean_up, write_whole
from tasks.reporting import INDEX, LATEST, LIVE, PAGES


def publish(artifact: Artifact, reports_dir: Path) -> Path:
    """Put a report's page and numbers into `<reports>/<time made>-<key>`; return the copy named by `latest`.

    Raises:
        RunError: the folder cannot be written.
    """
    page, numbers = ((artifact.folder / f"report.{kind}").read_bytes() for kind in ("html", "json"))
    _publish(artifact, latest(artifact, reports_dir), page, numbers)
    return latest(artifact, reports_dir)


def latest(artifact: Artifact, reports_dir: Path) -> Path:
    """Return where the newest page of its kind is: a comparison's, or a study's."""
    study = artifact.summary.get("study")
    return reports_dir / (f"latest-{study}s.html" if study else LATEST)


def publish_refusal(artifact: Artifact, reports_dir: Path) -> Path:
    """Publish the page of a validation that failed, as that of the newest run; return its path.

    Raises:
        RunError: the folder cannot be written.
    """
    from tasks.reporting import validation_failure

    numbers = json.dumps(validation_failure.numbers(artifact), ensure_ascii=False)
    return _publish(artifact, reports_dir / LATEST, validation_failure.render(artifact).encode(), numbers.encode())


def _publish(artifact: Artifact, newest: Path, page: bytes, numbers: bytes) -> Path:
    reports_dir = newest.parent
    target = page_of(artifact, reports_dir)
    try:
        clean_up(reports_dir)
        live = reports_dir / LIVE
        for path in (target, newest, *([live] if live.exists() else [])):
            write_whole(path.with_suffix(".json"), numbers)
            write_whole(path, page)
        list_pages(reports_dir)
    except OSError as error:
        remedy = "choose another --reports-dir"
        raise RunError(f"the report cannot be put into {reports_dir}: {reason(error).lower()}; {remedy}") from error
    return target


def page_of(artifact: Artifact, reports_dir: Path) -> Path:
    """Return the path of that result’s page."""
    made_at = artifact.manifest["made"]["at"][:19].replace(":", "").replace("-", "")
    return reports_dir / f"{made_at}-{artifact.key[:8]}.html"


def list_pages(reports_dir: Path) -> None:
    """Bring the index up to date, where it is not."""
    if not _is_listed(reports_dir):
        from tasks.reporting.index import render_index

        write_whole(reports_dir / INDEX, render_index(reports_dir).encode(errors="replace"))


def _is_listed(reports_dir: Path) -> bool:
    """Whether the index lists the pages that are there, and no others."""
    try:
        listed = re.findall(r'<th scope="row"><a href="([^"]+)"', (reports_dir / INDEX).read_text())
    except (OSError, UnicodeDecodeError):
        return False
    return sorted(listed) == sorted(page.name for page in reports_dir.glob(PAGES))
