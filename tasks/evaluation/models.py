"""What result models are made of: counts, shares of one, and estimates with their 95 % intervals."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1, description="a share of one")]
Difference = Annotated[float, Field(ge=-1, le=1, description="a difference of two shares of one")]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, description="seconds")]


class Model(BaseModel):
    """Results that belong together: a node writes them as JSON, and the report embeds them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Estimate(Model):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """The limits."""
        return self.low, self.high

    @property
    def significant(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0

    def __neg__(self) -> Estimate:
        """Return the estimate of a difference taken the other way round."""
        return Estimate(value=-self.value, low=-self.high, high=-self.low)
