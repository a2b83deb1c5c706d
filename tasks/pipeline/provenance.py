"""Where an artifact comes from: the machine that made it, and the commit of the code."""

import contextlib
import math
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from tasks.pipeline import PROJECT

CONTROL_GROUP = Path("/sys/fs/cgroup")  # this process's, in a container


def machine() -> dict[str, Any]:
    """Return what this machine is, with its memory in GiB."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def cores(group: Path = CONTROL_GROUP) -> int:
    """Return how many cores this process may use: those it may run on, and no more than a container's quota pays for.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html, "CPU Interface Files".
    """
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # there is no such limit
        quota, period = map(int, (group / "cpu.max").read_text().split())
        own = min(own, math.ceil(quota / period))
    return own


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit(project: Path = PROJECT) -> str:
    """Return the commit that the project's code is of, and whether the tree was clean."""
    if not (project / ".git").exists():
        return "no commit (not a git repository)"
    try:
        status = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(project), "status", "--porcelain=v2", "--branch"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown commit (git failed)"
    names = [line.split()[2] for line in status.splitlines() if line.startswith("# branch.oid")]
    changed = any(not line.startswith("#") for line in status.splitlines())
    return f"commit {names[0][:12]}, {'with uncommitted changes' if changed else 'tree clean'}"
