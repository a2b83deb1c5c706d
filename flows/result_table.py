"""The result of a run in brief, for a terminal and a server: the verdict and a table of numbers."""

import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tasks.data.splits import SPLITS
from tasks.formatting import SPACE, duration, percent, points, size
from tasks.pipeline.artifact import Artifact
from tasks.pipeline.cache_key import label_of
from tasks.pipeline.run_records import Record, last_completed
from tasks.reporting.use import Use
from tasks.settings.settings import Settings


def print_summary(
    artifact: Artifact, settings: Settings, page: Path, seconds: float, up_to_date: bool, console: Console
) -> None:
    """Print what a run ends with: the verdict, the table, where everything is, what it did in so many seconds."""
    record, rows = last_completed(settings.data_dir, settings.command), numbers(artifact)
    lines = table([list(rows[0]), *(list(row.values()) for row in rows)], "<" + ">" * (len(rows[0]) - 1))
    said = ["", *verdict(artifact), "", _legend(rows[0], artifact.summary.get("study")), lines, ""]
    text = Text("\n".join(said).replace(SPACE, " "))
    winner = re.escape(artifact.summary["winner"])
    text.highlight_regex(rf"(?<![\w-])(?<!vs ){winner}(?![\w-])", "bold")  # but where a column compares with it
    console.print(text, soft_wrap=not console.is_terminal)
    model = _model(artifact, settings, record)
    places = [f"Report: {page}", *([f"Model:  {model}"] if model else [])]
    if model and (use := use_in(settings.data_dir, artifact)):
        places += [f"Use:    {use.predict}", f"Export: {use.export}"]
    console.print(Text("\n".join([*places, _what_was_done(record, seconds, up_to_date)])), soft_wrap=True)


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


def use_in(data_dir: Path, artifact: Artifact) -> Use | None:
    """Return how to use the winner of a comparison's report; a study's has none, as it keeps no single training."""
    use = artifact.summary.get("use")
    return Use(**use).in_folder(data_dir) if use else None


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
    best = networks.get(winner, {}).get("test_accuracy") if len(networks) > 2 else None
    return [
        {
            "trial" if artifact.summary.get("study") == "trial" else "network": name,
            **{split: percent(row[f"{split}_accuracy"]) for split in SPLITS if f"{split}_accuracy" in row},
            **({f"vs {winner}": points(row["test_accuracy"] - best) if name != winner else ""} if best else {}),
            **({"gap": points(row["gap"])} if "gap" in row else {}),
            "parameters": size(row["parameters"]).replace(SPACE, " "),
            "training": duration(row["training_seconds"]).replace(SPACE, " "),
        }
        for name, row in networks.items()
    ]


def _legend(row: dict[str, str], study: str | None) -> str:
    """Return whose numbers the table shows, and what its columns mean."""
    meanings = [f"{name}: test accuracy minus {name[3:]}'s" for name in row if name.startswith("vs ")]
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
