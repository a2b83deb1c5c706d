"""The report data, every number of the page as JSON, and the page, one HTML file made of nothing else."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup
from pydantic import BaseModel, create_model

from tasks.evaluation.models import Model
from tasks.reporting.data import Run
from tasks.reporting.html import Sprite, Templates
from tasks.reporting.models import Picture, PredictedImage
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
    numbers = {name_of(section): section.numbers(run) for section in SECTIONS}
    return ReportData.model_validate({"head": head, **numbers})


def sprite_of(data: Any, images: dict[str, np.ndarray]) -> Sprite:
    """Return the sprite of the pictures that these numbers name, of images (n, height, width) by IDX file."""
    wanted = sorted({(picture.file, picture.index) for picture in _pictures(data)})
    return Sprite.of({(file, index): images[file][index] for file, index in wanted})


def _pictures(value: Any) -> Iterator[Picture]:
    if isinstance(value, Picture):
        yield value
    elif isinstance(value, BaseModel):
        yield from _pictures(vars(value))
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _pictures(part)


def render(data: Any, sprite: Sprite) -> str:
    """Return the page for these numbers; it asks the network for nothing."""
    templates = templates_for(data, sprite)
    sections = [(name_of(part), part.TITLE, render_section(part, data, templates)) for part in SECTIONS]
    return templates.page("page.html.j2", "script.js", sections=sections)


def templates_for(data: Any, sprite: Sprite) -> Templates:
    """Return the templates with what the sections of a page share."""
    templates = Templates(head=data.head, sprite=sprite)
    templates.environment.filters["packed"] = partial(_packed, sprite)
    return templates


def render_section(section: Any, data: Any, templates: Templates) -> Markup:
    """Return a section for its numbers."""
    name, numbers = name_of(section), getattr(data, name_of(section))
    plots = section.plots(numbers) if hasattr(section, "plots") else {}
    content = templates.render(f"sections/{name}.html.j2", numbers=numbers, plots=plots)
    return Markup(content)  # noqa: S704 (the template escapes)


def _packed(sprite: Sprite, picture: PredictedImage) -> list[Any]:
    """Return a picture for the script: place in the sprite, index, label, each network's classes and per mille."""
    predictions = [
        [of for index, share in best for of in (index, round(1000 * share))] for best in picture.predictions.values()
    ]
    return [sprite.places[picture.file, picture.index], picture.index, picture.label, *predictions]
