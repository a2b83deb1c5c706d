import shutil
import subprocess
import sys
import threading
from typing import NamedTuple

import pytest

from tasks.artifacts import code
from tasks.artifacts.code import code_of
from tasks.artifacts.identity import PROJECT

SOURCES = {
    "tasks/__init__.py": "",
    "tasks/node.py": "def node(**options):\n    return lambda function: function\n",
    "tasks/child.py": "def run_child(module, job):\n    return {}\n\n\ndef serve(work):\n    work({})\n",
    "tasks/settings.py": "from tasks.record import Record\n\nDEFAULT = 1\n",
    "tasks/load.py": '''"""Load."""

import json
from math import hypot, sqrt
from pathlib import Path

from tasks import helper, table as shapes
from tasks.helper import SCALE as FACTOR, SHIFT
from tasks.node import node
from tasks.settings import DEFAULT, Record

LIMIT = 3


@node(libraries=("numpy",))
def load(output: Path, *, count: int = 1) -> dict:
    """Fill the artifact."""
    rows: list = [helper.double(LIMIT) + count for _ in range(FACTOR)]
    kind = shapes.KINDS["round"]
    record = Record(sqrt(DEFAULT))
    return {"rows": rows, "kind": kind(rows), "names": names(), "record": record, "root": hypot(SHIFT, 1)}


def names():
    return json.loads(Path(__file__).with_name("names.json").read_text())


def unused(number):
    return number
''',
    "tasks/names.json": '["a"]',
    "tasks/other.json": '["b"]',
    "tasks/record.py": '''from dataclasses import dataclass


@dataclass
class Record:
    """A record."""

    size: int
    name: str = "none"
''',
    "tasks/helper.py": '''"""Helpers."""

from tasks.deeper import TWO, offset

SCALE = 3
SHIFT = 4


def double(number, times=1, *, shift=0):
    """Double a number."""
    return TWO * number * times + shift + offset()


def half(number):
    return number / TWO


class Base:
    weight = 1

    def value(self):
        return self.weight
''',
    "tasks/deeper.py": "TWO = 2\n\n\ndef offset():\n    return 0\n",
    "tasks/table.py": """def circle(rows):
    return ("circle", rows)


def square(rows):
    return ("square", rows)


KINDS = {"round": circle, "even": square}
""",
    "tasks/nets.py": '''from dataclasses import dataclass
from typing import Any

NETS: dict[str, Any] = {}


@dataclass
class Net:
    build: Any
    size: int


def net(*, size):
    """Register a builder."""

    def register(build):
        NETS[build.__name__] = Net(build, size)
        return build

    return register


def layer(width):
    return [width]


def noise():
    return 0.5


@net(size=1)
def small() -> list:
    """Build it."""
    return layer(8)


@net(size=2)
def large() -> list:
    return layer(64) + [noise()]
''',
    "tasks/fit.py": """from tasks.child import run_child, serve
from tasks.nets import NETS
from tasks.node import node


@node(retries=2)
def fit(output, *, net):
    return run_child("tasks.fit", {"net": net})


def fit_in_child(job):
    fitted = NETS[job["net"]].build()
    return {"fitted": fitted, "rate": rate(1)}


def rate(step):
    return 0.1 / step


if __name__ == "__main__":
    serve(fit_in_child)
""",
    "tasks/score.py": '''from .deeper import TWO
from . import helper
from tasks.helper import Base
from tasks.node import node
from tasks.tools import Plain, counted, marked, traced


class Score(Base):
    start = 0
    kinds = {"mean": 1}

    def __init__(self, values):
        super().__init__()
        self.values = values

    @property
    def mean(self):
        return sum(self.values) / len(self.values)

    @staticmethod
    def label():
        return "score"


@marked("loud")
class Marked:
    level = 1


class Meta(Plain):
    pass


@traced(depth=2)
def rank(values):
    """Rank them."""
    return sorted(values)


@counted
def weigh(value: int) -> int:
    return value


smallest = lambda values: min(values, default=TWO)
doubled = [value * 2 for value in (1, 2)]


def stream(values):
    for value in values:
        yield value + 1


async def fetch():
    return 1


def scaler(factor):
    def scaled(value):
        return value * factor + 1

    return scaled


def kind_of(value):
    match value:
        case {"kind": kind}:
            return kind
        case _:
            return "none"


def first(values):
    if (head := values[0]) > 0:
        return head
    return 0


LEVEL = 1
LEVEL += 1
BIAS = 1
BIAS = BIAS + 1


@node()
def score(output, *, load):
    total = Score([helper.half(1)]).mean + LEVEL + BIAS
    parts = [rank, weigh, smallest, doubled, stream, fetch, scaler(1), kind_of, first, Marked, Meta]
    return {"total": total, "parts": len(parts)}
''',
    "tasks/tools.py": """import functools

DEPTH = 1


def traced(depth):
    def wrap(function):
        @functools.wraps(function)
        def inner(*arguments):
            return function(*arguments[: depth + DEPTH])

        return inner

    return wrap


def counted(function):
    return function


def marked(mark):
    def wrap(cls):
        cls.mark = mark
        return cls

    return wrap


class PlainMeta(type):
    order = 1


class Plain(metaclass=PlainMeta):
    pass
""",
    "tasks/page/__init__.py": """from pathlib import Path

from tasks.node import node
from tasks.page.shapes import arrow


@node()
def draw(output, *, load):
    return arrow(Path(__file__).with_name("page.html").read_text())
""",
    "tasks/page/shapes.py": """WIDTH = 10


def arrow(text):
    return text * WIDTH


def star(text):
    return text
""",
    "tasks/page/page.html": "<p>{{ text }}</p>\n",
    "tasks/page/style.css": "p { color: red }\n",
    "tasks/lonely.py": '"""Imported by nobody."""\n\nTHREE = 3\n',
    "flows/__init__.py": "",
    "flows/main.py": """from tasks.fit import fit
from tasks.load import load


def dag(run):
    return run(fit), run(load)
""",
}
NODES = {
    "load": ("tasks.load", "load", None),
    "fit[small]": ("tasks.fit", "fit", "small"),
    "fit[large]": ("tasks.fit", "fit", "large"),
    "fit": ("tasks.fit", "fit", None),
    "score": ("tasks.score", "score", None),
    "draw": ("tasks.page", "draw", None),
}
FIT = {"fit", "fit[small]", "fit[large]"}
ALL = set(NODES)


class Edit(NamedTuple):
    """A change of a file; a file that is not there is written."""

    file: str
    old: str
    new: str


class Row(NamedTuple):
    """An edit, and the nodes that must rerun after it, no others. What stands before it is changed first."""

    name: str
    edit: Edit
    reruns: set[str]
    before: tuple[Edit, ...] = ()


def project_of(folder):
    for name, source in SOURCES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)


def apply(folder, edit):
    path = folder / edit.file
    source = path.read_text() if path.exists() else ""
    assert edit.old in source
    path.parent.mkdir(exist_ok=True)
    path.write_text(source.replace(edit.old, edit.new, 1))


def digests_of(folder, nodes, monkeypatch):
    """Return each node's code as a new process finds it."""
    monkeypatch.setattr(code, "PROJECT", folder)
    code.project_at.cache_clear()
    return {name: code_of(*node) for name, node in nodes.items()}


