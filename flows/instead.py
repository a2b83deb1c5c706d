"""What the command does instead of a run: look, check, tell, tidy up."""

from pathlib import Path
from typing import Any

from flows.housekeeping import damaged, no_run_at_work, remove, unneeded
from flows.plan import plan
from flows.summary import table
from tasks.champion import roll_back
from tasks.pipeline.errors import UserError
from tasks.settings import Settings

FLAGS = {
    "plan": "say what a run would do, and why",
    "verify": "check every artifact, and say what is damaged",
    "status": "say how the last run ended and whether what is scheduled happens; status 1 if not",
    "rollback": "put the champion before into use again",
    "yes": "with --prune: remove it",
}
ACTIONS = ("prune", *FLAGS)


def look_after(settings: Settings, actions: dict[str, Any]) -> int:
    """Do what is asked for instead of a run, and return the exit status.

    Raises:
        UserError: what is asked for does not go together.
        RunError: a run is at work, or nothing can be read.
    """
    if actions.keys() == {"plan"}:
        print(table(plan(settings).steps))
        return 0
    if actions.keys() == {"verify"}:
        faults, told = damaged(settings.data_dir)
        print("\n".join([*faults, told]))
        return 1 if faults else 0
    if actions.keys() == {"status"}:
        from flows.status import status

        how, wrong = status(settings)
        print("\n".join([table(how), *wrong]))
        return 1 if wrong else 0
    if actions.keys() == {"rollback"}:
        again, was = roll_back(settings.data_dir)
        print(f"champion: {again.network} ({again.recipe}), no longer {was.network} ({was.recipe})")
        return 0
    if "prune" in actions and actions.keys() <= {"prune", "yes"}:
        with no_run_at_work(settings.data_dir):
            items = unneeded(settings.data_dir, settings.reports_dir, actions["prune"])
            if "yes" in actions:
                remove(items, settings.reports_dir)
        rows = [(f"{item.bytes:,}", _shown(item.folder, settings), item.why) for item in items]
        size = sum(item.bytes for item in items)
        told = f"{len(items)} {'removed' if 'yes' in actions else 'to remove'}, {size:,} bytes"
        if items and "yes" not in actions:
            told += "; add --yes to remove them"
        print("\n".join([*filter(None, [table(rows)]), told]))
        return 0
    raise UserError("--plan, --verify, --status, --rollback and --prune go one at a time; --yes only with --prune")


def _shown(path: Path, settings: Settings) -> str:
    return str(
        path.relative_to(settings.data_dir if path.is_relative_to(settings.data_dir) else settings.reports_dir.parent)
    )
