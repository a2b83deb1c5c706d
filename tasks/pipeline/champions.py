"""Champion: the network in use, and those before it, in `data/champion.json`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ValidationError

from tasks.pipeline.artifact import Artifact, verify
from tasks.pipeline.errors import RunError, UserError
from tasks.pipeline.staging import lock, replace_file

FILE = "champion.json"


class Champion(BaseModel, extra="forbid"):
    """A network that was put into use, of which run, since when and why."""

    network: str
    recipe: str
    command: str
    evaluate: str  # the folder of its evaluation, which leads to everything before it
    train: str  # the content digest of its training: the network itself, whatever evaluates it
    since: Annotated[str, AfterValidator(lambda since: datetime.fromisoformat(since) and since)]
    reason: str


class Champions(BaseModel, extra="forbid"):
    """All that have been in use, in turn; and the trainings of those that were found wanting there."""

    champions: list[Champion] = []
    rolled_back: list[str] = []

    @property
    def to_beat(self) -> dict[str, Any]:
        """What a challenge must know of them: of the last one, which is in use, and of those that were rolled back."""
        known = [champion.model_dump(include={"network", "evaluate", "command"}) for champion in self.champions[-1:]]
        return {**dict(*known), "rolled_back": self.rolled_back}


def champions(data_dir: Path) -> Champions:
    """Return what the file says; no champion, if there is no file.

    Raises:
        RunError: it holds something else.
    """
    try:
        return Champions.model_validate_json((data_dir / FILE).read_bytes())
    except FileNotFoundError:
        return Champions()
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise RunError(f"{data_dir / FILE} is damaged: {why}; repair it or move it away") from error


def evaluation_of_the_champion(data_dir: Path, to_beat: dict[str, Any]) -> dict[str, Artifact]:
    """Return the evaluation of the one that is to be beaten, by its network, if there is one and that stands."""
    found = verify(data_dir / "evaluate" / to_beat["evaluate"], "evaluate") if "evaluate" in to_beat else None
    return {to_beat["network"]: found} if isinstance(found, Artifact) else {}


def promote(data_dir: Path, beaten: str | None, **champion: str) -> bool:
    """Put a network into use in place of the evaluated one that it has beaten; return whether that changed anything.

    Raises:
        RunError: another one than that is in use by now.
    """
    new = Champion(since=datetime.now(UTC).isoformat(timespec="seconds"), **champion)
    with lock(data_dir / FILE):
        known = champions(data_dir)
        in_use = known.to_beat.get("evaluate")
        if new.evaluate == in_use or new.train in known.rolled_back:
            return False
        if in_use != beaten:
            raise RunError(f"{new.network} was not promoted: the champion changed during the run; run again")
        known.champions.append(new)
        replace_file(data_dir / FILE, known.model_dump_json(indent=1).encode())
        return True


def roll_back(data_dir: Path) -> tuple[Champion, Champion]:
    """Put the one before into use again, and the one that was in use never again; return both.

    Raises:
        UserError: there is none before.
    """
    with lock(data_dir / FILE):
        known = champions(data_dir)
        if len(known.champions) < 2:
            raise UserError(f"no previous champion to restore in {data_dir / FILE}")
        was = known.champions.pop()
        known.rolled_back.append(was.train)
        replace_file(data_dir / FILE, known.model_dump_json(indent=1).encode())
        return known.champions[-1], was