def reruns_after(folder, row, nodes, monkeypatch, kept):
    """Return the nodes whose code an edit changes; digests before it are kept for the next row."""
    for edit in row.before:
        apply(folder, edit)
    if row.before not in kept:
        kept[row.before] = digests_of(folder, nodes, monkeypatch)
    apply(folder, row.edit)
    after = digests_of(folder, nodes, monkeypatch)
    return {name for name in nodes if kept[row.before][name] != after[name]}


@pytest.fixture(scope="module")
def kept():
    return {}


@pytest.fixture(scope="module")
def kept_of_the_real_project():
    return {}


@pytest.fixture(autouse=True)
def _forget_the_project():
    yield
    code.project_at.cache_clear()


LOAD, HELPER, SCORE, NETS, TOOLS = (
    "tasks/load.py",
    "tasks/helper.py",
    "tasks/score.py",
    "tasks/nets.py",
    "tasks/tools.py",
)

HARMLESS = [
    Row("a comment", Edit(HELPER, "SCALE = 3", "# why it is so\nSCALE = 3  # three"), set()),
    Row("a module's docstring", Edit(LOAD, '"""Load."""', '"""Load, at length."""'), set()),
    Row("a docstring", Edit(HELPER, '"""Double a number."""', '"""Double it."""'), set()),
    Row("a docstring removed", Edit(LOAD, '    """Fill the artifact."""\n', ""), set()),
    Row(
        "a docstring added", Edit(HELPER, "    return number / TWO", '    """Halve."""\n    return number / TWO'), set()
    ),
    Row("a class's docstring", Edit("tasks/record.py", '"""A record."""', '"""One record."""'), set()),
    Row("a network's docstring", Edit(NETS, '"""Build it."""', '"""Build."""'), set()),
    Row("empty lines", Edit(HELPER, "def half", "\n\n\ndef half"), set()),
    Row("a formatting", Edit(HELPER, "number / TWO", "(\n        number\n        / TWO\n    )"), set()),
    Row("other quotes", Edit(LOAD, '"rows": rows', "'rows': rows"), set()),
    Row("another way to write a number", Edit(HELPER, "SCALE = 3", "SCALE = 0x3"), set()),
    Row("another way to write a text", Edit(LOAD, '"names.json"', '"names" ".json"'), set()),
    Row("a trailing comma", Edit(LOAD, "count for _ in range(FACTOR)", "count for _ in range(FACTOR,)"), set()),
    Row(
        "functions in another order",
        Edit(
            "tasks/table.py",
            SOURCES["tasks/table.py"],
            'def square(rows):\n    return ("square", rows)\n\n\ndef circle(rows):\n    return ("circle", rows)\n\n\n'
            'KINDS = {"round": circle, "even": square}\n',
        ),
        set(),
    ),
    Row("constants in another order", Edit(HELPER, "SCALE = 3\nSHIFT = 4", "SHIFT = 4\nSCALE = 3"), set()),
    Row(
        "a constant after its function",
        Edit(
            "tasks/page/shapes.py",
            SOURCES["tasks/page/shapes.py"],
            "def arrow(text):\n    return text * WIDTH\n\n\nWIDTH = 10\n",
        ),
        set(),
    ),
    Row(
        "imports in another order",
        Edit(LOAD, "import json\nfrom math import hypot, sqrt\n", "from math import hypot, sqrt\nimport json\n"),
        set(),
    ),
    Row("a hint of a function", Edit(HELPER, "def half(number):", "def half(number: float) -> float:"), set()),
    Row("a node's hint", Edit(LOAD, "count: int = 1) -> dict", "count: float = 1) -> object"), set()),
    Row("a network's hint", Edit(NETS, "def small() -> list", "def small() -> object"), set()),
    Row("a hint of a variable", Edit(LOAD, "rows: list =", "rows ="), set()),
    Row("a hint of a constant", Edit(NETS, "NETS: dict[str, Any] =", "NETS: dict ="), set()),
    Row(
        "an import for the type checker",
        Edit(LOAD, "LIMIT = 3", "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import numpy\n\nLIMIT = 3"),
        set(),
    ),
    Row("a definition that nobody uses", Edit(LOAD, "    return number", "    return -number"), set()),
    Row("a new definition", Edit(HELPER, "SCALE = 3", "OTHER = 5\nSCALE = 3"), set()),
    Row("a new method's module", Edit("tasks/fresh.py", "", "FOUR = 4\n"), set()),
    Row("a module that nobody imports", Edit("tasks/lonely.py", "THREE = 3", "THREE = 4"), set()),
    Row(
        "a module that cannot be parsed, imported by nobody", Edit("tasks/lonely.py", "THREE = 3", "THREE = = 3"), set()
    ),
    Row(
        "a definition beside one that is used",
        Edit("tasks/page/shapes.py", "    return text\n", "    return text + text\n"),
        set(),
    ),
    Row("a module that does not count", Edit("tasks/settings.py", "DEFAULT = 1", "DEFAULT = 2"), set()),
    Row("how a child is run", Edit("tasks/child.py", "return {}", "return {1: 2}"), set()),
    Row("the wiring", Edit("flows/main.py", "run(fit), run(load)", "run(load), run(fit)"), set()),
    Row("a file that no text names", Edit("tasks/other.json", "b", "c"), set()),
    Row("a hidden file", Edit("tasks/page/.page.html.swp", "", "x"), set()),
    Row("an editor's backup", Edit("tasks/page/page.html~", "", "x"), set()),
    Row(
        "a main block that nobody runs",
        Edit(HELPER, "SCALE = 3", 'if __name__ == "__main__":\n    print(SHIFT)\n\nSCALE = 3'),
        set(),
    ),
    Row(
        "a local variable like another module's definition",
        Edit("tasks/lonely.py", "THREE = 3", "THREE = 4"),
        set(),
        (
            Edit("tasks/tools.py", "DEPTH = 1", "from tasks.lonely import THREE\n\nDEPTH = 1"),
            Edit(
                "tasks/tools.py", "def wrap(function):", "def wrap(function):\n        THREE = 1\n        print(THREE)"
            ),
        ),
    ),
]

LOADS = {"load"}

