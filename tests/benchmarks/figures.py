"""What the benchmarks share: figures with their spread, and pairs of measurements."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

from tasks.pipeline.provenance import cores
from tasks.settings.presets import PROCESSOR

LIBRARIES = ("tensorflow", "keras", "numpy", "prefect", "great-expectations")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # what the arithmetic of a training can be made of
NOTICED = 0.15  # share by which a ratio may be worse than it was, beyond the spread


class Figure(NamedTuple):
    """What was measured some times over."""

    values: list[float]
    unit: str
    goal: str = ""
    guarded: str = ""  # "more" or "less" is better, for a ratio that does not depend on how fast the machine is

    @property
    def summary(self) -> dict[str, Any]:
        """Return it for `benchmarks.json`."""
        spread = {"low": round(min(self.values), 3), "high": round(max(self.values), 3), "times": len(self.values)}
        told = {"median": round(statistics.median(self.values), 3), **spread, "unit": self.unit}
        return told | {name: value for name, value in (("goal", self.goal), ("guarded", self.guarded)) if value}


def pairwise(one: Callable[[], float], other: Callable[[], float], times: int) -> list[float]:
    """Measure both in turn, A B B A …, so that what else the machine does reaches both; return one / other of each."""
    ratios = []
    for turn in range(times):
        took = {each: each() for each in ((other, one) if turn % 2 else (one, other))}
        ratios.append(took[one] / took[other])
    return ratios


def machine() -> dict[str, Any]:
    """Return what decides how fast this machine is, as far as it says so."""
    told = dict(line.split(":", 1) for line in PROCESSOR.read_text().splitlines() if ":" in line)
    told = {name.strip(): value.strip() for name, value in told.items()}
    return {
        "processor": told.get("model name", platform.machine()),
        "instructions": [name for name in INSTRUCTIONS if name in told.get("flags", "").split()],
        "cores": cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def worse(name: str, now: dict[str, Any], before: dict[str, Any]) -> str:
    """Return a sentence if a guarded figure is worse than before by more than the spread and NOTICED, else nothing."""
    fallen = {
        "more": now["median"] < before["low"] * (1 - NOTICED),
        "less": now["median"] > before["high"] * (1 + NOTICED),
    }
    if fallen.get(now.get("guarded", "")):
        return f"{name}: {now['median']:g}, was {before['median']:g} ({before['low']:g} to {before['high']:g})"
    return ""


def table(figures: dict[str, dict[str, Any]]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| figure | median | spread | times | goal |", "|---|---|---|---|---|"]
    for name, told in figures.items():
        shown = f"{told['median']:g} {told['unit']} | {told['low']:g} to {told['high']:g} | {told['times']}"
        lines.append(f"| {name} | {shown} | {told.get('goal', '')} |")
    return "\n".join(lines)
