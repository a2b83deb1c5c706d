"""The code that decides what a node makes: its file and every project file that it imports, itself or through others.

A file counts as its syntax tree without docstrings and comments, so that only an edit which may change a result reruns
anything. The templates, styles and scripts of a package count with it. What this cannot see, such as an import by a
computed name, a worker refuses when it runs the node (`tasks/pipeline/worker.py`).
"""

import ast
import hashlib
import threading
from functools import cache
from pathlib import Path

from tasks.pipeline import PROJECT

PACKAGES = ("flows", "tasks", "tests")
# How an artifact is kept says nothing about what is in it; a setting counts by its value.
NOT_IN_A_RESULT = ("tasks.pipeline", "tasks.settings", "tasks.fields", "tasks.presets", "tasks.fashion_mnist")
DATA_SUFFIXES = (".css", ".j2", ".js", ".json")
_parsing = threading.Lock()  # two threads that parse at once may meet a SystemError (CPython issue 106905)
TYPE_CHECKING = ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def code_digests(*modules: str, project: Path = PROJECT) -> dict[str, str]:
    """Return the digest of each file that these modules reach, by its path in the project, sorted."""
    found: dict[str, str] = {}
    waiting, seen, folders = list(modules), set[str](), set[Path]()
    while waiting:
        module = waiting.pop()
        if module in seen or module.partition(".")[0] not in PACKAGES:
            continue
        seen.add(module)
        waiting.append(module.rpartition(".")[0])
        path = path_of(module, project)
        if not counts(module) or not path:
            continue
        found[path.relative_to(project).as_posix()], imports = read_source(path.read_bytes())
        waiting += imports
        if path.parent.parent != project:
            folders.add(path.parent)
    for path in (path for folder in folders for path in folder.rglob("*") if path.suffix in DATA_SUFFIXES):
        if path.is_file() and not path.name.startswith("."):
            found[path.relative_to(project).as_posix()] = digest_of_data(path)
    return dict(sorted(found.items()))


def counts(module: str) -> bool:
    """Tell whether a module is the project's, and its code may shape a result."""
    return module.partition(".")[0] in PACKAGES and not any(f"{module}.".startswith(f"{m}.") for m in NOT_IN_A_RESULT)


def path_of(module: str, project: Path = PROJECT) -> Path | None:
    """Return the file of a module of the project, if there is one."""
    stem = project.joinpath(*module.split("."))
    return next((path for path in (stem / "__init__.py", stem.with_suffix(".py")) if path.is_file()), None)


def module_of(path: str) -> str:
    """Return the module that a path in the project, such as `tasks/train.py`, is the file of."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def digest_of_data(path: Path) -> str:
    """Return the digest of a template, style or script, 16 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@cache
def read_source(source: bytes) -> tuple[str, frozenset[str]]:
    """Return the digest of a module's code, 16 hexadecimal digits, and the absolute names that it may import."""
    try:
        with _parsing:
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):  # whoever imports it is told
        return hashlib.sha256(source).hexdigest()[:16], frozenset()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in TYPE_CHECKING:
            node.body = []
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[ast.get_docstring(node, clean=False) is not None :]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16], frozenset(imports)
