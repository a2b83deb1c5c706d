"""What the command does instead of a run: plan, verify, status, rollback, prune."""

from pathlib import Path
from typing import Any

from flows.plan import Dag, plan
from flows.pruning import damaged, no_run_at_work, remove, unneeded
from flows.result_table import table
from tasks.pipeline.champions import roll_back
from tasks.pipeline.errors import UserError
from tasks.pipeline.reading import printable
from tasks.settings.settings import Settings

FLAGS = {
    "plan": "say what a run would do, and why",
    "verify": "check every artifact, and say what is damaged",
    "status": "say how the last run ended and whether what is scheduled happens; status 1 if not",
    "rollback": "put the champion before into use again",
    "yes": "with --prune: remove it",
}
ACTIONS = ("prune", *FLAGS)


def run_command(dag: Dag, settings: Settings, actions: dict[str, Any]) -> int:
    """Do the action that the command line names, and return the exit status.

    Raises:
        UserError: it names actions that do not go together.
        RunError: a run is at work, or nothing can be read.
    """
    wrong: list[str] = []
    match sorted(actions):
        case ["plan"]:
            lines = [table(plan(dag, settings).steps)]
        case ["verify"]:
            wrong, summary = damaged(settings.data_dir)
            lines = [*wrong, summary]
        case ["status"]:
            from flows.operations.status import status

            rows, wrong = status(settings)
            lines = [table(rows), *wrong]
        case ["rollback"]:
            again, was = roll_back(settings.data_dir)
            lines = [f"champion: {again.network} ({again.recipe}), no longer {was.network} ({was.recipe})"]
        case ["prune"] | ["prune", "yes"]:
            removing = "yes" in actions
            with no_run_at_work(settings.data_dir):
                items = unneeded(settings.data_dir, settings.reports_dir, actions["prune"])
                if removing:
                    remove(items, settings.reports_dir)
            found = [(f"{item.bytes:,}", _shown(item.folder, settings), item.why) for item in items]
            size = f"{sum(item.bytes for item in items):,} bytes"
            count = f"{len(items)} {'removed' if removing else 'to remove'}, {size}"
            hint = "; add --yes to remove them" if items and not removing else ""
            lines = list(filter(None, [table(found), count + hint]))
        case _:
            raise UserError(
                "--plan, --verify, --status, --rollback and --prune go one at a time; --yes only with --prune"
            )
    print("\n".join(lines))
    return 1 if wrong else 0


def _shown(path: Path, settings: Settings) -> str:
    root = settings.data_dir if path.is_relative_to(settings.data_dir) else settings.reports_dir.parent
    return printable(str(path.relative_to(root)))
