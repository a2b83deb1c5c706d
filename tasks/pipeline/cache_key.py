"""What an artifact's key is the digest of: node, settings read, input contents, code, library versions."""

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any


@dataclass(frozen=True)
class CacheKey:
    """Everything that decides what a node makes. Two equal keys make the same artifact."""

    node: str
    network: str | None
    settings: dict[str, Any]  # the settings that the node reads, and no others
    inputs: dict[str, str]  # content digest of each input artifact
    code: dict[str, str]  # digest of each file that the node reaches
    versions: dict[str, str]  # of the libraries that shape its numbers

    @property
    def key(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of all of it."""
        return digest_of(asdict(self))[:16]

    @property
    def name(self) -> str:
        """What its artifact's folder is called."""
        return f"{self.network}-{self.key}" if self.network else self.key

    @property
    def label(self) -> str:
        """What people see of it: `prepare`, `train[dropout]`."""
        return label_of(self.node, self.network)


def label_of(node: str, *of: str | None) -> str:
    """Return the name that people see of a node: `prepare`, `train[dropout]`, `train[dropout, seed 1]`."""
    of_what = ", ".join(filter(None, of))
    return f"{node}[{of_what}]" if of_what else node


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def versions_of(libraries: tuple[str, ...]) -> dict[str, str]:
    """Return the installed version of each distribution, without importing it."""
    return {name: version(name) for name in libraries}
