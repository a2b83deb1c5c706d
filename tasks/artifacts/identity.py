"""What an artifact's key is the digest of: node, settings read, input contents, code, library versions."""

import ast
import hashlib
import json
import threading
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]

# How an artifact is kept and shown says nothing about what is in it.
NOT_IN_THE_RESULT = ("tasks.artifacts", "tasks.node", "tasks.errors", "tasks.settings", "tasks.progress", "tasks.child")

_parsing = threading.Lock()  # in Python 3.11 two threads that parse at once raise SystemError (CPython issue 106905)


@dataclass(frozen=True)
class Identity:
    """Everything that decides what a node makes. Two equal identities make the same artifact."""

    node: str
    network: str | None
    settings: dict[str, Any]  # the settings that the node reads, and no others
    inputs: dict[str, str]  # content digest of each input artifact
    code: str  # digest of the code that the node runs
    versions: dict[str, str]  # of the libraries that shape its numbers

    @property
    def key(self) -> str:
        """The first 16 hexadecimal digits of the identity's SHA-256."""
        return digest_of(asdict(self))[:16]


def label_of(node: str, network: str | None) -> str:
    """Return the name that people see of a node: `prepare`, `train[dropout]`."""
    return f"{node}[{network}]" if network else node


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def versions_of(libraries: tuple[str, ...]) -> dict[str, str]:
    """Return the installed version of each distribution, without importing it."""
    return {name: version(name) for name in libraries}


@cache
def code_digest(module: str) -> str:
    """Return the digest of a project module and of every project module that it imports, however deep.

    Taken from the syntax trees without docstrings, so comments and formatting change nothing. Templates and other data
    files beside a package's modules count too.
    """
    seen: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source_of(name)
        if name in seen or path is None or any(f"{name}.".startswith(f"{other}.") for other in NOT_IN_THE_RESULT):
            continue
        with _parsing:
            tree = ast.parse(path.read_bytes())
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting += _imports(tree, package)
        if path.name == "__init__.py":
            waiting += [f"{name}.{sibling.stem}" for sibling in path.parent.glob("[!_]*.py")]
        seen[name] = digest_of([ast.dump(_without_docstrings(tree)), _data_files(path)])
    return digest_of(seen)


def _source_of(module: str) -> Path | None:
    stem = PROJECT.joinpath(*module.split("."))
    candidates = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((path for path in candidates if path.is_file()), None) if module.startswith("tasks.") else None


def _imports(tree: ast.AST, package: str) -> set[str]:
    """Return every name that is imported, anywhere in the module, with the packages that hold it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            found += [f"{module}.{alias.name}" for alias in node.names]
    return {name.rsplit(".", up)[0] for name in found for up in range(name.count(".") + 1)}


def _data_files(path: Path) -> dict[str, str]:
    if path.name != "__init__.py":
        return {}
    files = sorted(file for file in path.parent.glob("[!._]*[!~]") if file.is_file() and file.suffix != ".py")
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    return tree
