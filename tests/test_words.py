"""What a person reads is plain: none of the words that readers stumbled over."""

import ast
import re

import pytest

from tasks.pipeline import PROJECT

BANNED = re.compile(
    r"\b(told|tells? apart|told apart|cannot be told|stands|of which|made again|at work|held against|the luck of|surest"
    r"|disagrees|called so|is called|asked for|suspects?|given up|too sure|sure enough)\b|[0-9] %",
    re.IGNORECASE,
)
PAPERS = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
FILES = [
    path for suffix in ("j2", "py") for name in ("flows", "tasks") for path in (PROJECT / name).rglob(f"*.{suffix}")
]


def texts_of(path):
    """Return what a person reads of a file, piece by piece: of a module, all texts but docstrings and names."""
    text = path.read_text()
    if path.suffix == ".py":
        nodes = list(ast.walk(ast.parse(text)))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        constants = (node for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings)
        return [node.value for node in constants if isinstance(node.value, str) and " " in node.value]
    if path.suffix == ".j2":
        text = re.sub(r"\{#.*?#\}|\{[%{].*?[%}]\}|<[^>]*>", " ", text, flags=re.DOTALL)
    return text.splitlines()


@pytest.mark.parametrize("path", [*PAPERS, *FILES], ids=lambda path: str(path.relative_to(PROJECT)))
def test_what_a_person_reads_has_none_of_the_words_that_were_replaced(path):
    assert not list(filter(BANNED.search, texts_of(path)))