SEEN = [
    Row(
        "a table put in another order elsewhere",
        Edit("tasks/lonely.py", "THREE = 3", "import random\n\nfrom tasks import table\n\nrandom.shuffle(table.KINDS)"),
        LOADS,
    ),
    Row(
        "an object changed by its own method",
        Edit("tasks/lonely.py", "THREE = 3", "from tasks import table\n\n\ndef change():\n    table.KINDS.rename(3)"),
        LOADS,
        (
            Edit(
                "tasks/table.py",
                "KINDS =",
                "class Kinds(dict):\n    def rename(self, name):\n        self.name = name\n\n\n"
                "KINDS = Kinds()\nOTHERS =",
            ),
        ),
    ),
    Row(
        "a definition replaced in a module found by its name",
        Edit("tasks/lonely.py", "THREE = 3", 'import sys\n\nsetattr(sys.modules["tasks.helper"], "half", abs)'),
        {"load", "score"},
    ),
    Row(
        "a definition replaced in a module imported by its name",
        Edit("tasks/lonely.py", "THREE = 3", 'import importlib\n\nimportlib.import_module("tasks.helper").half = abs'),
        {"load", "score"},
    ),
    Row(
        "a definition replaced under the module's full name",
        Edit("tasks/lonely.py", "THREE = 3", "import tasks.helper\n\ntasks.helper.half = abs"),
        {"score"},
    ),
    Row(
        "what a comprehension goes through, called like its variable",
        Edit(TOOLS, "DEPTH = 1", "DEPTH = 2"),
        {"score"},
        (Edit(TOOLS, "[: depth + DEPTH]", "[: len([DEPTH for DEPTH in range(DEPTH)])]"),),
    ),
    Row(
        "a class that a node's hint names",
        Edit("tasks/lonely.py", "return 1", "return 2"),
        {"draw"},
        (
            Edit("tasks/lonely.py", "THREE = 3", "class Shape:\n    def area(self):\n        return 1"),
            Edit("tasks/page/__init__.py", "*, load)", "*, load: Shape)"),
            Edit(
                "tasks/page/__init__.py",
                "from tasks.page.shapes",
                "from tasks.lonely import Shape\nfrom tasks.page.shapes",
            ),
        ),
    ),
    Row(
        "something done in the body of a class on import",
        Edit("tasks/deeper.py", "TWO = 2", "class Loud:\n    print(1)\n\n\nTWO = 2"),
        {"load", "score"},
    ),
    Row(
        "a network registered by a call",
        Edit("tasks/more.py", "", "from tasks.nets import net\n\n\ndef huge():\n    return 1\n\n\nnet(size=3)(huge)\n"),
        FIT,
    ),
    Row(
        "a network, where the registry is asked through its module",
        Edit(NETS, "layer(64)", "layer(65)"),
        {"fit", "fit[large]"},
        (
            Edit("tasks/fit.py", "fitted = NETS[", "fitted = nets.NETS["),
            Edit("tasks/fit.py", "from tasks.nets import NETS", "from tasks import nets"),
        ),
    ),
    Row(
        "a definition under a condition",
        Edit(SCORE, "return -1", "return -2"),
        {"score"},
        (
            Edit(
                SCORE,
                "def first(values):",
                "if TWO:\n    def last(values):\n        return -1\nelse:\n    last = None\n\n\n"
                "def first(values):\n    last(values)",
            ),
        ),
    ),
    Row(
        "a package that is run by its name",
        Edit("tasks/page/__main__.py", "print(1)", "print(2)"),
        {"load"},
        (
            Edit("tasks/page/__main__.py", "", "print(1)\n"),
            Edit(LOAD, "    rows: list", '    json.run("tasks.page")\n    rows: list'),
        ),
    ),
    Row("a helper's body", Edit(HELPER, "return number / TWO", "return number / 2"), {"score"}),
    Row("a helper's operator", Edit(HELPER, "TWO * number", "TWO + number"), LOADS),
    Row("a helper's helper", Edit("tasks/deeper.py", "return 0", "return 1"), LOADS),
    Row("a constant of a helper", Edit("tasks/deeper.py", "TWO = 2", "TWO = 3"), {"load", "score"}),
    Row("a constant's type", Edit(LOAD, "LIMIT = 3", "LIMIT = 3.0"), LOADS),
    Row("a default", Edit(HELPER, "times=1", "times=2"), LOADS),
    Row("a keyword's default", Edit(HELPER, "shift=0", "shift=1"), LOADS),
    Row("a node's default", Edit(LOAD, "count: int = 1", "count: int = 2"), LOADS),
    Row("an argument's kind", Edit(HELPER, "times=1, *, shift", "*, times=1, shift"), LOADS),
    Row("a node's decorator", Edit(LOAD, '("numpy",)', '("scipy",)'), LOADS),
    Row("a class attribute", Edit(SCORE, "start = 0", "start = 1"), {"score"}),
    Row("an attribute of a base in another module", Edit(HELPER, "weight = 1", "weight = 2"), {"score"}),
    Row("a method of a base in another module", Edit(HELPER, "return self.weight", "return -self.weight"), {"score"}),
    Row("another base", Edit(SCORE, "class Score(Base)", "class Score(Plain)"), {"score"}),
    Row("a method", Edit(SCORE, "self.values = values", "self.values = list(values)"), {"score"}),
    Row("a property", Edit(SCORE, "return sum(self.values) /", "return max(self.values) /"), {"score"}),
    Row("a static method", Edit(SCORE, 'return "score"', 'return "points"'), {"score"}),
    Row("a method's decorator", Edit(SCORE, "@staticmethod\n", "@classmethod\n"), {"score"}),
    Row("a hint of a dataclass's field", Edit("tasks/record.py", "size: int", "size: float"), LOADS),
    Row("a default of a dataclass's field", Edit("tasks/record.py", '"none"', '"some"'), LOADS),
    Row(
        "an argument of a dataclass's decorator",
        Edit("tasks/record.py", "@dataclass\n", "@dataclass(frozen=True)\n"),
        LOADS,
    ),
    Row(
        "hints kept as strings, in a module with fields",
        Edit("tasks/record.py", "from dataclasses", "from __future__ import annotations\n\nfrom dataclasses"),
        LOADS,
    ),
    Row("an entry of a table", Edit("tasks/table.py", '"round": circle', '"round": square'), LOADS),
    Row("a function in a table", Edit("tasks/table.py", '("square", rows)', '("Square", rows)'), LOADS),
    Row("a key that is asked for", Edit(LOAD, 'KINDS["round"]', 'KINDS["even"]'), LOADS),
    Row(
        "an import under another's name",
        Edit(LOAD, "from tasks import helper, table as shapes", "from tasks import table as helper, helper as shapes"),
        LOADS,
    ),
    Row(
        "two names of a library exchanged",
        Edit(LOAD, "import hypot, sqrt", "import hypot as sqrt, sqrt as hypot"),
        LOADS,
    ),
    Row(
        "two names of the project exchanged",
        Edit(LOAD, "SCALE as FACTOR, SHIFT", "SHIFT as FACTOR, SCALE as SHIFT"),
        LOADS,
    ),
    Row("another module for a name", Edit(LOAD, "import json\n", "import simplejson as json\n"), LOADS),
    Row("what is used through a module", Edit(LOAD, "helper.double(LIMIT)", "helper.half(LIMIT)"), LOADS),
    Row(
        "an import by a relative name",
        Edit(SCORE, "from .deeper import TWO", "from .helper import SCALE as TWO"),
        {"score"},
    ),
    Row("a decorator", Edit(SCORE, "@traced(depth=2)\n", ""), {"score"}),
    Row("a decorator's argument", Edit(SCORE, "depth=2", "depth=3"), {"score"}),
    Row("a decorator's body", Edit(TOOLS, "[: depth + DEPTH]", "[: depth - DEPTH]"), {"score"}),
    Row("what a decorator uses", Edit(TOOLS, "DEPTH = 1", "DEPTH = 2"), {"score"}),
    Row(
        "a hint of a function that a decorator may look at",
        Edit(SCORE, "value: int) -> int", "value: float) -> int"),
        {"score"},
    ),
    Row("a class's decorator", Edit(TOOLS, "cls.mark = mark", "cls.mark = mark.upper()"), {"score"}),
    Row("an argument of a class's decorator", Edit(SCORE, '@marked("loud")', '@marked("low")'), {"score"}),
    Row("a metaclass", Edit(TOOLS, "order = 1", "order = 2"), {"score"}),
    Row("a lambda", Edit(SCORE, "min(values, default=TWO)", "max(values, default=TWO)"), {"score"}),
    Row("a comprehension", Edit(SCORE, "value * 2 for", "value * 3 for"), {"score"}),
    Row("a generator", Edit(SCORE, "yield value + 1", "yield value"), {"score"}),
    Row(
        "an async function",
        Edit(SCORE, "async def fetch():\n    return 1", "async def fetch():\n    return 2"),
        {"score"},
    ),
    Row("a function that is no more async", Edit(SCORE, "async def fetch", "def fetch"), {"score"}),
    Row("a nested function, a closure", Edit(SCORE, "value * factor + 1", "value * factor"), {"score"}),
    Row("a match statement", Edit(SCORE, 'case {"kind": kind}', 'case {"sort": kind}'), {"score"}),
    Row("a match statement's other case", Edit(SCORE, 'return "none"', 'return "some"'), {"score"}),
    Row("a walrus", Edit(SCORE, "(head := values[0]) > 0", "(head := values[-1]) > 0"), {"score"}),
    Row("an augmented assignment", Edit(SCORE, "LEVEL += 1", "LEVEL += 2"), {"score"}),
    Row("a second assignment", Edit(SCORE, "BIAS = BIAS + 1", "BIAS = BIAS + 2"), {"score"}),
    Row(
        "two assignments of a name in another order",
        Edit(SCORE, "LEVEL = 1\nLEVEL += 1", "LEVEL += 1\nLEVEL = 1"),
        {"score"},
    ),
    Row(
        "an assignment moved behind a change of what it uses",
        Edit(SCORE, "SUM = LEVEL\nLEVEL += 1", "LEVEL += 1\nSUM = LEVEL"),
        {"score"},
        (Edit(SCORE, "LEVEL += 1", "SUM = LEVEL\nLEVEL += 1"), Edit(SCORE, ".mean + LEVEL", ".mean + SUM + LEVEL")),
    ),
    Row(
        "a definition that hides Python's own",
        Edit(SCORE, "LEVEL = 1", "def sum(values):\n    return 0\n\n\nLEVEL = 1"),
        {"score"},
    ),
    Row("a definition removed", Edit(HELPER, "SCALE = 3\n", ""), LOADS),
    # Networks
    Row("a network", Edit(NETS, "layer(8)", "layer(9)"), {"fit", "fit[small]"}),
    Row("another network", Edit(NETS, "layer(64)", "layer(65)"), {"fit", "fit[large]"}),
    Row(
        "a new network",
        Edit(NETS, "@net(size=2)", "@net(size=3)\ndef huge():\n    return layer(512)\n\n\n@net(size=2)"),
        {"fit"},
    ),
    Row(
        "a new network in another module",
        Edit("tasks/more.py", "", "from tasks.nets import net\n\n\n@net(size=3)\ndef huge():\n    return 1\n"),
        {"fit"},
    ),
    Row(
        "a network in another module",
        Edit("tasks/more.py", "return 1", "return 2"),
        {"fit"},
        (Edit("tasks/more.py", "", "from tasks import nets\n\n\n@nets.net(size=3)\ndef huge():\n    return 1\n"),),
    ),
    Row(
        "networks in another order",
        Edit(
            NETS,
            SOURCES[NETS].partition("@net(size=1)")[2],
            SOURCES[NETS]
            .partition("@net(size=1)")[2]
            .replace("small", "SMALL")
            .replace("large", "small")
            .replace("SMALL", "large"),
        ),
        FIT,
    ),
    Row("what networks share", Edit(NETS, "return [width]", "return [width, width]"), FIT),
    Row("what one network uses", Edit(NETS, "return 0.5", "return 0.6"), {"fit", "fit[large]"}),
    Row("how networks are registered", Edit(NETS, "Net(build, size)", "Net(build, size + 1)"), FIT),
    Row("what the registry holds", Edit(NETS, "    size: int\n", "    size: int\n    rate: float = 0\n"), FIT),
    Row(
        "a network replaced in another module",
        Edit("flows/main.py", "def dag", 'NETS["small"] = None\n\n\ndef dag'),
        FIT,
        (Edit("flows/main.py", "from tasks.load", "from tasks.nets import NETS\nfrom tasks.load"),),
    ),
    Row(
        "networks replaced in another module",
        Edit("flows/main.py", "def dag", "nets.NETS.update({})\n\n\ndef dag"),
        FIT,
        (Edit("flows/main.py", "from tasks.load", "from tasks import nets\nfrom tasks.load"),),
    ),
    Row(
        "a network's second name",
        Edit(NETS, "def noise", "def loud(function):\n    return function\n\n\ndef noise"),
        set(),
    ),
    Row(
        "a network of which code goes through all",
        Edit(NETS, "layer(64)", "layer(65)"),
        FIT,
        (Edit("tasks/fit.py", "fitted = ", "print(len(NETS))\n    fitted = "),),
    ),
    Row(
        "a network that another names",
        Edit(NETS, "layer(64)", "layer(65)"),
        FIT,
        (Edit(NETS, "return layer(8)", 'return NETS["large"].build() + layer(8)'),),
    ),
    Row(
        "a network whose name is another's in the registry",
        Edit(NETS, "layer(64)", "layer(65)"),
        FIT,
        (Edit(NETS, "NETS[build.__name__] =", 'NETS[{"small": "large", "large": "small"}[build.__name__]] ='),),
    ),
    Row(
        "a network that a second decorator may rename",
        Edit(NETS, "layer(64)", "layer(65)"),
        FIT,
        (
            Edit(NETS, "@net(size=2)\n", "@net(size=2)\n@functools.cache\n"),
            Edit(NETS, "from dataclasses", "import functools\nfrom dataclasses"),
        ),
    ),
    Row("the work in a child", Edit("tasks/fit.py", "0.1 / step", "0.2 / step"), FIT),
    Row("the work that a child is given", Edit("tasks/fit.py", "serve(fit_in_child)", "serve(rate)"), FIT),
    # Who is changed from elsewhere
    Row(
        "a definition replaced in a module that nobody imports",
        Edit("tasks/lonely.py", "THREE = 3", "from tasks import helper\n\nhelper.half = abs"),
        {"score"},
    ),
    Row(
        "a definition replaced within a function",
        Edit("flows/main.py", "    return run", "    helper.half = abs\n    return run"),
        {"score"},
        (Edit("flows/main.py", "from tasks.load", "from tasks import helper\nfrom tasks.load"),),
    ),
    Row(
        "what a definition is replaced with",
        Edit("tasks/lonely.py", "return 1", "return 2"),
        {"score"},
        (
            Edit(
                "tasks/lonely.py",
                "THREE = 3",
                "from tasks import helper\n\n\ndef one(number):\n    return 1\n\n\nhelper.half = one",
            ),
        ),
    ),
    Row(
        "where a function that replaces is called",
        Edit("flows/main.py", "def dag(run):\n", "def dag(run):\n    replace()\n"),
        {"score"},
        (
            Edit(
                "flows/main.py",
                "def dag",
                "from tasks import helper\n\n\ndef replace():\n    helper.half = abs\n\n\ndef dag",
            ),
        ),
    ),
    Row(
        "a definition replaced by setattr",
        Edit("tasks/lonely.py", "THREE = 3", 'from tasks import helper\n\nsetattr(helper, "half", abs)'),
        {"score"},
    ),
    Row(
        "some definition replaced by setattr",
        Edit(
            "tasks/lonely.py",
            "THREE = 3",
            "from tasks import helper\n\nfor name in dir(helper):\n    setattr(helper, name, abs)",
        ),
        {"score", "load"},
    ),
    Row(
        "a definition replaced through the module's names",
        Edit("tasks/lonely.py", "THREE = 3", 'from tasks import helper\n\nvars(helper)["half"] = abs'),
        {"score", "load"},
    ),
    Row(
        "a definition replaced by its dotted name",
        Edit(
            "tasks/lonely.py", "THREE = 3", 'from unittest.mock import patch\n\npatch("tasks.helper.half", abs).start()'
        ),
        {"score"},
    ),
    Row(
        "a method replaced",
        Edit("tasks/lonely.py", "THREE = 3", "from tasks.helper import Base\n\nBase.value = abs"),
        {"score"},
    ),
    Row(
        "a name that is imported replaced where it is used",
        Edit("tasks/lonely.py", "THREE = 3", "from tasks import load\n\nload.FACTOR = 4"),
        LOADS,
    ),
    Row(
        "a table changed in another module",
        Edit("tasks/lonely.py", "THREE = 3", 'from tasks.table import KINDS\n\nKINDS["round"] = abs'),
        LOADS,
    ),
    Row(
        "a table changed under another name",
        Edit("tasks/lonely.py", "THREE = 3", 'from tasks import table\n\nkinds = table.KINDS\nkinds["round"] = abs'),
        LOADS,
    ),
    Row(
        "a table changed under a variable's name",
        Edit(
            "tasks/lonely.py",
            "THREE = 3",
            'from tasks import table\n\n\ndef change():\n    kinds = table.KINDS\n    kinds |= {"round": abs}',
        ),
        LOADS,
    ),
    Row(
        "a table's entry changed in a loop",
        Edit(
            "tasks/lonely.py",
            "THREE = 3",
            "from tasks import table\n\nfor kind in table.KINDS.values():\n    kind.mark = 1",
        ),
        LOADS,
    ),
    Row(
        "a table changed by a function that gets it",
        Edit(
            "tasks/lonely.py",
            "THREE = 3",
            'from tasks import table\n\n\ndef change(kinds):\n    kinds["round"] = abs\n\n\nchange(table.KINDS)',
        ),
        LOADS,
    ),
    Row(
        "a table's entry deleted",
        Edit("tasks/lonely.py", "THREE = 3", 'from tasks import table\n\ndel table.KINDS["even"]'),
        LOADS,
    ),
    Row(
        "a global rebound in a function of its module",
        Edit(SCORE, "def first(values):", "def louder():\n    global LEVEL\n    LEVEL = 9\n\n\ndef first(values):"),
        {"score"},
    ),
    Row(
        "a main block that replaces",
        Edit("flows/main.py", "def dag", 'if __name__ == "__main__":\n    helper.half = abs\n\n\ndef dag'),
        {"score"},
        (Edit("flows/main.py", "from tasks.load", "from tasks import helper\nfrom tasks.load"),),
    ),
    Row(
        "a subclass that its base registers",
        Edit("tasks/lonely.py", "order = 2", "order = 3"),
        {"score"},
        (
            Edit(
                HELPER,
                "    weight = 1\n",
                "    weight = 1\n    kinds = []\n\n    def __init_subclass__(cls):\n        Base.kinds.append(cls)\n",
            ),
            Edit(
                "tasks/lonely.py", "THREE = 3", "from tasks.helper import Base\n\n\nclass Other(Base):\n    order = 2"
            ),
        ),
    ),
    Row(
        "a case of a function that dispatches",
        Edit("tasks/lonely.py", "return 1", "return 2"),
        {"score"},
        (
            Edit(HELPER, "def half", "@functools.singledispatch\ndef half"),
            Edit(HELPER, "from tasks.deeper", "import functools\n\nfrom tasks.deeper"),
            Edit(
                "tasks/lonely.py",
                "THREE = 3",
                "from tasks.helper import half\n\n\n@half.register\ndef _(number: int):\n    return 1",
            ),
        ),
    ),
    # What is done on import
    Row(
        "something done by an imported module", Edit(HELPER, "SCALE = 3", "print(SHIFT)\nSCALE = 3"), {"load", "score"}
    ),
    Row(
        "something done by a module that an imported one imports",
        Edit("tasks/deeper.py", "TWO = 2", "import os\n\nos.environ['A'] = 'b'\nTWO = 2"),
        {"load", "score"},
    ),
    Row(
        "what something done on import uses",
        Edit("tasks/deeper.py", "return 5", "return 6"),
        {"load", "score"},
        (Edit("tasks/deeper.py", "TWO = 2", "TWO = 2\n\n\ndef start():\n    return 5\n\n\nprint(start())"),),
    ),
    Row(
        "something done in the order of statements",
        Edit(HELPER, "SCALE = 3\nSCALE.bit_length()", "SCALE.bit_length()\nSCALE = 3"),
        {"load", "score"},
        (Edit(HELPER, "SCALE = 3", "SCALE = 3\nSCALE.bit_length()"),),
    ),
    Row(
        "a value nobody uses, whose call may do something",
        Edit("tasks/deeper.py", "TWO = 2", "import random\n\nstate = random.seed(1)\nTWO = 2"),
        {"load", "score"},
    ),
    Row(
        "a loop on import",
        Edit("tasks/deeper.py", "TWO = 2", "TWO = 2\nfor name in ():\n    print(name)"),
        {"load", "score"},
    ),
    Row("something done by a package", Edit("tasks/__init__.py", "", "import os\n\nos.umask(0)\n"), ALL),
    Row(
        "something done by a module that does not count for itself, imports",
        Edit("tasks/record.py", "@dataclass", "print(1)\n\n\n@dataclass"),
        LOADS,
    ),
    Row(
        "an import that does something",
        Edit(HELPER, "    return number / TWO", "    from tasks import lonely\n\n    return number / TWO"),
        {"score", "load"},
        (Edit("tasks/lonely.py", "THREE = 3", "print(3)"),),
    ),
]


