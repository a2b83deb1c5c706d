"""A command's environment: what of the user's counts, and what must not shape or break a run.

A run reports to the Prefect server that `PREFECT_API_URL` names, in the environment or in the user's active Prefect
profile. Nothing is written there: Prefect's own files are in the project's `data/prefect/`.
"""

import os
import signal
import sys
import time
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tasks.pipeline import PROJECT
from tasks.pipeline.fork_server import MATPLOTLIB

BEGAN = time.monotonic()  # about when the command did
PREFECT_HOME = PROJECT / "data" / "prefect"
URL = "PREFECT_API_URL"
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
UNSET = (
    "PREFECT_PROFILES_PATH",
    "PREFECT_PROFILE",
    "all_proxy",  # desktops set one of a kind that httpx refuses
    "ALL_PROXY",
)


def prepare_python() -> None:
    """Start the command anew where the environment has Python import other code; exit where libraries are missing."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while there is nothing to stop, Ctrl-C just ends it
    if os.environ.pop("PYTHONPATH", None):
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 (no shell is wanted)
    if not all(map(find_spec, ("pydantic", "rich", "PIL", "keras"))):
        print("error: this Python lacks the needed libraries; `make run` installs them into .venv", file=sys.stderr)
        sys.exit(2)


def settle_environment() -> None:
    """Have in this process's environment what its parts and its children may rely on."""
    known = {**_active_profile(), **os.environ}
    if known.get(URL):
        os.environ.update(known)
    for name in (*UNSET, *(() if known.get(URL) else (URL,))):
        os.environ.pop(name, None)
    spared = [part for name in ("no_proxy", "NO_PROXY") for part in os.environ.get(name, "").split(",") if part]
    direct = ",".join(dict.fromkeys([*spared, *THIS_MACHINE]))
    ours = {"PREFECT_HOME": str(PREFECT_HOME), "DO_NOT_TRACK": "1", "no_proxy": direct, "NO_PROXY": direct}
    os.environ.update(ours | MATPLOTLIB)


def _active_profile() -> dict[str, str]:
    """Return the settings of the user's active Prefect profile; none where no profiles can be read."""
    home = Path(os.environ.get("PREFECT_HOME") or os.path.expanduser("~/.prefect"))  # noqa: PTH111 (which may raise)
    users = _profiles(Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml"))
    name = os.environ.get("PREFECT_PROFILE") or users.get("active")
    (prefect,) = find_spec("prefect").submodule_search_locations  # type: ignore[union-attr, misc]
    known = _profiles(Path(prefect, "settings", "profiles.toml")).get("profiles", {}) | users.get("profiles", {})
    return {name: str(value) for name, value in known.get(name, {}).items()}


def _profiles(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError):  # there is none, or it is damaged
        return {}
