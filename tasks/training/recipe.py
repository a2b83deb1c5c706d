"""What a network is trained with, everything filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

VALIDATION_CORRECT = "validation_correct.npy"  # of a training: which validation images its network predicts correctly


@dataclass(frozen=True)
class Recipe:
    """What a network is trained with; `tasks/settings/settings.py` fills it in. Each field is in the cache key."""

    epochs: int
    batch_size: int
    learning_rate: float  # of Adam; the peak of a one-cycle schedule
    schedule: str
    augmentation: str
    label_smoothing: float
    precision: str  # float32 or bfloat16
    seed: int
    filters: int | None = None  # these three shape the architecture; None: as the network has it
    dense_width: int | None = None
    dropout_rate: float | None = None
    pruning_thresholds: tuple[float, ...] = ()  # of a search: validation accuracies after each quarter of the epochs

    @property
    def architecture(self) -> dict[str, Any]:
        """What the network's `build` is called with."""
        named = {"filters": self.filters, "dense_width": self.dense_width, "dropout_rate": self.dropout_rate}
        return {name: value for name, value in named.items() if value is not None}
