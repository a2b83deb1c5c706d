"""HTML from templates: every value escaped, the style and the script inside, nothing asked of the network."""

import base64
import hashlib
import io
import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from tasks.evaluation.rule import RULE
from tasks.formatting import count, duration, in_unit, join_words, moment, p_value, percent, points, signed, size, times
from tasks.reporting.data import PredictedImage
from tasks.reporting.plots import slot

BESIDE = Path(__file__).parent
COLUMNS = 50  # of the sprite
SHARED = {"sprite": None, "columns": COLUMNS, "rule": RULE}  # by all templates
GRAYS = 16  # levels of gray in it: fewer bytes than 256, and hardly to be distinguished at this size


@dataclass(frozen=True)
class Sprite:
    """All pictures of a page in one PNG, as a data URI, and where in it each one stands."""

    source: str
    rows: int
    places: dict[tuple[str, int], int]  # by IDX file and index

    @classmethod
    def of(cls, pictures: dict[tuple[str, int], np.ndarray]) -> "Sprite":
        """Return the sprite of these pictures, uint8 (height, width), dark on light as garments are shown."""
        from PIL import Image

        height, width = np.max([picture.shape for picture in pictures.values()] or [(1, 1)], axis=0).tolist()
        rows = max(1, math.ceil(len(pictures) / COLUMNS))
        sheet = np.zeros((rows, height, COLUMNS, width), np.uint8)
        for place, picture in enumerate(pictures.values()):
            sheet[place // COLUMNS, : picture.shape[0], place % COLUMNS, : picture.shape[1]] = picture
        places = {name: place for place, name in enumerate(pictures)}
        buffer = io.BytesIO()
        levels = np.rint((GRAYS - 1) * (1 - sheet.reshape(rows * height, COLUMNS * width) / 255)).astype(np.uint8)
        image = Image.fromarray(levels, "P")
        image.putpalette(np.repeat(np.linspace(0, 255, GRAYS).round().astype(np.uint8), 3).tobytes())
        image.save(buffer, "PNG", bits=4)
        return cls(f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}", rows, places)

    def style(self, file: str, index: int) -> str:
        """Return what shifts the sprite to a picture."""
        row, column = divmod(self.places[file, index], COLUMNS)
        return f"--x:{column};--y:{row}"

    def pack(self, picture: PredictedImage) -> list[Any]:
        """Return a picture for the script: its place, index, label, each network's classes and per mille."""
        best = [[(of, round(1000 * share)) for of, share in of_network] for of_network in picture.predictions.values()]
        return [self.places[picture.file, picture.index], picture.index, picture.label, *best]


def command(text: str) -> Markup:
    """Return a command whose options no line break parts."""
    return Markup(re.sub(r"--[\w-]+", r"<span>\g<0></span>", str(escape(text))))  # noqa: S704 (escaped)


@cache
def templates() -> Environment:
    """Return the templates beside this file, with what they share."""
    environment = Environment(
        loader=FileSystemLoader(BESIDE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}  # and keys in their order
    numbers = (count, duration, in_unit, p_value, percent, points, signed, size, times)
    environment.filters |= {of.__name__: of for of in (*numbers, command, join_words, moment, slot)}
    return environment


def page(template: str, script_file: str = "", **values: Any) -> str:
    """Return a whole page: only its own script, known by its digest, may run."""
    script = "".join((BESIDE / name).read_text("utf-8") for name in ("scroll.js", script_file) if name)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = "".join((BESIDE / f"{name}.css").read_text("utf-8") for name in ("style", "tables", "figures"))
    whole = templates().get_template(template, globals=SHARED)
    return whole.render(style=style, script=script, script_digest=digest, **values) + "\n"