def in_load(line):
    """Put a line into `load`, and what it may need at its module's top."""
    return (
        Edit(LOAD, "    rows: list", f"    {line}\n    rows: list"),
        Edit(LOAD, "import json", "import importlib\nimport subprocess\nimport sys\n\nimport json"),
    )


THREE = Edit("tasks/lonely.py", "THREE = 3", "THREE = 4")
STAR = Edit("tasks/page/shapes.py", "    return text\n", "    return text + text\n")

UNRESOLVED = [
    Row("a conditional import", THREE, LOADS, in_load("if LIMIT:\n        from tasks.lonely import THREE as LIMIT")),
    Row(
        "an import that may fail",
        THREE,
        LOADS,
        (
            Edit(LOAD, "LIMIT = 3", "try:\n    from tasks.lonely import THREE\nexcept ImportError:\n    THREE = 5"),
            Edit(LOAD, "double(LIMIT)", "double(THREE)"),
        ),
    ),
    Row(
        "what stands in where an import fails",
        Edit(LOAD, "THREE = 5", "THREE = 6"),
        LOADS,
        (
            Edit(LOAD, "LIMIT = 3", "try:\n    from tasks.lonely import THREE\nexcept ImportError:\n    THREE = 5"),
            Edit(LOAD, "double(LIMIT)", "double(THREE)"),
        ),
    ),
    Row(
        "an import for one system",
        THREE,
        LOADS,
        (
            Edit(LOAD, "LIMIT = 3", "if Path.cwd():\n    from tasks import lonely as where\nelse:\n    where = Path"),
            Edit(LOAD, "double(LIMIT)", "double(where.THREE)"),
        ),
    ),
    Row(
        "the condition of an import",
        Edit(LOAD, "if json.x:", "if json.y:"),
        LOADS,
        (
            Edit(LOAD, "LIMIT = 3", "if json.x:\n    from tasks.lonely import THREE\nelse:\n    THREE = 5"),
            Edit(LOAD, "double(LIMIT)", "double(THREE)"),
        ),
    ),
    Row("an import in a function", THREE, LOADS, in_load("from tasks.lonely import THREE; print(THREE)")),
    Row("a module imported in a function", THREE, LOADS, in_load("import tasks.lonely as it; print(it.THREE)")),
    Row("a module imported by its full name", THREE, LOADS, in_load("import tasks.lonely; print(tasks.lonely.THREE)")),
    Row("a relative import in a function", THREE, LOADS, in_load("from . import lonely; print(lonely.THREE)")),
    Row("another name of a module", STAR, {"load"}, in_load("from tasks.page import shapes as s; print(s.star)")),
    Row("another name of that module", STAR, set(), in_load("from tasks.page import shapes as s; print(s.arrow)")),
    Row(
        "a name that a package passes on",
        STAR,
        LOADS,
        (
            Edit("tasks/page/__init__.py", "import arrow", "import arrow, star as star_again"),
            *in_load("from tasks.page import star_again; print(star_again)"),
        ),
    ),
    Row(
        "a name that a module that does not count passes on",
        Edit("tasks/record.py", "size: int", "size: float"),
        LOADS,
    ),
    Row(
        "anything in a module of which all names are imported",
        Edit(HELPER, "number / TWO", "number / 2"),
        {"load", "score"},
        (Edit(LOAD, "from tasks.helper import SCALE as FACTOR, SHIFT", "from tasks.helper import *\n\nFACTOR = 1"),),
    ),
    Row("anything in a module that is passed on", STAR, LOADS, in_load("from tasks.page import shapes; print(shapes)")),
    Row(
        "anything in a module that getattr asks",
        STAR,
        LOADS,
        in_load("from tasks.page import shapes; getattr(shapes, 'a' + 'b')"),
    ),
    Row(
        "anything in a module whose names are listed",
        STAR,
        LOADS,
        in_load("from tasks.page import shapes; vars(shapes)"),
    ),
    Row("a name that a module makes up", STAR, LOADS, in_load("from tasks.page import shapes; shapes.made_up")),
    Row(
        "a module's own __getattr__",
        Edit("tasks/page/shapes.py", "return name", "return name * 2"),
        LOADS,
        (
            Edit("tasks/page/shapes.py", "WIDTH = 10", "def __getattr__(name):\n    return name\n\n\nWIDTH = 10"),
            *in_load("from tasks.page import shapes; shapes.made_up"),
        ),
    ),
    Row(
        "anything beside code that is evaluated",
        Edit(LOAD, "return number", "return -number"),
        LOADS,
        in_load('eval("unused")(1)'),
    ),
    Row(
        "anything beside code that is executed",
        Edit(LOAD, "return number", "return -number"),
        LOADS,
        in_load('exec("unused(1)")'),
    ),
    Row(
        "anything beside a look at all names",
        Edit(LOAD, "return number", "return -number"),
        LOADS,
        in_load('globals()["unused"]'),
    ),
    Row(
        "anything beside a look at a module's names",
        Edit(LOAD, "return number", "return -number"),
        LOADS,
        in_load("sys.modules[__name__].unused"),
    ),
    Row("a module imported by a text", THREE, LOADS, in_load('importlib.import_module("tasks.lonely").THREE')),
    Row(
        "a module imported by a relative text",
        THREE,
        LOADS,
        in_load('importlib.import_module(".lonely", "tasks").THREE'),
    ),
    Row("a module imported by __import__", THREE, LOADS, in_load('__import__("tasks.lonely").THREE')),
    Row(
        "any module, imported by a text in two parts",
        THREE,
        LOADS,
        in_load('importlib.import_module("tasks." + str(output))'),
    ),
    Row(
        "any module, imported by a text with a gap", THREE, LOADS, in_load('importlib.import_module(f"tasks.{output}")')
    ),
    Row("any module, imported by a variable", THREE, LOADS, in_load("importlib.import_module(output)")),
    Row(
        "any module, imported by another name of the function",
        THREE,
        LOADS,
        in_load("from importlib import import_module as get; get(output)"),
    ),
    Row("any module, asked for in sys.modules", THREE, LOADS, in_load("sys.modules[output]")),
    Row(
        "any module, run by a text with a gap",
        THREE,
        LOADS,
        in_load('subprocess.run(["python", "-m", f"tasks.{output}"])'),
    ),
    Row(
        "a module in code for another process",
        THREE,
        LOADS,
        in_load('subprocess.run(["python", "-c", "import tasks.lonely"])'),
    ),
    Row(
        "a main block that is run by its module's name",
        Edit("tasks/lonely.py", "print(THREE)", "print(-THREE)"),
        LOADS,
        (
            Edit("tasks/lonely.py", "THREE = 3", 'THREE = 3\n\nif __name__ == "__main__":\n    print(THREE)'),
            *in_load('subprocess.run([sys.executable, "-m", "tasks.lonely"])'),
        ),
    ),
    Row(
        "what a main block does not use",
        Edit("tasks/lonely.py", "FIVE = 5", "FIVE = 6"),
        set(),
        (
            Edit("tasks/lonely.py", "THREE = 3", 'THREE = 3\nFIVE = 5\n\nif __name__ == "__main__":\n    print(THREE)'),
            *in_load('subprocess.run([sys.executable, "-m", "tasks.lonely"])'),
        ),
    ),
    Row(
        "a script that is run by its file's name",
        THREE,
        LOADS,
        in_load('subprocess.run([sys.executable, Path(__file__).with_name("lonely.py")])'),
    ),
    Row(
        "a script that is run by its path", THREE, LOADS, in_load('subprocess.run([sys.executable, "tasks/lonely.py"])')
    ),
    Row(
        "any subclass, where code lists them",
        Edit("tasks/lonely.py", "order = 2", "order = 3"),
        {"load", "score"},
        (
            Edit(
                "tasks/lonely.py", "THREE = 3", "from tasks.helper import Base\n\n\nclass Other(Base):\n    order = 2"
            ),
            Edit(HELPER, "def value", "def all(self):\n        return Base.__subclasses__()\n\n    def value"),
            *in_load("helper.Base"),
        ),
    ),
    Row(
        "a docstring, where code reads docstrings",
        Edit(HELPER, '"""Double a number."""', '"""Double it."""'),
        LOADS,
        in_load("print(helper.double.__doc__)"),
    ),
    Row(
        "a module's docstring, where code reads docstrings",
        Edit(LOAD, '"""Load."""', '"""Load it."""'),
        LOADS,
        in_load("print(__doc__)"),
    ),
    Row(
        "a function's hint, where code looks at hints",
        Edit(HELPER, "def double(number,", "def double(number: int,"),
        LOADS,
        in_load("print(helper.double.__annotations__)"),
    ),
    Row(
        "what a hint names, where code looks at hints",
        THREE,
        LOADS,
        (
            Edit(HELPER, "def double(number,", "def double(number: THREE,"),
            Edit(HELPER, "SCALE = 3", "from tasks.lonely import THREE\n\nSCALE = 3"),
            *in_load("import inspect; inspect.signature(helper.double)"),
        ),
    ),
    Row(
        "what a dropped hint names",
        THREE,
        set(),
        (
            Edit(HELPER, "def double(number,", "def double(number: THREE,"),
            Edit(HELPER, "SCALE = 3", "from tasks.lonely import THREE\n\nSCALE = 3"),
        ),
    ),
    Row("a module that cannot be parsed", Edit("tasks/deeper.py", "TWO = 2", "TWO = = 2"), {"load", "score"}),
    Row(
        "a module that could not be parsed before",
        Edit("tasks/deeper.py", "TWO = = 2", "TWO = = 3"),
        {"load", "score"},
        (Edit("tasks/deeper.py", "TWO = 2", "TWO = = 2"),),
    ),
    Row(
        "a module that takes a name's place",
        Edit("tasks/helper/__init__.py", "", "def double(number):\n    return 0\n"),
        {"load", "score"},
    ),
]

