"""The kinds of numbers that a section is made of; with them, its JSON says what each number is."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tasks.reporting.data import Run

Share = Annotated[float, Field(ge=0, le=1, description="a share of one")]
Difference = Annotated[float, Field(ge=-1, le=1, description="a difference of two shares of one")]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, description="seconds")]
File = Literal["train", "test"]


class Model(BaseModel):
    """Numbers that belong together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def from_row(cls, row: dict[str, Any], **given: Any) -> Self:
        """Take each field from `given` or by its name from a row of results; an interval is its `<name>_interval`."""
        taken: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            if name in row:
                estimated = field.annotation in (Estimate, Estimate | None) and row[name] is not None
                taken[name] = Estimate.of(row, name) if estimated else row[name]
        return cls(**taken | given)


class Estimate(Model):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: dict[str, Any], name: str) -> Self:
        """Return the estimate of that name among figures that hold `name` and `name_interval`."""
        low, high = figures[f"{name}_interval"]
        return cls(value=figures[name], low=low, high=high)

    @property
    def clear(self) -> bool:
        """Tell whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0


class Picture(Model):
    """An image of the data set, which the page shows."""

    file: File
    index: Count = Field(description="its place in its IDX file")
    label: Count = Field(description="its class, by number")


class Judged(Picture):
    """A picture, and what each network takes it for."""

    choices: dict[str, list[tuple[Count, Share]]] = Field(
        description="by network: its classes and their probabilities, the likeliest three first"
    )


def judged(run: Run, positions: Sequence[int] | np.ndarray) -> list[Judged]:
    """Return the images at these positions of the test split, with each network's three likeliest classes."""
    found = []
    for position in map(int, positions):
        choices = {}
        for name, by_split in run.probabilities.items():
            row = by_split["test"][position]
            likeliest = np.argsort(-row, kind="stable")[:3]
            choices[name] = [(int(index), round(float(row[index]), 6)) for index in likeliest]
        index, label = int(run.places["test"][position]), int(run.labels[position])
        found.append(Judged(file="test", index=index, label=label, choices=choices))
    return found
