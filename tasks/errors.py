"""The two ways a run ends badly, each with the exit status that tells them apart."""


class UserError(Exception):
    """What the user gave cannot be used: the message says what, where, and what to do."""

    exit_status = 2


class RunError(Exception):
    """The run failed, though what the user gave was in order."""

    exit_status = 1


class ChildDied(RunError):
    """A child process ended without its result (killed, or out of memory): worth another try."""
