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
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def commit(project: Path = PROJECT) -> str:
    """Return the commit that the project's code is of, and whether the tree was clean."""
    git = ["git", "--no-optional-locks", "-C", str(project), "--git-dir=.git"]  # not that of a folder around it
    status = [*git, "status", "--porcelain=v2", "--branch"]
    try:
        head, *lines = subprocess.run(status, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return "no commit (not a git repository, or git failed)"
    changed = any(not line.startswith("#") for line in lines)
    return f"commit {head.split()[2][:12]}, {'with uncommitted changes' if changed else 'tree clean'}"
