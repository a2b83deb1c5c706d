"""The code that decides what a node makes: its file and every project file that it imports, itself or through others.

A file counts as its syntax tree without docstrings and comments; the templates, styles and scripts of the report count
with it. What this cannot see, such as an import by a computed name, `tests/test_layout.py` forbids.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

from tasks.pipeline import PROJECT
from tasks.pipeline.reading import sha256_of

PACKAGES, DATA_FOLDER, DATA_SUFFIXES = ("flows", "tasks", "tests"), "tasks/reporting", (".css", ".j2", ".js")
# How an artifact is kept says nothing about what is in it; a setting counts by its value.
NOT_IN_A_RESULT = ("tasks.pipeline.", "tasks.settings.", "tasks.data.dataset.")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_digests(*modules: str, project: Path = PROJECT) -> dict[str, str]:
    """Return the digest of each file that these modules reach, by its path in the project, sorted."""
    found: dict[Path, str] = {}
    waiting, seen = list(modules), set[str]()
    while waiting:
        module = waiting.pop()
        if module.partition(".")[0] in PACKAGES and module not in seen:
            seen.add(module)
            waiting.append(module.rpartition(".")[0])
            if counts(module) and (path := path_of(module, project)):
                found[path], imports = read_source(path.read_bytes())
                waiting += imports
    folders = {path.parent for path in found if path.is_relative_to(project / DATA_FOLDER)}
    data = {path for folder in folders for path in folder.rglob("[!.]*") if path.suffix in DATA_SUFFIXES}
    found |= {path: sha256_of(path) for path in data if path.is_file()}
    return {path.relative_to(project).as_posix(): found[path] for path in sorted(found)}


def counts(module: str) -> bool:
    """Tell whether a module's code may shape a result."""
    return module.partition(".")[0] in PACKAGES and not f"{module}.".startswith(NOT_IN_A_RESULT)


def path_of(module: str, project: Path = PROJECT) -> Path | None:
    """Return the file of a module of the project, if there is one."""
    stem = project.joinpath(*module.split("."))
    return next((path for path in (stem / "__init__.py", stem.with_suffix(".py")) if path.is_file()), None)


@cache
def read_source(source: bytes) -> tuple[str, frozenset[str]]:
    """Return the digest of a module's code, and the absolute names that it may import."""
    try:
        tree = ast.parse(source)
    except SystemError:  # another thread parsed at the same time: https://github.com/python/cpython/issues/106905
        return read_source(source)
    except (SyntaxError, ValueError):  # importing it will raise
        return hashlib.sha256(source).hexdigest()[:16], frozenset()
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
        elif isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return hashlib.sha256(ast.dump(tree, annotate_fields=False).encode()).hexdigest()[:16], frozenset(imports)
