"""How a run fails: each kind of error with its exit status and one sentence for the user."""

import errno
from typing import Any


class UserError(ValueError):
    """What the user gave cannot be used: the message says what, where, and what to do."""

    exit_status = 2


class RunError(Exception):
    """The run failed, though what the user gave was valid."""

    exit_status = 1


class ValidationFailed(RunError):
    """The data failed its checks; `artifact` is what the validation found."""

    artifact: Any = None


class WorkerCrashed(RunError):
    """A signal ended a worker (out of memory, say): worth another try."""


class Unreachable(RunError):
    """What is needed lies on a network that does not answer: worth another try, later."""


REMEDIES = {
    errno.ENOSPC: "; free some space or choose another --data-dir",
    errno.EACCES: "; change its permissions or choose another folder",
    errno.EROFS: "; choose another --data-dir",
}


def describe(error: OSError) -> str:
    """Return what the system refused, where, and what to do about it."""
    where = f"{error.filename}: " if error.filename else ""
    why = (error.strerror or "").lower() or str(error)  # a message of one's own may name a path
    return f"{where}{why}{REMEDIES.get(error.errno or 0, '')}"


def reason(error: Exception) -> str:
    """Return why a file or an address did not answer as it should, without its name."""
    refused = str(error).removeprefix("<urlopen error ").removesuffix(">")  # what urllib puts around the system's words
    return getattr(error, "strerror", None) or refused