FILES = [
    Row("a template", Edit("tasks/page/page.html", "<p>", "<div>"), {"draw"}),
    Row("a file beside a template", Edit("tasks/page/style.css", "red", "blue"), {"draw"}),
    Row("a new file beside a template", Edit("tasks/page/print.css", "", "p {}"), {"draw"}),
    Row("a file in a folder beside a template", Edit("tasks/page/parts/foot.html", "", "<hr>"), {"draw"}),
    Row("a file that a text names", Edit("tasks/names.json", "a", "b"), LOADS),
    Row(
        "a file that a text with a gap may name",
        Edit("tasks/other.json", "b", "c"),
        LOADS,
        in_load('open(f"{output}.json")'),
    ),
    Row(
        "a file that a pattern finds",
        Edit("tasks/other.json", "b", "c"),
        LOADS,
        in_load('Path(__file__).parent.glob("*.json")'),
    ),
    Row(
        "a file at the project's top",
        Edit("table.toml", "a", "b"),
        LOADS,
        (Edit("table.toml", "", "a"), *in_load('open("table.toml")')),
    ),
    Row(
        "a file in a folder that is no package",
        Edit("tasks/sql/all.sql", "", "select 1"),
        LOADS,
        in_load('Path("sql") / "all.sql"'),
    ),
]


