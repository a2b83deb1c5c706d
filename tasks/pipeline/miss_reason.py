"""Reasons: why an artifact has to be made, told by what differs from the most similar one that there is."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tasks.pipeline.artifact import MANIFEST
from tasks.pipeline.cache_key import CacheKey
from tasks.pipeline.reading import read_json
from tasks.pipeline.store import NAME, NOT_MADE, Store

SHOWN = 3  # differences that are named; the others are counted
SAID = ("settings", "versions")  # whose values mean something to people; the others are digests


def why_not_made(store: Store, cache_key: CacheKey) -> str:
    """Return what differs from the most similar artifact of the node and its network, the newest of several."""
    wanted = json.loads(json.dumps(asdict(cache_key)))
    found = list(_compared(store, wanted))
    if not found:
        return NOT_MADE
    fewest = min(len(different) for different, _ in found)
    told, _ = max((pair for pair in found if len(pair[0]) == fewest), key=lambda pair: pair[1])
    more = [f"and {len(told) - SHOWN} more"] if len(told) > SHOWN else []
    return "; ".join(told[:SHOWN] + more) or NOT_MADE


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return in words what differs between two identities of one node: settings, versions, code, inputs."""

    def changed(part: str) -> Iterator[tuple[str, str]]:
        for name in sorted(before[part].keys() | now[part].keys()):
            if name not in now[part]:
                yield name, "is gone"
            elif name not in before[part]:
                yield name, "is new"
            elif before[part][name] != now[part][name]:
                yield name, _change(before[part][name], now[part][name]) if part in SAID else "changed"

    return [
        *(f"{name.replace('_', ' ')} {how}" for name, how in changed("settings")),
        *(f"{name} {how}" for name, how in changed("versions")),
        *(f"code: {name} {how}" for name, how in changed("code")),
        *(f"input {name} {how}" for name, how in changed("inputs")),
    ]


def _change(old: Any, new: Any) -> str:
    if isinstance(old, dict | list) or isinstance(new, dict | list):
        return "changed"
    return f"{'none' if old is None else old} → {'none' if new is None else new}"


def _compared(store: Store, wanted: dict[str, Any]) -> Iterator[tuple[list[str], str]]:
    """Give what differs from each other artifact of the node and its network, and when that was made."""
    for path in (store.data_dir / wanted["node"]).glob(f"*/{MANIFEST}"):
        try:
            manifest = read_json(path)
            if NAME.fullmatch(path.parent.name) and manifest["network"] == wanted["network"]:
                yield differences(manifest["cache_key"], wanted), str(manifest["made"]["at"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # damaged: what it says explains nothing
