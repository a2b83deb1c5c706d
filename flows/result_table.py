"""The result of a run in brief, for a terminal and a server: the verdict and a table of numbers."""

from collections.abc import Sequence
from pathlib import Path

from tasks.data.splits import SPLITS
from tasks.formatting import percent, points
from tasks.pipeline.artifact import Artifact


def summary(artifact: Artifact, page: Path) -> str:
    """Return the verdict, the table and the report's path as text."""
    rows = numbers(artifact)
    lines = table([list(rows[0]), *(list(row.values()) for row in rows)], aligned="<" + ">" * (len(rows[0]) - 1))
    return "\n".join(["", *verdict(artifact), "", lines, "", f"Report: {page}"])


def verdict(artifact: Artifact) -> list[str]:
    """Return the verdict of a report, and what may undercut it."""
    return [*artifact.summary["verdict"], *filter(None, [artifact.summary["warning"], artifact.summary["caution"]])]


def numbers(artifact: Artifact) -> list[dict[str, str]]:
    """Return a report's numbers as text, a row a network."""
    return [
        {
            "network": name,
            **{split: percent(row[f"{split}_accuracy"]) for split in SPLITS if f"{split}_accuracy" in row},
            **({"gap": points(row["gap"])} if "gap" in row else {}),
            "parameters": f"{row['parameters']:,}",
            "seconds": f"{row['training_seconds']:.0f}",
        }
        for name, row in artifact.summary["networks"].items()
    ]


def table(rows: Sequence[Sequence[str]], aligned: str = "") -> str:
    """Return rows of equal length as lines, their columns as wide as need be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = aligned or "<" * len(widths)
    return "\n".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    )
