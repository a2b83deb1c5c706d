"""Presets: the named recipes."""

from pathlib import Path
from typing import NamedTuple

PROCESSOR = Path("/proc/cpuinfo")  # what the kernel says of it


class Preset(NamedTuple):
    """A named recipe: what a setting is when it is left unset, but for what stands beside a network."""

    batch_size: int
    learning_rate: float
    schedule: str
    precision: str
    limit: int | None
    augmentation: str = "none"
    label_smoothing: float = 0.0
    tta: str = "none"


PRESETS = {
    "fast": Preset(128, 0.003, "one-cycle", "auto", None),  # the soonest to the article's accuracy: docs/decisions/0014
    "article": Preset(512, 0.001, "constant", "float32", None),  # exactly the article's: Adam at Keras' default rate
    "smoke": Preset(128, 0.002, "one-cycle", "auto", 2_000),  # does everything work? its accuracies mean nothing
}


def has_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 itself: emulated, it is slower than float32."""
    flags = PROCESSOR.read_text() if PROCESSOR.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags
