"""Export a trained model: a folder that whoever gets it can use without this project.

python flows/export.py                    # export/dropout-<key>/: the champion, else the newest comparison's winner
python flows/export.py --format onnx      # with the model in another format beside it
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # in flows/, nothing is found by its bare name
    from flows.environment import prepare_python

    prepare_python()

import errno
import os
import shlex
from typing import ClassVar, Literal

from pydantic import Field

from flows.model_command import ModelOptions, main, working
from flows.result_table import table
from tasks.pipeline.errors import RunError, reason
from tasks.serving.exporting import EXAMPLE, Export, export
from tasks.serving.model_card import standing
from tasks.serving.selection import select_model
from tasks.settings.options import Folder

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # then the system names another file, or none


class ExportOptions(ModelOptions):
    """Export a trained model: a folder that whoever gets it can use without this project.

    Without --model, it is the champion or, if there is none, the winner of the newest comparison.
    """

    program: ClassVar[str] = "python flows/export.py"
    examples: ClassVar[str] = """\
examples:
  python flows/export.py                            the champion, else the newest comparison's winner
  python flows/export.py --model baseline           another network of that comparison
  python flows/export.py --format onnx --format tflite"""

    format: tuple[Literal["onnx", "saved_model", "tflite"], ...] = ()
    """another format beside Keras's own: onnx, saved_model or tflite; may be given several times"""
    output: Folder = Field(Path("export"), validate_default=True)
    """folder for exports, each in a folder of its own"""


def run(options: ExportOptions) -> int:
    """Export what the options name, and say what is where; return the exit status."""
    selected = select_model(options.data_dir, options.model, champion=options.champion)
    try:
        with working(f"exporting {selected.name}") as say:
            made = export(selected, options.output, options.format, lambda step: say(f"export: {step}"))
    except OSError as error:
        where = options.output if error.errno in FULL else error.filename
        raise RunError(f"{where}: {reason(error).lower()}; choose another --output") from error
    print(_result(made))
    return 0


def _result(made: Export) -> str:
    """Return what was exported: each file with its size, how each model answered, and how to try it."""
    rows = [[f"  {name}", what, _size(made.folder / name)] for name, what in made.files.items()]
    checks = [[f"  {name}", str(check)] for name, check in made.checks.items()]
    example = os.path.relpath(made.folder / EXAMPLE)
    return "\n".join(
        [
            f"{made.selected.name}: {standing(made.selected)}",
            "",
            os.path.relpath(made.folder),
            table(rows, "<<>"),
            "",
            "Checked on the raw test images, against the probabilities of the report:",
            table(checks),
            "",
            f"Try it: python {shlex.quote(example)} picture.png",
        ]
    )


def _size(path: Path) -> str:
    files = path.rglob("*") if path.is_dir() else [path]
    return f"{sum(file.stat().st_size for file in files if file.is_file()) / 1000:,.1f} kB"


if __name__ == "__main__":
    main(run, ExportOptions)
