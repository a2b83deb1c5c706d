"""Reasons: why an artifact has to be built, by what differs from the most similar one that there is."""

import contextlib
import json
from dataclasses import asdict
from typing import Any

from tasks.pipeline.artifact import MANIFEST
from tasks.pipeline.cache_key import CacheKey
from tasks.pipeline.reading import read_json
from tasks.pipeline.store import NOT_MADE, Store

SHOWN = 3  # differences that are named; the others are counted
GONE = object()
SAID = ("settings", "versions")  # whose values mean something to people; the others are digests


def why_not_made(store: Store, cache_key: CacheKey) -> str:
    """Return what differs from the most similar artifact of the node and its network, the newest of several."""
    wanted, found = json.loads(json.dumps(asdict(cache_key))), []
    for path in (store.data_dir / cache_key.node).glob(f"*/{MANIFEST}"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # damaged: explains nothing
            manifest = read_json(path)
            if manifest["network"] == cache_key.network:
                found.append((str(manifest["made"]["at"]), differences(manifest["cache_key"], wanted)))
    newest_first = [different for _, different in sorted(found, reverse=True)]
    fewest = min(newest_first, key=len, default=[])
    more = [f"and {len(fewest) - SHOWN} more"] if len(fewest) > SHOWN else []
    return "; ".join(fewest[:SHOWN] + more) or NOT_MADE


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return in words what differs between two cache keys of one node: settings, versions, code, inputs."""
    found = []
    for part, prefix in (("settings", ""), ("versions", ""), ("code", "code: "), ("inputs", "input ")):
        for name in sorted(before[part].keys() | now[part].keys()):
            old, new = before[part].get(name, GONE), now[part].get(name, GONE)
            if old != new:
                shown = part in SAID and not isinstance(old, dict | list) and not isinstance(new, dict | list)
                change = f"{'none' if old is None else old} → {'none' if new is None else new}" if shown else "changed"
                how = "removed" if new is GONE else "added" if old is GONE else change
                found.append(f"{prefix}{name.replace('_', ' ') if part == 'settings' else name} {how}")
    return found
