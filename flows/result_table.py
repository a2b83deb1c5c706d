"""The result of a run in brief, for a terminal and a server: the verdict and a table of numbers."""

import os
import re
import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tasks.data.splits import SPLITS
from tasks.formatting import SPACE, duration, percent, points, size
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.cache_key import label_of
from tasks.pipeline.run_records import Record, last_completed
from tasks.settings.settings import Settings

BOLD = "\033[1m{}\033[0m"


def summary(
    artifact: Artifact, settings: Settings, page: Path, seconds: float, up_to_date: bool, columns: int | None
) -> str:
    """Return what a run ends with: the verdict, the table, where everything is, what it did in so many seconds.

    At a terminal, `columns` is its width: sentences are wrapped, and the winner is in bold.
    """
    record = last_completed(settings.data_dir, settings.command)
    rows, of_kind = numbers(artifact), artifact.summary.get("study")
    legend = _wrapped([_legend(rows[0], of_kind)], columns)
    lines = table([list(rows[0]), *(list(row.values()) for row in rows)], "<" + ">" * (len(rows[0]) - 1))
    emphasized = partial(_emphasized, winner=artifact.summary["winner"]) if columns else str
    text = "\n".join([emphasized(_wrapped(verdict(artifact), columns)), "", legend, emphasized(lines)])
    model = _model(artifact, settings, record)
    places = [f"Report: {page}", *([f"Model:  {model}"] if model else [])]
    return "\n".join(["", text, "", *places, _what_was_done(record, seconds, up_to_date)]).replace(SPACE, " ")


def _wrapped(sentences: list[str], columns: int | None) -> str:
    return "\n".join(line for text in sentences for line in (textwrap.wrap(text, columns) if columns else [text]))


def _emphasized(text: str, winner: str) -> str:
    """Put the winner's name in bold, but where a column compares with it."""
    if "NO_COLOR" in os.environ:
        return text
    return re.sub(rf"(?<![\w-])(?<!vs ){re.escape(winner)}(?![\w-])", lambda found: BOLD.format(found[0]), text)


def _what_was_done(record: Record | None, seconds: float, up_to_date: bool) -> str:
    """Return how many steps ran, and how many were reused; only how long it took, if no record could be written."""
    took = duration(seconds).replace(SPACE, " ")
    if not record:
        return f"Done ({took})."
    total = len(record.content["nodes"])
    if up_to_date:
        return f"Up to date: {total} of {total} steps reused ({took})."
    ran = sum(node["how"] == "made" for node in record.content["nodes"].values())
    return f"Done: {ran} of {total} steps ran, {total - ran} reused ({took})."


def _model(artifact: Artifact, settings: Settings, record: Record | None) -> Path | None:
    """Return the winner's model file, if the winner is a single training that is kept on this machine."""
    winner = artifact.summary["winner"]
    of = (*settings.networks, winner) if artifact.summary.get("study") == "trial" else (winner,)
    key = record and record.keys.get(label_of("train", *of))
    return next((settings.data_dir / "train").glob(f"{of[0]}-{key}/model.*"), None) if key else None


def verdict(artifact: Artifact) -> list[str]:
    """Return the verdict of a report, and what may undercut it."""
    found = artifact.summary
    warning = f"Warning: {found['warning']}" if found["warning"] else None
    return [*found["verdict"], *filter(None, [warning, found["caution"]])]


def numbers(artifact: Artifact) -> list[dict[str, str]]:
    """Return a report's numbers as text, a row a network; of three and more, each with how it compares to the winner's.

    What is there depends on the kind of report: cross-validation has no test accuracy, and only a run has a gap.
    """
    networks, winner = artifact.summary["networks"], artifact.summary["winner"]
    versus = f"vs {winner}" if len(networks) > 2 and "test_accuracy" in networks.get(winner, {}) else None

    def behind(row: dict[str, float]) -> str:
        return points(row["test_accuracy"] - networks[winner]["test_accuracy"])

    return [
        {
            "trial" if artifact.summary.get("study") == "trial" else "network": name,
            **{split: percent(row[f"{split}_accuracy"]) for split in SPLITS if f"{split}_accuracy" in row},
            **({versus: "" if name == winner else behind(row)} if versus else {}),
            **({"gap": points(row["gap"])} if "gap" in row else {}),
            "parameters": size(row["parameters"]).replace(SPACE, " "),
            "training": duration(row["training_seconds"]).replace(SPACE, " "),
        }
        for name, row in networks.items()
    ]


def _legend(row: dict[str, str], study: str | None) -> str:
    """Return whose numbers the table shows, and what its columns mean."""
    versus = next((name for name in row if name.startswith("vs ")), None)
    meanings = [f"{versus}: test accuracy minus {versus.removeprefix('vs ')}'s"] if versus else []
    meanings += ["gap: train minus test accuracy"] if "gap" in row else []
    in_points = f" ({'; '.join(meanings)}; in points)" if meanings else ""
    of_what = {None: "Accuracy of each network", "trial": "Validation accuracy of the best trials"}
    return of_what.get(study, f"Each network's means over its {study}s") + in_points


def table(rows: Sequence[Sequence[str]], aligned: str = "") -> str:
    """Return rows of equal length as lines, their columns as wide as need be; `aligned` is by column, the rest left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = aligned.ljust(len(widths), "<")
    return "\n".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    )
