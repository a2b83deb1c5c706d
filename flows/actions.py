"""What the command does instead of a run: plan, verify, status, rollback, prune."""

import os
from typing import Any

from flows.outlook import outlook
from flows.plan import Dag, plan
from flows.pruning import damaged, megabytes, prune
from flows.result_table import table
from tasks.pipeline.champions import roll_back
from tasks.pipeline.errors import UserError
from tasks.settings.settings import Settings

RUNS_KEPT = 10
FLAGS = {
    "plan": "dry run: what would run, and why",
    "verify": "check every artifact's checksums (exit 1 if one is damaged)",
    "status": "how the last run ended, and whether scheduled runs are happening (exit 1 if not)",
    "rollback": "restore the previous champion",
    "prune": f"list what none of the last RUNS runs used (default: {RUNS_KEPT})",
    "yes": "with --prune: delete it",
}
ACTIONS = tuple(FLAGS)


def run_command(dag: Dag, settings: Settings, actions: dict[str, Any]) -> int:
    """Do the action that the command line names, and return the exit status.

    Raises:
        UserError: it names actions that do not go together.
        RunError: a run is active, or nothing can be read.
    """
    wrong: list[str] = []
    match sorted(actions):
        case ["plan"]:
            planned = plan(dag, settings)
            lines = [table(planned.steps), "", outlook(planned, settings)]
        case ["verify"]:
            wrong, summary = damaged(settings.data_dir)
            lines = [*wrong, summary]
        case ["status"]:
            from flows.operations.status import status

            rows, wrong = status(settings)
            lines = [table(rows), *wrong]
        case ["rollback"]:
            again, was = roll_back(settings.data_dir)
            lines = [f"Champion restored: {again.network} ({again.recipe}). It replaces {was.network} ({was.recipe})."]
        case ["prune"] | ["prune", "yes"]:
            removing = "yes" in actions
            items = prune(settings.data_dir, settings.reports_dir, actions["prune"], delete=removing)
            found = [(megabytes(item.bytes), os.path.relpath(item.path), item.why) for item in items]
            size = megabytes(sum(item.bytes for item in items))
            count = f"{len(items)} {'deleted' if removing else 'to delete'}, {size}"
            hint = "; add --yes to delete them" if items and not removing else ""
            lines = list(filter(None, [table(found, ">"), count + hint]))
        case _:
            raise UserError("give one of --plan, --verify, --status, --rollback and --prune; --yes only with --prune")
    print("\n".join(lines))
    return 1 if wrong else 0