# What reruns though nothing that a node does has changed: known, and left at that.
IN_VAIN = [
    Row(
        "another name for a local variable",
        Edit(SCORE, "for value in values:\n        yield value + 1", "for one in values:\n        yield one + 1"),
        {"score"},
    ),
    Row("another name for an import", Edit(LOAD, "SCALE as FACTOR", "SCALE as TIMES"), LOADS, ()),
    Row(
        "a class that a node's hint no longer names",
        Edit("tasks/page/__init__.py", "load: Record", "load: object"),
        {"draw"},
        (
            Edit("tasks/page/__init__.py", "*, load)", "*, load: Record)"),
            Edit(
                "tasks/page/__init__.py",
                "from tasks.page.shapes",
                "from tasks.record import Record\nfrom tasks.page.shapes",
            ),
        ),
    ),
    Row("a network's figures for its recipe", Edit(NETS, "@net(size=1)", "@net(size=5)"), {"fit", "fit[small]"}),
    Row("a hint of a method with a decorator", Edit(SCORE, "def label():", "def label() -> str:"), {"score"}),
    Row(
        "a constant worked out by a call, used by nobody",
        Edit("tasks/deeper.py", "TWO = 2", "import re\n\nDIGITS = re.compile('[0-9]')\nTWO = 2"),
        {"load", "score"},
    ),
    Row(
        "another user of a memo",
        Edit("tasks/lonely.py", "return 1", "return 2"),
        {"score"},
        (
            Edit(HELPER, "def half(number):", "MEMO = {}\n\n\ndef half(number):\n    MEMO[number] = 1"),
            Edit(HELPER, "return number / TWO", "return MEMO[number]"),
            Edit(
                "tasks/lonely.py",
                "THREE = 3",
                "from tasks.helper import half\n\n\ndef other():\n    half(3)\n    return 1",
            ),
        ),
    ),
]


