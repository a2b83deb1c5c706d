"""Run the command line, killed by itself at the nth call of a function of the operating system's file layer.

python -m tests.faults.killed <function> <n> before|after <options of flows/main.py>
"""

import os
import signal
import sys
from typing import Any

from flows.cli import main
from flows.main import dag
from tasks.settings.settings import Settings

FUNCTIONS = ("rename", "replace", "fsync", "mkdir", "rmdir", "unlink", "open")


def kill_at(name: str, number: int, when: str) -> None:
    """Have this process killed around that call of `os.<name>`."""
    real, calls = getattr(os, name), [0]

    def counted(*arguments: Any, **keywords: Any) -> Any:
        calls[0] += 1
        if calls[0] == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **keywords)
        if calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, name, counted)


if __name__ == "__main__":
    kill_at(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    main(dag, Settings, sys.argv[4:])
