"""Draw the picture of the packages in `CONTRIBUTING.md`: which of them imports which.

python -m docs.packages      # as `make docs` does
"""

from pathlib import Path

import grimp

from tasks.settings.settings import PROJECT

PAGE = PROJECT / "CONTRIBUTING.md"
BEGIN, END = "```mermaid\n", "```\n"
ROOTS = {"flows": "flows/*.py", "tasks": "tasks/*.py: the nodes"}


def package_of(module: str) -> str:
    """Return the package that a module belongs to: a room, or the top of its house."""
    top, *rest = module.split(".")
    return f"{top}/{rest[0]}" if rest and Path(PROJECT, top, rest[0]).is_dir() else top


def edges() -> set[tuple[str, str]]:
    """Return which package imports which, when it runs, not for its types alone."""
    graph = grimp.build_graph(*ROOTS, exclude_type_checking_imports=True)
    found = {(package_of(a), package_of(b)) for a in graph.modules for b in graph.find_modules_directly_imported_by(a)}
    return {(importer, package) for importer, package in found if importer != package}


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