@pytest.mark.parametrize("row", HARMLESS, ids=lambda row: row.name)
def test_what_does_not_change_what_a_node_does_reruns_nothing(tmp_path, monkeypatch, kept, row):
    project_of(tmp_path)
    assert reruns_after(tmp_path, row, NODES, monkeypatch, kept) == row.reruns == set()


@pytest.mark.parametrize("row", [*SEEN, *UNRESOLVED, *FILES, *IN_VAIN], ids=lambda row: row.name)
def test_an_edit_reruns_the_nodes_that_reach_it_and_no_others(tmp_path, monkeypatch, kept, row):
    project_of(tmp_path)
    assert reruns_after(tmp_path, row, NODES, monkeypatch, kept) == row.reruns


# The real project

REAL = {
    name: (f"tasks.{name.partition('[')[0]}", name.partition("[")[0], name.partition("[")[2].rstrip("]") or None)
    for name in (
        "download",
        "validate",
        "prepare",
        "train[baseline]",
        "train[dropout]",
        "evaluate[baseline]",
        "evaluate[dropout]",
        "compare",
        "report",
    )
}
TRAIN, EVALUATE = {"train[baseline]", "train[dropout]"}, {"evaluate[baseline]", "evaluate[dropout]"}
NEW_NETWORK = "\n\n@network(fast=1, article=1, smoke=1)\ndef third():\n    return None\n"
REAL_ROWS = [
    Row(
        "what a data set is",
        Edit("tasks/fashion_mnist.py", "for split in (", "for split in sorted("),
        {"download", "validate", "prepare", "report"},
    ),
    Row("the data set's own figures", Edit("tasks/fashion_mnist.py", "47_040_016", "47_040_017"), {"report"}),
    Row("how images are scaled", Edit("tasks/prepare.py", "/ 255", "/ 256"), {"prepare"}),
    Row("how images are split", Edit("tasks/prepare.py", "- round(len(order)", "- int(len(order)"), {"prepare"}),
    Row("how arrays are saved", Edit("tasks/prepare.py", '.open("wb")', '.open("xb")'), {"prepare", *EVALUATE}),
    Row("one network", Edit("tasks/networks.py", "Conv2D(128, 3", "Conv2D(129, 3"), {"train[baseline]"}),
    Row("the other network", Edit("tasks/networks.py", "Dropout(0.5)", "Dropout(0.4)"), {"train[dropout]"}),
    Row(
        "a network's hint",
        Edit("tasks/networks.py", "def baseline() -> keras.Model", "def baseline() -> object"),
        set(),
    ),
    Row("a new network", Edit("tasks/networks.py", "\n\n@network(fast=4", f"{NEW_NETWORK}\n\n@network(fast=4"), set()),
    Row("the learning rate's schedule", Edit("tasks/train.py", "0.1 + 0.9", "0.2 + 0.8"), TRAIN),
    Row("the length of the warm-up", Edit("tasks/train.py", "WARM_UP = 0.3", "WARM_UP = 0.4"), TRAIN),
    Row("how a split is loaded", Edit("tasks/train.py", 'mmap_mode="r"', 'mmap_mode="c"'), TRAIN | EVALUATE),
    Row("how probabilities are measured", Edit("tasks/evaluate.py", "BINS = 15", "BINS = 10"), EVALUATE),
    Row("an interval", Edit("tasks/statistics.py", 'method="wilson"', 'method="exact"'), EVALUATE),
    Row("a test", Edit("tasks/statistics.py", "discordant, 0.5", "discordant, 0.4"), {"compare"}),
    Row("what the article claims", Edit("tasks/compare.py", '"test": 0.9211', '"test": 0.9212'), {"compare", "report"}),
    Row("a drift that is borne", Edit("tasks/validate.py", "DRIFT = 5.0", "DRIFT = 6.0"), {"validate"}),
    Row("how IDX is read", Edit("tasks/idx.py", "dtype=np.uint8", "dtype=np.int8"), {"validate", "prepare", "report"}),
    Row(
        "how a header is read",
        Edit("tasks/idx.py", "file.read(16)", "file.read(17)"),
        {"download", "validate", "prepare", "report"},
    ),
    Row("how long a mirror is waited for", Edit("tasks/download.py", "PATIENCE = 20", "PATIENCE = 21"), {"download"}),
    Row("the page's style", Edit("tasks/report/style.css", "{", "{ color: red;"), {"report"}),
    Row("the page's template", Edit("tasks/report/page.html.j2", "<", "<!-- --><"), {"report"}),
    Row("how the page is published", Edit("tasks/report/__init__.py", "exist_ok=True", "exist_ok=False"), set()),
    Row("a figure's ink", Edit("tasks/report/figures.py", "#123456", "#123457"), {"report"}),
    Row("the store", Edit("tasks/artifacts/store.py", "import", "import this\nimport"), set()),
    Row("the settings' defaults", Edit("tasks/settings.py", "0.1, gt=0, lt=1", "0.2, gt=0, lt=1"), set()),
    Row("the wiring", Edit("flows/main.py", "raw = run(download)", "raw = run(download, 1)"), set()),
    Row(
        "something done when networks are imported",
        Edit("tasks/networks.py", "\nNETWORKS", "\nprint()\nNETWORKS"),
        set(REAL),
    ),
]


