"""What a person reads is plain: none of the phrases that were replaced."""

import ast
import re

import pytest

from tasks.pipeline import PROJECT

BANNED = re.compile(
    r"\b(told|tells? apart|told apart|cannot be told|stands|of which|made again|at work|held against|the luck of|surest"
    r"|disagrees|called so|is called|asked for|suspects?|given up)\b|[0-9] %",
    re.IGNORECASE,
)
REPLACED = (  # parts of sentences that readers stumbled over
    "it is the better on validation data",
    "hardly explains",
    "the article that they are from",
    "neither contradicts",
    "decides nothing",
    "have it challenge",
    "to cure here",
    "as it still learns too fast",
    "half-way between",
    "perhaps the epochs",
    "running gap",
    "training less test",
    "multiply-adds an image",
    "processor time for an image",
    "Among the figures of others",
    "which flatters",
    "a longer schedule might",
    "never mirrored",
    "ended after epoch",
    "taken for one another",
    "finds clearly more",
    "what they were called",
    "calls images so",
    "wider than need be",
    "nobody has checked",
    "count as errors everywhere",
    "belongs to the training split",
    "as sure as it is right",
    "too sure",
    "not sure enough",
    "as accurate as sure",
    "least sure images",
    "expectations, all met",
    "How far apart is too far",
    "Every epoch’s order",
    "makes it again",
    "it stood, verified",
    "The more often one looks",
    "may be others",
    "There are not two runs yet",
    "each line has a scale of its own",
    "input should be",
    "not made before",
    "whether what is scheduled happens",
    "put the champion before",
    "say what a run would do",
    "what runs already is left alone",
    "runs what is due",
    "is there to run what is due",
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
    found = [text for text in texts_of(path) if BANNED.search(text) or any(old in text for old in REPLACED)]
    assert not found
