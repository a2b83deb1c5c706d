"""Draw the picture of the packages in `CONTRIBUTING.md`: which of them imports which.

python -m docs.packages      # as `make docs` does
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tasks.settings.settings import PROJECT

PAGE = PROJECT / "CONTRIBUTING.md"
BEGIN, END = "```mermaid\n", "```\n"
ROOTS = {"flows": "flows/*.py", "tasks": "tasks/*.py: the nodes"}


def package_of(path: Path) -> str:
    """Return the package that a file or a module, as a path, belongs to: a room, or the top of its house."""
    top, *rest = path.parts
    return f"{top}/{rest[0]}" if rest and (PROJECT / top / rest[0]).is_dir() else top


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the modules that a piece of code imports when it runs, not for its types alone."""
    if isinstance(node, ast.ImportFrom) and node.module:
        yield node.module if node.module not in ROOTS else f"{node.module}.{node.names[0].name}"
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        for child in ast.iter_child_nodes(node):
            yield from imported(child)


def edges() -> set[tuple[str, str]]:
    """Return which package imports which."""
    found = set()
    for path in (file for root in ROOTS for file in (PROJECT / root).rglob("*.py")):
        importer = package_of(path.relative_to(PROJECT))
        for module in imported(ast.parse(path.read_bytes())):
            if module.partition(".")[0] in ROOTS and (package := package_of(Path(*module.split(".")))) != importer:
                found.add((importer, package))
    return found


def reached(package: str, arrows: set[tuple[str, str]]) -> list[str]:
    """Return a package and all that it imports, directly or through others."""
    found = [package]
    for importer in found:  # grows
        found += [b for a, b in sorted(arrows) if a == importer and b not in found]
    return found


def graph() -> str:
    """Return the picture for Mermaid, without the arrows that only shorten a way over another package."""
    shown = edges()
    packages = sorted({name for arrow in shown for name in arrow})
    for arrow in sorted(shown):
        if arrow[1] in reached(arrow[0], shown - {arrow}):
            shown.remove(arrow)
    names = [f'  {name.replace("/", "_")}["{ROOTS.get(name, name)}"]' for name in packages]
    lines = [f"  {a.replace('/', '_')} --> {b.replace('/', '_')}" for a, b in sorted(shown)]
    return "\n".join(["graph TD", *names, *lines, ""])


def page() -> str:
    """Return the whole page with the picture as the code is now."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{before}{BEGIN}{graph()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page())
