"""A command's environment: what of the user's counts, and what must not shape or break a run.

Before Prefect is imported, `settle_environment` names the one Prefect server that a run reports to: the environment's
`PREFECT_API_URL`, or that of the user's active Prefect profile. Nothing else of the user's Prefect is read, and nothing
is written there: what Prefect keeps lies in the project's `data/prefect/`.
"""

import os
import signal
import sys
import tempfile
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import getproxies_environment

from tasks.pipeline import PROJECT
from tasks.pipeline.fork_server import MATPLOTLIB

PREFECT_HOME = PROJECT / "data" / "prefect"
URL = "PREFECT_API_URL"
# What changes which code a command runs, or how.
OF_PYTHON = ("PYTHONPATH", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONDEVMODE")
OF_PROFILES = ("PREFECT_HOME", "PREFECT_PROFILES_PATH", "PREFECT_PROFILE")
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def prepare_python() -> None:
    """Start the command anew where the environment or a flag would have Python import or run other code.

    Exits with 2 where libraries are missing.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while there is nothing to stop, Ctrl-C just ends it
    by_flags = (sys.flags.optimize or sys.warnoptions) and sys.orig_argv[1:] != sys.argv
    if by_flags or any(map(os.environ.get, OF_PYTHON)):
        others = {name: value for name, value in os.environ.items() if name not in OF_PYTHON}
        os.execve(sys.executable, [sys.executable, *sys.argv], others)  # noqa: S606 (no shell is wanted)
    if not find_spec("pydantic"):
        print("error: this Python lacks the needed libraries; `make run` installs them into .venv", file=sys.stderr)
        sys.exit(2)


def settle_environment() -> None:
    """Have in this process's environment what its parts and its children may rely on."""
    os.environ.update({"DO_NOT_TRACK": "1", **MATPLOTLIB})
    if os.path.expanduser("~") == "~":  # noqa: PTH111 (which raises there)
        os.environ["HOME"] = tempfile.gettempdir()
    _ask_this_machine_directly()
    known = {**_active_profile(), **os.environ}
    if known.get(URL):
        os.environ.update(known)
    else:
        os.environ.pop(URL, None)
    for name in OF_PROFILES:
        os.environ.pop(name, None)
    os.environ["PREFECT_HOME"] = str(PREFECT_HOME)


def _ask_this_machine_directly() -> None:
    """Keep proxies out of what is asked of this machine; and those of a kind that nothing here speaks, out of all."""
    for scheme, address in getproxies_environment().items():
        if scheme in ("http", "https", "all") and "://" in address and not address.startswith(("http://", "https://")):
            for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
                os.environ.pop(name, None)
    spared = [part for name in ("no_proxy", "NO_PROXY") for part in os.environ.get(name, "").split(",") if part]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys([*spared, *THIS_MACHINE]))


def _active_profile() -> dict[str, str]:
    """Return the settings of the user's active Prefect profile; none where no profiles can be read."""
    home = Path(os.path.expanduser(os.environ.get("PREFECT_HOME") or "~/.prefect"))  # noqa: PTH111
    mine = _profiles(Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml"))
    name = os.environ.get("PREFECT_PROFILE") or mine.get("active")
    (prefect,) = find_spec("prefect").submodule_search_locations  # type: ignore[union-attr, misc]
    known = _profiles(Path(prefect, "settings", "profiles.toml")).get("profiles", {}) | mine.get("profiles", {})
    return {name: str(value) for name, value in known.get(name, {}).items()}


def _profiles(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError):  # there is none, or it is damaged
        return {}