@pytest.fixture(scope="module")
def copy_of_the_project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    for package in code.PACKAGES:
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize("row", REAL_ROWS, ids=lambda row: row.name)
def test_an_edit_of_the_real_project_reruns_the_nodes_that_reach_it_and_no_others(
    copy_of_the_project, monkeypatch, kept_of_the_real_project, row
):
    path = copy_of_the_project / row.edit.file
    source = path.read_text()
    try:
        assert reruns_after(copy_of_the_project, row, REAL, monkeypatch, kept_of_the_real_project) == row.reruns
    finally:
        path.write_text(source)


def test_a_real_network_is_named_in_its_own_training_and_in_no_other():
    trained = code_of("tasks.train", "train", "baseline")
    assert {name for name in trained if name.startswith("tasks/networks.py: ")} == {
        f"tasks/networks.py: {name}" for name in ("Callable", "NETWORKS", "Network", "baseline", "dataclass", "network")
    }
    assert "tasks/networks.py: dropout" in code_of("tasks.train", "train")


def test_each_definition_has_a_digest_of_sixteen_digits_sorted_by_name():
    reached = code_of("tasks.prepare", "prepare")
    assert reached["tasks/prepare.py: scale"]
    assert list(reached) == sorted(reached)
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in reached.values())


def test_the_digests_are_the_same_in_every_process_and_nothing_is_imported_for_them():
    program = (
        "import sys; from tasks.artifacts.code import code_of; print(code_of('tasks.report', 'report'));"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('tasks', 'flows', 'numpy')))"
    )
    printed = {
        subprocess.check_output([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, cwd=PROJECT, text=True)
        for seed in ("1", "2", "3")
    }
    assert printed == {
        f"{code_of('tasks.report', 'report')}\n"
        "['tasks', 'tasks.artifacts', 'tasks.artifacts.code', 'tasks.artifacts.identity']\n"
    }


def test_many_threads_find_the_same(tmp_path, monkeypatch):
    project_of(tmp_path)
    expected = digests_of(tmp_path, NODES, monkeypatch)
    code.project_at.cache_clear()
    found = []
    threads = [
        threading.Thread(target=lambda: found.append({name: code_of(*node) for name, node in NODES.items()}))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_modules_that_import_each_other_are_read(tmp_path, monkeypatch):
    project_of(tmp_path)
    apply(tmp_path, Edit("tasks/deeper.py", "TWO = 2", "import tasks.load\n\nTWO = tasks.load.LIMIT"))
    row = Row("", Edit(LOAD, "LIMIT = 3", "LIMIT = 4"), set())
    assert reruns_after(tmp_path, row, NODES, monkeypatch, {}) == {"load", "score"}


def test_a_name_that_a_module_does_not_bind_is_the_whole_module(tmp_path, monkeypatch):
    project_of(tmp_path)
    monkeypatch.setattr(code, "PROJECT", tmp_path)
    assert "tasks/load.py" in code_of("tasks.load", "made_up")


def test_a_module_that_the_project_lacks_is_refused(tmp_path, monkeypatch):
    project_of(tmp_path)
    monkeypatch.setattr(code, "PROJECT", tmp_path)
    with pytest.raises(LookupError, match="tasks.nowhere is not a module"):
        code_of("tasks.nowhere", "load")


def test_what_runs_is_what_was_there_when_the_process_first_looked(tmp_path, monkeypatch):
    project_of(tmp_path)
    before = digests_of(tmp_path, NODES, monkeypatch)
    apply(tmp_path, Edit(HELPER, "SCALE = 3", "SCALE = 4"))
    assert {name: code_of(*node) for name, node in NODES.items()} == before
