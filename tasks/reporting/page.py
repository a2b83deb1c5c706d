"""The report data, every number of the page as JSON, and the page, one HTML file made of nothing else."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from markupsafe import Markup
from pydantic import BaseModel, create_model

from tasks.evaluation.models import Model
from tasks.reporting.data import Picture, Run
from tasks.reporting.html import SHARED, Sprite, page, templates
from tasks.reporting.sections import SECTIONS


class Head(Model):
    """What the whole page is about."""

    data_set: str
    class_names: list[str]
    networks: list[str]  # the winner first
    tie: bool  # of the winner and others, by the rule
    made_at: str


def name_of(section: Any) -> str:
    """Return a section's name: its module's."""
    return section.__name__.rpartition(".")[2]


_FIELDS: dict[str, Any] = {"head": (Head, ...)} | {name_of(part): (part.Numbers, ...) for part in SECTIONS}
ReportData: Any = create_model("Report", __base__=Model, **_FIELDS)  # every number of a page, section by section


def report_data_of(run: Run) -> Any:
    """Return every number of the run's page."""
    head = Head(
        data_set=run.data_set.name,
        class_names=list(run.data_set.class_names),
        networks=run.names,
        tie=bool(run.comparison.tied),
        made_at=max(manifest["made"]["at"] for manifest in run.manifests.values()),
    )
    return ReportData(**{"head": head} | {name_of(section): section.numbers(run) for section in SECTIONS})


def sprite_of(data: Any, images: dict[str, np.ndarray]) -> Sprite:
    """Return the sprite of the pictures that these numbers name, of images (n, height, width) by IDX file."""
    wanted = sorted({(picture.file, picture.index) for picture in _pictures(data)})
    return Sprite.of({(file, index): images[file][index] for file, index in wanted})


def _pictures(value: Any) -> Iterator[Picture]:
    if isinstance(value, Picture):
        yield value
    parts = vars(value) if isinstance(value, BaseModel) else value
    for part in parts.values() if isinstance(parts, dict) else parts if isinstance(parts, list) else ():
        yield from _pictures(part)


def render(data: Any, sprite: Sprite) -> str:
    """Return the page for these numbers; it asks the network for nothing."""
    sections = [(name_of(part), part.TITLE, render_section(part, data, sprite)) for part in SECTIONS]
    return page("page.html.j2", "script.js", head=data.head, sprite=sprite, sections=sections)


def render_section(section: Any, data: Any, sprite: Sprite) -> Markup:
    """Return a section for its numbers."""
    name, numbers = name_of(section), getattr(data, name_of(section))
    plots = section.plots(numbers) if hasattr(section, "plots") else {}
    template = templates().get_template(f"sections/{name}.html.j2", globals=SHARED)
    return Markup(template.render(head=data.head, sprite=sprite, numbers=numbers, plots=plots))  # noqa: S704 (escaped)
