"""Under what circumstances an artifact is made: on which machine, of which commit."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from tasks.pipeline import PROJECT


def machine() -> dict[str, Any]:
    """Return what this machine is."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit(project: Path = PROJECT) -> str:
    """Return the commit that the project's code is of, and whether the tree was clean."""
    if not (project / ".git").exists():
        return "of no commit (not a git repository)"
    try:
        status = subprocess.run(
            ["git", "-C", str(project), "status", "--porcelain=v2", "--branch"],  # noqa: S607 (the user's own git)
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "of a commit that git does not tell"
    names = [line.split()[2] for line in status.splitlines() if line.startswith("# branch.oid")]
    changed = any(not line.startswith("#") for line in status.splitlines())
    return f"commit {names[0][:12]}, {'with changes that are not committed' if changed else 'tree clean'}"
