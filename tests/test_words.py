"""What a person reads is plain: none of the phrases that were replaced, in templates, messages, help and papers."""

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
    "As far as can be told",
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
    "called so most surely",
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
    "no option is called",
    "input should be",
    "not made before",
    "whether what is scheduled happens",
    "put the champion before",
    "say what a run would do",
    "though its artifact stands",
    "what runs already is left alone",
    "runs what is due",
    "is there to run what is due",
)
PAPERS = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
TEMPLATES = sorted((PROJECT / "tasks").rglob("*.j2"))
CODE = sorted(path for name in ("flows", "tasks") for path in (PROJECT / name).rglob("*.py"))


def sentences_in(path):
    """Return the texts of a module that a user may read: all but docstrings, names and patterns."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node) is not None
    }
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    ids = [id(n) for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [text for text, number in zip(texts, ids, strict=True) if number not in docstrings and " " in text]


def texts_of(path):
    """Return what a person reads of a file, piece by piece."""
    if path.suffix == ".py":
        return sentences_in(path)
    text = path.read_text()
    if path.suffix == ".j2":
        text = re.sub(r"\{#.*?#\}|\{[%{].*?[%}]\}|<[^>]*>", " ", text, flags=re.DOTALL)
    return text.splitlines()


@pytest.mark.parametrize("path", [*PAPERS, *TEMPLATES, *CODE], ids=lambda path: str(path.relative_to(PROJECT)))
def test_what_a_person_reads_has_none_of_the_words_that_were_replaced(path):
    found = [text for text in texts_of(path) if BANNED.search(text) or any(old in text for old in REPLACED)]
    assert not found
