import shutil
import subprocess
import sys
import threading

import pytest

from tasks.artifacts import code
from tasks.artifacts.code import code_of
from tasks.artifacts.identity import PROJECT

SOURCES = {
    "tasks/__init__.py": "",
    "tasks/node.py": "def node(**options):\n    return lambda function: function\n",
    "tasks/child.py": "def run_child(module, job):\n    return {}\n\ndef serve(work):\n    work({})\n",
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
    "tasks/deeper.py": "TWO = 2\n\ndef offset():\n    return 0\n",
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
NONE, ALL, BOTH = set(), set(NODES), {"load", "score"}
LOADS, SCORES, DRAWS = {"load"}, {"score"}, {"draw"}
FIT, LARGE = {"fit", "fit[small]", "fit[large]"}, {"fit", "fit[large]"}


class Row:
    """An edit, and the nodes that must rerun after it, no others. The edits behind them are made before.

    An edit is a file, an old text in it, and a new one; a file that is not there is written.
    """

    def __init__(self, name, edit, reruns, *before):
        self.name, self.edit, self.reruns, self.before = name, edit, reruns, before


def project_of(folder):
    for name, source in SOURCES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)


def apply(folder, edit):
    name, old, new = edit
    path = folder / name
    source = path.read_text() if path.exists() else ""
    assert old in source
    path.parent.mkdir(exist_ok=True)
    path.write_text(source.replace(old, new, 1))


def digests_of(folder, nodes, monkeypatch):
    """Return each node's code as a new process finds it."""
    monkeypatch.setattr(code, "PROJECT", folder)
    code.files_at.cache_clear()
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
    code.files_at.cache_clear()


LOAD, HELPER, DEEPER, TABLE, RECORD = (f"tasks/{name}.py" for name in ("load", "helper", "deeper", "table", "record"))
NETS, FIT_IT, SCORE, TOOLS, LONELY = (f"tasks/{name}.py" for name in ("nets", "fit", "score", "tools", "lonely"))
MORE, PAGE, SHAPES, MAIN = "tasks/more.py", "tasks/page/__init__.py", "tasks/page/shapes.py", "flows/main.py"

BUILDERS = SOURCES[NETS].partition("@net(size=1)")[2]

# fmt: off
HARMLESS = [
    Row("a comment", (HELPER, "SCALE = 3", "# why it is so\nSCALE = 3  # three"), NONE),
    Row("a module's docstring", (LOAD, '"""Load."""', '"""Load, at length."""'), NONE),
    Row("a docstring", (HELPER, '"""Double a number."""', '"""Double it."""'), NONE),
    Row("a docstring removed", (LOAD, '    """Fill the artifact."""\n', ""), NONE),
    Row("a docstring added", (HELPER, "    return number / TWO", '    """Halve."""\n    return number / TWO'), NONE),
    Row("a class's docstring", (RECORD, '"""A record."""', '"""One record."""'), NONE),
    Row("a network's docstring", (NETS, '"""Build it."""', '"""Build."""'), NONE),
    Row("empty lines", (HELPER, "def half", "\n\n\ndef half"), NONE),
    Row("a formatting", (HELPER, "number / TWO", "(\n        number\n        / TWO\n    )"), NONE),
    Row("other quotes", (LOAD, '"rows": rows', "'rows': rows"), NONE),
    Row("another way to write a number", (HELPER, "SCALE = 3", "SCALE = 0x3"), NONE),
    Row("another way to write a text", (LOAD, '"names.json"', '"names" ".json"'), NONE),
    Row("a trailing comma", (LOAD, "count for _ in range(FACTOR)", "count for _ in range(FACTOR,)"), NONE),
    Row("functions in another order",
        (TABLE, SOURCES["tasks/table.py"], 'def square(rows):\n    return ("square", rows)\n\ndef circle(rows):\n'
         '    return ("circle", rows)\n\nKINDS = {"round": circle, "even": square}\n'), NONE),
    Row("constants in another order", (HELPER, "SCALE = 3\nSHIFT = 4", "SHIFT = 4\nSCALE = 3"), NONE),
    Row("a constant after its function",
        (SHAPES, SOURCES["tasks/page/shapes.py"], "def arrow(text):\n    return text * WIDTH\n\nWIDTH = 10\n"), NONE),
    Row("imports in another order",
        (LOAD, "import json\nfrom math import hypot, sqrt\n", "from math import hypot, sqrt\nimport json\n"), NONE),
    Row("a hint of a function", (HELPER, "def half(number):", "def half(number: float) -> float:"), NONE),
    Row("a node's hint", (LOAD, "count: int = 1) -> dict", "count: float = 1) -> object"), NONE),
    Row("a network's hint", (NETS, "def small() -> list", "def small() -> object"), NONE),
    Row("a hint of a variable", (LOAD, "rows: list =", "rows ="), NONE),
    Row("a hint of a constant", (NETS, "NETS: dict[str, Any] =", "NETS: dict ="), NONE),
    Row("an import for the type checker",
        (LOAD, "LIMIT = 3", "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import numpy\n\nLIMIT = 3"),
        NONE),
    Row("a definition that nobody uses", (LOAD, "    return number", "    return -number"), NONE),
    Row("a new definition", (HELPER, "SCALE = 3", "OTHER = 5\nSCALE = 3"), NONE),
    Row("a new method's module", ("tasks/fresh.py", "", "FOUR = 4\n"), NONE),
    Row("a module that nobody imports", (LONELY, "THREE = 3", "THREE = 4"), NONE),
    Row("a module that cannot be parsed, imported by nobody", (LONELY, "THREE = 3", "THREE = = 3"), NONE),
    Row("a definition beside one that is used", (SHAPES, "    return text\n", "    return text + text\n"), NONE),
    Row("a module that does not count", ("tasks/settings.py", "DEFAULT = 1", "DEFAULT = 2"), NONE),
    Row("how a child is run", ("tasks/child.py", "return {}", "return {1: 2}"), NONE),
    Row("the wiring", (MAIN, "run(fit), run(load)", "run(load), run(fit)"), NONE),
    Row("a file that no text names", ("tasks/other.json", "b", "c"), NONE),
    Row("a hidden file", ("tasks/page/.page.html.swp", "", "x"), NONE),
    Row("an editor's backup", ("tasks/page/page.html~", "", "x"), NONE),
    Row("a main block that nobody runs",
        (HELPER, "SCALE = 3", 'if __name__ == "__main__":\n    print(SHIFT)\n\nSCALE = 3'), NONE),
    Row("a local variable like another module's definition", (LONELY, "THREE = 3", "THREE = 4"), NONE,
        (TOOLS, "DEPTH = 1", "from tasks.lonely import THREE\n\nDEPTH = 1"),
        (TOOLS, "def wrap(function):", "def wrap(function):\n        THREE = 1\n        print(THREE)")),
]
# fmt: on

# fmt: off
SEEN = [
    Row("a table put in another order elsewhere",
        (LONELY, "THREE = 3", "import random\n\nfrom tasks import table\n\nrandom.shuffle(table.KINDS)"), LOADS),
    Row("an object changed by its own method",
        (LONELY, "THREE = 3", "from tasks import table\n\ndef change():\n    table.KINDS.rename(3)"), LOADS,
        (TABLE, "KINDS =", "class Kinds(dict):\n    def rename(self, name):\n        self.name = name\n\n"
         "KINDS = Kinds()\nOTHERS =")),
    Row("a definition replaced in a module found by its name",
        (LONELY, "THREE = 3", 'import sys\n\nsetattr(sys.modules["tasks.helper"], "half", abs)'), BOTH),
    Row("a definition replaced in a module imported by its name",
        (LONELY, "THREE = 3", 'import importlib\n\nimportlib.import_module("tasks.helper").half = abs'), BOTH),
    Row("a definition replaced under the module's full name",
        (LONELY, "THREE = 3", "import tasks.helper\n\ntasks.helper.half = abs"), SCORES),
    Row("what a comprehension goes through, called like its variable", (TOOLS, "DEPTH = 1", "DEPTH = 2"), SCORES,
        (TOOLS, "[: depth + DEPTH]", "[: len([DEPTH for DEPTH in range(DEPTH)])]")),
    Row("a class that a node's hint names", (LONELY, "return 1", "return 2"), DRAWS,
        (LONELY, "THREE = 3", "class Shape:\n    def area(self):\n        return 1"),
        (PAGE, "*, load)", "*, load: Shape)"),
        (PAGE, "from tasks.page.shapes", "from tasks.lonely import Shape\nfrom tasks.page.shapes")),
    Row("something done in the body of a class on import", (DEEPER, "TWO = 2", "class Loud:\n    print(1)\n\nTWO = 2"),
        BOTH),
    Row("a network registered by a call",
        (MORE, "", "from tasks.nets import net\n\ndef huge():\n    return 1\n\nnet(size=3)(huge)\n"), FIT),
    Row("a network, where the registry is asked through its module", (NETS, "layer(64)", "layer(65)"), LARGE,
        (FIT_IT, "fitted = NETS[", "fitted = nets.NETS["),
        (FIT_IT, "from tasks.nets import NETS", "from tasks import nets")),
    Row("a definition under a condition", (SCORE, "return -1", "return -2"), SCORES,
        (SCORE, "def first(values):", "if TWO:\n    def last(values):\n        return -1\nelse:\n    last = None\n\n"
         "def first(values):\n    last(values)")),
    Row("a package that is run by its name", ("tasks/page/__main__.py", "print(1)", "print(2)"), LOADS,
        ("tasks/page/__main__.py", "", "print(1)\n"),
        (LOAD, "    rows: list", '    json.run("tasks.page")\n    rows: list')),
    Row("a helper's body", (HELPER, "return number / TWO", "return number / 2"), SCORES),
    Row("a helper's operator", (HELPER, "TWO * number", "TWO + number"), LOADS),
    Row("a helper's helper", (DEEPER, "return 0", "return 1"), LOADS),
    Row("a constant of a helper", (DEEPER, "TWO = 2", "TWO = 3"), BOTH),
    Row("a constant's type", (LOAD, "LIMIT = 3", "LIMIT = 3.0"), LOADS),
    Row("a default", (HELPER, "times=1", "times=2"), LOADS),
    Row("a keyword's default", (HELPER, "shift=0", "shift=1"), LOADS),
    Row("a node's default", (LOAD, "count: int = 1", "count: int = 2"), LOADS),
    Row("an argument's kind", (HELPER, "times=1, *, shift", "*, times=1, shift"), LOADS),
    Row("a node's decorator", (LOAD, '("numpy",)', '("scipy",)'), LOADS),
    Row("a class attribute", (SCORE, "start = 0", "start = 1"), SCORES),
    Row("an attribute of a base in another module", (HELPER, "weight = 1", "weight = 2"), SCORES),
    Row("a method of a base in another module", (HELPER, "return self.weight", "return -self.weight"), SCORES),
    Row("another base", (SCORE, "class Score(Base)", "class Score(Plain)"), SCORES),
    Row("a method", (SCORE, "self.values = values", "self.values = list(values)"), SCORES),
    Row("a property", (SCORE, "return sum(self.values) /", "return max(self.values) /"), SCORES),
    Row("a static method", (SCORE, 'return "score"', 'return "points"'), SCORES),
    Row("a method's decorator", (SCORE, "@staticmethod\n", "@classmethod\n"), SCORES),
    Row("a hint of a dataclass's field", (RECORD, "size: int", "size: float"), LOADS),
    Row("a default of a dataclass's field", (RECORD, '"none"', '"some"'), LOADS),
    Row("an argument of a dataclass's decorator", (RECORD, "@dataclass\n", "@dataclass(frozen=True)\n"), LOADS),
    Row("hints kept as strings, in a module with fields",
        (RECORD, "from dataclasses", "from __future__ import annotations\n\nfrom dataclasses"), LOADS),
    Row("an entry of a table", (TABLE, '"round": circle', '"round": square'), LOADS),
    Row("a function in a table", (TABLE, '("square", rows)', '("Square", rows)'), LOADS),
    Row("a key that is asked for", (LOAD, 'KINDS["round"]', 'KINDS["even"]'), LOADS),
    Row("an import under another's name",
        (LOAD, "from tasks import helper, table as shapes", "from tasks import table as helper, helper as shapes"),
        LOADS),
    Row("two names of a library exchanged", (LOAD, "import hypot, sqrt", "import hypot as sqrt, sqrt as hypot"), LOADS),
    Row("two names of the project exchanged", (LOAD, "SCALE as FACTOR, SHIFT", "SHIFT as FACTOR, SCALE as SHIFT"),
        LOADS),
    Row("another module for a name", (LOAD, "import json\n", "import simplejson as json\n"), LOADS),
    Row("what is used through a module", (LOAD, "helper.double(LIMIT)", "helper.half(LIMIT)"), LOADS),
    Row("an import by a relative name", (SCORE, "from .deeper import TWO", "from .helper import SCALE as TWO"), SCORES),
    Row("a decorator", (SCORE, "@traced(depth=2)\n", ""), SCORES),
    Row("a decorator's argument", (SCORE, "depth=2", "depth=3"), SCORES),
    Row("a decorator's body", (TOOLS, "[: depth + DEPTH]", "[: depth - DEPTH]"), SCORES),
    Row("what a decorator uses", (TOOLS, "DEPTH = 1", "DEPTH = 2"), SCORES),
    Row("a hint of a function that a decorator may look at", (SCORE, "value: int) -> int", "value: float) -> int"),
        SCORES),
    Row("a class's decorator", (TOOLS, "cls.mark = mark", "cls.mark = mark.upper()"), SCORES),
    Row("an argument of a class's decorator", (SCORE, '@marked("loud")', '@marked("low")'), SCORES),
    Row("a metaclass", (TOOLS, "order = 1", "order = 2"), SCORES),
    Row("a lambda", (SCORE, "min(values, default=TWO)", "max(values, default=TWO)"), SCORES),
    Row("a comprehension", (SCORE, "value * 2 for", "value * 3 for"), SCORES),
    Row("a generator", (SCORE, "yield value + 1", "yield value"), SCORES),
    Row("an async function", (SCORE, "async def fetch():\n    return 1", "async def fetch():\n    return 2"), SCORES),
    Row("a function that is no more async", (SCORE, "async def fetch", "def fetch"), SCORES),
    Row("a nested function, a closure", (SCORE, "value * factor + 1", "value * factor"), SCORES),
    Row("a match statement", (SCORE, 'case {"kind": kind}', 'case {"sort": kind}'), SCORES),
    Row("a match statement's other case", (SCORE, 'return "none"', 'return "some"'), SCORES),
    Row("a walrus", (SCORE, "(head := values[0]) > 0", "(head := values[-1]) > 0"), SCORES),
    Row("an augmented assignment", (SCORE, "LEVEL += 1", "LEVEL += 2"), SCORES),
    Row("a second assignment", (SCORE, "BIAS = BIAS + 1", "BIAS = BIAS + 2"), SCORES),
    Row("two assignments of a name in another order", (SCORE, "LEVEL = 1\nLEVEL += 1", "LEVEL += 1\nLEVEL = 1"),
        SCORES),
    Row("an assignment moved behind a change of what it uses",
        (SCORE, "SUM = LEVEL\nLEVEL += 1", "LEVEL += 1\nSUM = LEVEL"), SCORES,
        (SCORE, "LEVEL += 1", "SUM = LEVEL\nLEVEL += 1"), (SCORE, ".mean + LEVEL", ".mean + SUM + LEVEL")),
    Row("a definition that hides Python's own", (SCORE, "LEVEL = 1", "def sum(values):\n    return 0\n\nLEVEL = 1"),
        SCORES),
    Row("a definition removed", (HELPER, "SCALE = 3\n", ""), LOADS),
    # Networks
    Row("a network", (NETS, "layer(8)", "layer(9)"), {"fit", "fit[small]"}),
    Row("another network", (NETS, "layer(64)", "layer(65)"), LARGE),
    Row("a new network", (NETS, "@net(size=2)", "@net(size=3)\ndef huge():\n    return layer(512)\n\n@net(size=2)"),
        {"fit"}),
    Row("a new network in another module",
        (MORE, "", "from tasks.nets import net\n\n@net(size=3)\ndef huge():\n    return 1\n"), {"fit"}),
    Row("a network in another module", (MORE, "return 1", "return 2"), {"fit"},
        (MORE, "", "from tasks import nets\n\n@nets.net(size=3)\ndef huge():\n    return 1\n")),
    Row("networks in another order",
        (NETS, BUILDERS, BUILDERS.replace("small", "SMALL").replace("large", "small").replace("SMALL", "large")), FIT),
    Row("what networks share", (NETS, "return [width]", "return [width, width]"), FIT),
    Row("what one network uses", (NETS, "return 0.5", "return 0.6"), LARGE),
    Row("how networks are registered", (NETS, "Net(build, size)", "Net(build, size + 1)"), FIT),
    Row("what the registry holds", (NETS, "    size: int\n", "    size: int\n    rate: float = 0\n"), FIT),
    Row("a network replaced in another module", (MAIN, "def dag", 'NETS["small"] = None\n\ndef dag'), FIT,
        (MAIN, "from tasks.load", "from tasks.nets import NETS\nfrom tasks.load")),
    Row("networks replaced in another module", (MAIN, "def dag", "nets.NETS.update({})\n\ndef dag"), FIT,
        (MAIN, "from tasks.load", "from tasks import nets\nfrom tasks.load")),
    Row("a network's second name", (NETS, "def noise", "def loud(function):\n    return function\n\ndef noise"), NONE),
    Row("a network of which code goes through all", (NETS, "layer(64)", "layer(65)"), FIT,
        (FIT_IT, "fitted = ", "print(len(NETS))\n    fitted = ")),
    Row("a network that another names", (NETS, "layer(64)", "layer(65)"), FIT,
        (NETS, "return layer(8)", 'return NETS["large"].build() + layer(8)')),
    Row("a network whose name is another's in the registry", (NETS, "layer(64)", "layer(65)"), FIT,
        (NETS, "NETS[build.__name__] =", 'NETS[{"small": "large", "large": "small"}[build.__name__]] =')),
    Row("a network that a second decorator may rename", (NETS, "layer(64)", "layer(65)"), FIT,
        (NETS, "@net(size=2)\n", "@net(size=2)\n@functools.cache\n"),
        (NETS, "from dataclasses", "import functools\nfrom dataclasses")),
    Row("the work in a child", (FIT_IT, "0.1 / step", "0.2 / step"), FIT),
    Row("the work that a child is given", (FIT_IT, "serve(fit_in_child)", "serve(rate)"), FIT),
    # Who is changed from elsewhere
    Row("a definition replaced in a module that nobody imports",
        (LONELY, "THREE = 3", "from tasks import helper\n\nhelper.half = abs"), SCORES),
    Row("a definition replaced within a function", (MAIN, "    return run", "    helper.half = abs\n    return run"),
        SCORES, (MAIN, "from tasks.load", "from tasks import helper\nfrom tasks.load")),
    Row("what a definition is replaced with", (LONELY, "return 1", "return 2"), SCORES,
        (LONELY, "THREE = 3", "from tasks import helper\n\ndef one(number):\n    return 1\n\nhelper.half = one")),
    Row("where a function that replaces is called", (MAIN, "def dag(run):\n", "def dag(run):\n    replace()\n"), SCORES,
        (MAIN, "def dag", "from tasks import helper\n\ndef replace():\n    helper.half = abs\n\ndef dag")),
    Row("a definition replaced by setattr",
        (LONELY, "THREE = 3", 'from tasks import helper\n\nsetattr(helper, "half", abs)'), SCORES),
    Row("some definition replaced by setattr",
        (LONELY, "THREE = 3", "from tasks import helper\n\nfor name in dir(helper):\n    setattr(helper, name, abs)"),
        BOTH),
    Row("a definition replaced through the module's names",
        (LONELY, "THREE = 3", 'from tasks import helper\n\nvars(helper)["half"] = abs'), BOTH),
    Row("a definition replaced by its dotted name",
        (LONELY, "THREE = 3", 'from unittest.mock import patch\n\npatch("tasks.helper.half", abs).start()'), SCORES),
    Row("a method replaced", (LONELY, "THREE = 3", "from tasks.helper import Base\n\nBase.value = abs"), SCORES),
    Row("a name that is imported replaced where it is used",
        (LONELY, "THREE = 3", "from tasks import load\n\nload.FACTOR = 4"), LOADS),
    Row("a table changed in another module",
        (LONELY, "THREE = 3", 'from tasks.table import KINDS\n\nKINDS["round"] = abs'), LOADS),
    Row("a table changed under another name",
        (LONELY, "THREE = 3", 'from tasks import table\n\nkinds = table.KINDS\nkinds["round"] = abs'), LOADS),
    Row("a table changed under a variable's name",
        (LONELY, "THREE = 3", 'from tasks import table\n\ndef change():\n    kinds = table.KINDS\n'
         '    kinds |= {"round": abs}'), LOADS),
    Row("a table's entry changed in a loop",
        (LONELY, "THREE = 3", "from tasks import table\n\nfor kind in table.KINDS.values():\n    kind.mark = 1"),
        LOADS),
    Row("a table changed by a function that gets it",
        (LONELY, "THREE = 3", 'from tasks import table\n\ndef change(kinds):\n    kinds["round"] = abs\n\n'
         'change(table.KINDS)'), LOADS),
    Row("a table's entry deleted", (LONELY, "THREE = 3", 'from tasks import table\n\ndel table.KINDS["even"]'), LOADS),
    Row("a global rebound in a function of its module",
        (SCORE, "def first(values):", "def louder():\n    global LEVEL\n    LEVEL = 9\n\ndef first(values):"), SCORES),
    Row("a main block that replaces", (MAIN, "def dag", 'if __name__ == "__main__":\n    helper.half = abs\n\ndef dag'),
        SCORES, (MAIN, "from tasks.load", "from tasks import helper\nfrom tasks.load")),
    Row("a subclass that its base registers", (LONELY, "order = 2", "order = 3"), SCORES,
        (HELPER, "    weight = 1\n", "    weight = 1\n    kinds = []\n\n    def __init_subclass__(cls):\n"
         "        Base.kinds.append(cls)\n"),
        (LONELY, "THREE = 3", "from tasks.helper import Base\n\nclass Other(Base):\n    order = 2")),
    Row("a case of a function that dispatches", (LONELY, "return 1", "return 2"), SCORES,
        (HELPER, "def half", "@functools.singledispatch\ndef half"),
        (HELPER, "from tasks.deeper", "import functools\n\nfrom tasks.deeper"),
        (LONELY, "THREE = 3", "from tasks.helper import half\n\n@half.register\ndef _(number: int):\n    return 1")),
    # What is done on import
    Row("something done by an imported module", (HELPER, "SCALE = 3", "print(SHIFT)\nSCALE = 3"), BOTH),
    Row("something done by a module that an imported one imports",
        (DEEPER, "TWO = 2", "import os\n\nos.environ['A'] = 'b'\nTWO = 2"), BOTH),
    Row("what something done on import uses", (DEEPER, "return 5", "return 6"), BOTH,
        (DEEPER, "TWO = 2", "TWO = 2\n\ndef start():\n    return 5\n\nprint(start())")),
    Row("something done in the order of statements",
        (HELPER, "SCALE = 3\nSCALE.bit_length()", "SCALE.bit_length()\nSCALE = 3"), BOTH,
        (HELPER, "SCALE = 3", "SCALE = 3\nSCALE.bit_length()")),
    Row("a value nobody uses, whose call may do something",
        (DEEPER, "TWO = 2", "import random\n\nstate = random.seed(1)\nTWO = 2"), BOTH),
    Row("something done where a module is not the main one", (DEEPER, "print(1)", "print(2)"), BOTH,
        (DEEPER, "TWO = 2", 'if __name__ == "__main__":\n    print(0)\nelse:\n    print(1)\n\nTWO = 2')),
    Row("a loop on import", (DEEPER, "TWO = 2", "TWO = 2\nfor name in ():\n    print(name)"), BOTH),
    Row("something done by a package", ("tasks/__init__.py", "", "import os\n\nos.umask(0)\n"), ALL),
    Row("something done by a module that does not count for itself, imports",
        (RECORD, "@dataclass", "print(1)\n\n@dataclass"), LOADS),
    Row("an import that does something",
        (HELPER, "    return number / TWO", "    from tasks import lonely\n\n    return number / TWO"), BOTH,
        (LONELY, "THREE = 3", "print(3)")),
]
# fmt: on


def in_load(line):
    """Put a line into `load`, and what it may need at its module's top."""
    return (
        (LOAD, "    rows: list", f"    {line}\n    rows: list"),
        (LOAD, "import json", "import importlib\nimport subprocess\nimport sys\n\nimport json"),
    )


THREE = (LONELY, "THREE = 3", "THREE = 4")
STAR = (SHAPES, "    return text\n", "    return text + text\n")

# fmt: off
UNRESOLVED = [
    Row("a conditional import", THREE, LOADS, *in_load("if LIMIT:\n        from tasks.lonely import THREE as LIMIT")),
    Row("an import that may fail", THREE, LOADS,
        (LOAD, "LIMIT = 3", "try:\n    from tasks.lonely import THREE\nexcept ImportError:\n    THREE = 5"),
        (LOAD, "double(LIMIT)", "double(THREE)")),
    Row("what stands in where an import fails", (LOAD, "THREE = 5", "THREE = 6"), LOADS,
        (LOAD, "LIMIT = 3", "try:\n    from tasks.lonely import THREE\nexcept ImportError:\n    THREE = 5"),
        (LOAD, "double(LIMIT)", "double(THREE)")),
    Row("an import for one system", THREE, LOADS,
        (LOAD, "LIMIT = 3", "if Path.cwd():\n    from tasks import lonely as where\nelse:\n    where = Path"),
        (LOAD, "double(LIMIT)", "double(where.THREE)")),
    Row("the condition of an import", (LOAD, "if json.x:", "if json.y:"), LOADS,
        (LOAD, "LIMIT = 3", "if json.x:\n    from tasks.lonely import THREE\nelse:\n    THREE = 5"),
        (LOAD, "double(LIMIT)", "double(THREE)")),
    Row("an import in a function", THREE, LOADS, *in_load("from tasks.lonely import THREE; print(THREE)")),
    Row("a module imported in a function", THREE, LOADS, *in_load("import tasks.lonely as it; print(it.THREE)")),
    Row("a module imported by its full name", THREE, LOADS, *in_load("import tasks.lonely; print(tasks.lonely.THREE)")),
    Row("a relative import in a function", THREE, LOADS, *in_load("from . import lonely; print(lonely.THREE)")),
    Row("another name of a module", STAR, LOADS, *in_load("from tasks.page import shapes as s; print(s.star)")),
    Row("another name of that module", STAR, NONE, *in_load("from tasks.page import shapes as s; print(s.arrow)")),
    Row("a name that a package passes on", STAR, LOADS, (PAGE, "import arrow", "import arrow, star as star_again"),
        *in_load("from tasks.page import star_again; print(star_again)")),
    Row("a name that a module that does not count passes on", (RECORD, "size: int", "size: float"), LOADS),
    Row("anything in a module of which all names are imported", (HELPER, "number / TWO", "number / 2"), BOTH,
        (LOAD, "from tasks.helper import SCALE as FACTOR, SHIFT", "from tasks.helper import *\n\nFACTOR = 1")),
    Row("anything in a module that is passed on", STAR, LOADS,
        *in_load("from tasks.page import shapes; print(shapes)")),
    Row("anything in a module of which one that is passed on imports all names", THREE, {"load", "draw"},
        (SHAPES, "WIDTH = 10", "from tasks.lonely import *\n\nWIDTH = 10"),
        *in_load("from tasks.page import shapes; print(shapes)")),
    Row("anything in a module that getattr asks", STAR, LOADS,
        *in_load("from tasks.page import shapes; getattr(shapes, 'a' + 'b')")),
    Row("anything in a module whose names are listed", STAR, LOADS,
        *in_load("from tasks.page import shapes; vars(shapes)")),
    Row("a name that a module makes up", STAR, LOADS, *in_load("from tasks.page import shapes; shapes.made_up")),
    Row("a module's own __getattr__", (SHAPES, "return name", "return name * 2"), LOADS,
        (SHAPES, "WIDTH = 10", "def __getattr__(name):\n    return name\n\nWIDTH = 10"),
        *in_load("from tasks.page import shapes; shapes.made_up")),
    Row("anything beside code that is evaluated", (LOAD, "return number", "return -number"), LOADS,
        *in_load('eval("unused")(1)')),
    Row("anything beside code that is executed", (LOAD, "return number", "return -number"), LOADS,
        *in_load('exec("unused(1)")')),
    Row("anything beside a look at all names", (LOAD, "return number", "return -number"), LOADS,
        *in_load('globals()["unused"]')),
    Row("anything beside a look at a module's names", (LOAD, "return number", "return -number"), LOADS,
        *in_load("sys.modules[__name__].unused")),
    Row("anything in a module that it runs by its own name", (LOAD, "return number", "return -number"), LOADS,
        *in_load("run_child(__name__, {})")),
    Row("a module imported by a text", THREE, LOADS, *in_load('importlib.import_module("tasks.lonely").THREE')),
    Row("a module imported by a relative text", THREE, LOADS,
        *in_load('importlib.import_module(".lonely", "tasks").THREE')),
    Row("a module imported by __import__", THREE, LOADS, *in_load('__import__("tasks.lonely").THREE')),
    Row("any module, imported by a text in two parts", THREE, LOADS,
        *in_load('importlib.import_module("tasks." + str(output))')),
    Row("any module, imported by a text with a gap", THREE, LOADS,
        *in_load('importlib.import_module(f"tasks.{output}")')),
    Row("any module, imported by a variable", THREE, LOADS, *in_load("importlib.import_module(output)")),
    Row("any module, imported by another name of the function", THREE, LOADS,
        *in_load("from importlib import import_module as get; get(output)")),
    Row("any module, asked for in sys.modules", THREE, LOADS, *in_load("sys.modules[output]")),
    Row("any module, asked for in sys.modules that a function imports", THREE, LOADS,
        *in_load("import sys; sys.modules[output]")),
    Row("any module, run by a text with a gap", THREE, LOADS,
        *in_load('subprocess.run(["python", "-m", f"tasks.{output}"])')),
    Row("a module in code for another process", THREE, LOADS,
        *in_load('subprocess.run(["python", "-c", "import tasks.lonely"])')),
    Row("a main block that is run by its module's name", (LONELY, "print(THREE)", "print(-THREE)"), LOADS,
        (LONELY, "THREE = 3", 'THREE = 3\n\nif __name__ == "__main__":\n    print(THREE)'),
        *in_load('subprocess.run([sys.executable, "-m", "tasks.lonely"])')),
    Row("what a main block does not use", (LONELY, "FIVE = 5", "FIVE = 6"), NONE,
        (LONELY, "THREE = 3", 'THREE = 3\nFIVE = 5\n\nif __name__ == "__main__":\n    print(THREE)'),
        *in_load('subprocess.run([sys.executable, "-m", "tasks.lonely"])')),
    Row("a script that is run by its file's name", THREE, LOADS,
        *in_load('subprocess.run([sys.executable, Path(__file__).with_name("lonely.py")])')),
    Row("a script that is run by its path", THREE, LOADS,
        *in_load('subprocess.run([sys.executable, "tasks/lonely.py"])')),
    Row("any subclass, where code lists them", (LONELY, "order = 2", "order = 3"), BOTH,
        (LONELY, "THREE = 3", "from tasks.helper import Base\n\nclass Other(Base):\n    order = 2"),
        (HELPER, "def value", "def all(self):\n        return Base.__subclasses__()\n\n    def value"),
        *in_load("helper.Base")),
    Row("a docstring, where code reads docstrings", (HELPER, '"""Double a number."""', '"""Double it."""'), LOADS,
        *in_load("print(helper.double.__doc__)")),
    Row("a module's docstring, where code reads docstrings", (LOAD, '"""Load."""', '"""Load it."""'), LOADS,
        *in_load("print(__doc__)")),
    Row("a function's hint, where code looks at hints", (HELPER, "def double(number,", "def double(number: int,"),
        LOADS, *in_load("print(helper.double.__annotations__)")),
    Row("what a hint names, where code looks at hints", THREE, LOADS,
        (HELPER, "def double(number,", "def double(number: THREE,"),
        (HELPER, "SCALE = 3", "from tasks.lonely import THREE\n\nSCALE = 3"),
        *in_load("import inspect; inspect.signature(helper.double)")),
    Row("what a dropped hint names", THREE, NONE, (HELPER, "def double(number,", "def double(number: THREE,"),
        (HELPER, "SCALE = 3", "from tasks.lonely import THREE\n\nSCALE = 3")),
    Row("a module that cannot be parsed", (DEEPER, "TWO = 2", "TWO = = 2"), BOTH),
    Row("a module that could not be parsed before", (DEEPER, "TWO = = 2", "TWO = = 3"), BOTH,
        (DEEPER, "TWO = 2", "TWO = = 2")),
    Row("a module that takes a name's place", ("tasks/helper/__init__.py", "", "def double(number):\n    return 0\n"),
        BOTH),
]
# fmt: on

# fmt: off
FILES = [
    Row("a template", ("tasks/page/page.html", "<p>", "<div>"), DRAWS),
    Row("a file beside a template", ("tasks/page/style.css", "red", "blue"), DRAWS),
    Row("a new file beside a template", ("tasks/page/print.css", "", "p {}"), DRAWS),
    Row("a file in a folder beside a template", ("tasks/page/parts/foot.html", "", "<hr>"), DRAWS),
    Row("a file that a text names", ("tasks/names.json", "a", "b"), LOADS),
    Row("a file that a text with a gap may name", ("tasks/other.json", "b", "c"), LOADS,
        *in_load('open(f"{output}.json")')),
    Row("a file that a pattern finds", ("tasks/other.json", "b", "c"), LOADS,
        *in_load('Path(__file__).parent.glob("*.json")')),
    Row("a file at the project's top", ("table.toml", "a", "b"), LOADS, ("table.toml", "", "a"),
        *in_load('open("table.toml")')),
    Row("a file in a folder that is no package", ("tasks/sql/all.sql", "", "select 1"), LOADS,
        *in_load('Path("sql") / "all.sql"')),
]
# fmt: on


# What reruns though nothing that a node does has changed: known, and left at that.
# fmt: off
IN_VAIN = [
    Row("another name for a local variable",
        (SCORE, "for value in values:\n        yield value + 1", "for one in values:\n        yield one + 1"), SCORES),
    Row("another name for an import", (LOAD, "SCALE as FACTOR", "SCALE as TIMES"), LOADS),
    Row("a class that a node's hint no longer names", (PAGE, "load: Record", "load: object"), DRAWS,
        (PAGE, "*, load)", "*, load: Record)"),
        (PAGE, "from tasks.page.shapes", "from tasks.record import Record\nfrom tasks.page.shapes")),
    Row("a network's figures for its recipe", (NETS, "@net(size=1)", "@net(size=5)"), {"fit", "fit[small]"}),
    Row("a hint of a method with a decorator", (SCORE, "def label():", "def label() -> str:"), SCORES),
    Row("a constant worked out by a call, used by nobody",
        (DEEPER, "TWO = 2", "import re\n\nDIGITS = re.compile('[0-9]')\nTWO = 2"), BOTH),
    Row("another user of a memo", (LONELY, "return 1", "return 2"), SCORES,
        (HELPER, "def half(number):", "MEMO = {}\n\ndef half(number):\n    MEMO[number] = 1"),
        (HELPER, "return number / TWO", "return MEMO[number]"),
        (LONELY, "THREE = 3", "from tasks.helper import half\n\ndef other():\n    half(3)\n    return 1")),
]
# fmt: on


@pytest.mark.parametrize("row", HARMLESS, ids=lambda row: row.name)
def test_what_does_not_change_what_a_node_does_reruns_nothing(tmp_path, monkeypatch, kept, row):
    project_of(tmp_path)
    assert reruns_after(tmp_path, row, NODES, monkeypatch, kept) == row.reruns == set()


@pytest.mark.parametrize("row", [*SEEN, *UNRESOLVED, *FILES, *IN_VAIN], ids=lambda row: row.name)
def test_an_edit_reruns_the_nodes_that_reach_it_and_no_others(tmp_path, monkeypatch, kept, row):
    project_of(tmp_path)
    assert reruns_after(tmp_path, row, NODES, monkeypatch, kept) == row.reruns


# The real project

TRAIN, EVALUATE = {"train[baseline]", "train[dropout]"}, {"evaluate[baseline]", "evaluate[dropout]"}
REAL = {
    name: (f"tasks.{name.partition('[')[0]}", name.partition("[")[0], name.partition("[")[2].rstrip("]") or None)
    for name in ("download", "validate", "prepare", *sorted(TRAIN), *sorted(EVALUATE), "compare", "report")
}
NEW_NETWORK = "\n\n@network(fast=1, article=1, smoke=1)\ndef third():\n    return None\n"
# fmt: off
REAL_ROWS = [
    Row("what a data set is", ("tasks/fashion_mnist.py", "for split in (", "for split in sorted("),
        {"download", "validate", "prepare", "report"}),
    Row("the data set's own figures", ("tasks/fashion_mnist.py", "47_040_016", "47_040_017"), {"report"}),
    Row("how images are scaled", ("tasks/prepare.py", "/ 255", "/ 256"), {"prepare"}),
    Row("how images are split", ("tasks/prepare.py", "- round(len(order)", "- int(len(order)"), {"prepare"}),
    Row("how many images are worked on at a time", ("tasks/idx.py", "AT_ONCE = 2_000", "AT_ONCE = 2_001"),
        {"validate", "prepare", "report"}),
    Row("how arrays are saved", ("tasks/prepare.py", "np.ascontiguousarray(array)", "array"), {"prepare", *EVALUATE}),
    Row("one network", ("tasks/networks.py", "width: int = 128) ->", "width: int = 64) ->"), {"train[baseline]"}),
    Row("the other network", ("tasks/networks.py", "rate: float = 0.5", "rate: float = 0.4"), {"train[dropout]"}),
    Row("a network's hint", ("tasks/networks.py", "width: int = 128) -> keras.Model", "width: int = 128) -> object"),
        NONE),
    Row("a new network", ("tasks/networks.py", "\n\n@network(fast=3", f"{NEW_NETWORK}\n\n@network(fast=3"), NONE),
    Row("the learning rate's schedule", ("tasks/train.py", "0.1 + 0.9", "0.2 + 0.8"), TRAIN),
    Row("the length of the warm-up", ("tasks/train.py", "WARM_UP = 0.3", "WARM_UP = 0.4"), TRAIN),
    Row("how a split is loaded", ("tasks/train.py", 'mmap_mode="r"', 'mmap_mode="c"'), TRAIN | EVALUATE),
    Row("how probabilities are measured", ("tasks/metrics.py", "BINS = 15", "BINS = 10"), {*EVALUATE, "compare"}),
    Row("an interval", ("tasks/statistics.py", "hits + squared / 2", "hits + squared / 3"), {*EVALUATE, "compare"}),
    Row("a test", ("tasks/statistics.py", "only_second, 0.5)", "only_second, 0.4)"), {"compare"}),
    Row("what the article claims", ("tasks/claims.py", '"test": 0.9211', '"test": 0.9212'), {"compare", "report"}),
    Row("a drift that is borne", ("tasks/validate.py", "DRIFT = 5.0", "DRIFT = 6.0"), {"validate"}),
    Row("how IDX is read", ("tasks/idx.py", "np.uint8,", "np.int8,"), {"validate", "prepare", "report"}),
    Row("how a header is read", ("tasks/idx.py", "file.read(16)", "file.read(17)"),
        {"download", "validate", "prepare", "report"}),
    Row("how long a mirror is waited for", ("tasks/download.py", "PATIENCE = 20", "PATIENCE = 21"), {"download"}),
    Row("the page's style", ("tasks/report/style.css", "{", "{ color: red;"), {"report"}),
    Row("the page's template", ("tasks/report/page.html.j2", "<", "<!-- --><"), {"report"}),
    Row("how the page is published", ("tasks/report/publish.py", "new.replace(target)", "new.rename(target)"), NONE),
    Row("a figure's ink", ("tasks/report/figures.py", "#123456", "#123457"), {"report"}),
    Row("the store", ("tasks/artifacts/store.py", "import", "import this\nimport"), NONE),
    Row("the settings' defaults", ("tasks/fields.py", "0.1, gt=0, lt=1", "0.2, gt=0, lt=1"), NONE),
    Row("the wiring", (MAIN, "raw = run(download)", "raw = run(download, 1)"), NONE),
    Row("something done when networks are imported", ("tasks/networks.py", "\nNETWORKS", "\nprint()\nNETWORKS"),
        set(REAL)),
]
# fmt: on


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
    path = copy_of_the_project / row.edit[0]
    source = path.read_text()
    try:
        assert reruns_after(copy_of_the_project, row, REAL, monkeypatch, kept_of_the_real_project) == row.reruns
    finally:
        path.write_text(source)


def test_a_real_network_is_named_in_its_own_training_and_in_no_other():
    trained = code_of("tasks.train", "train", "baseline")
    registered = ("NETWORKS", "Network", "baseline", "network")
    assert {name for name in trained if name.startswith("tasks/networks.py: ")} == {
        f"tasks/networks.py: {name}" for name in ("Any", "Callable", "dataclass", *registered)
    }
    assert "tasks/networks.py: dropout" in code_of("tasks.train", "train")


def test_each_definition_has_a_digest_of_sixteen_digits_sorted_by_name():
    reached = code_of("tasks.prepare", "prepare")
    assert reached["tasks/prepare.py: scale"]
    assert list(reached) == sorted(reached)
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in reached.values())


def test_the_digests_are_the_same_in_every_process_and_nothing_is_imported_for_them():
    program = (
        "import sys; from pathlib import Path; from tasks.artifacts import files; files.ANSWERS = Path('no', 'where');"
        "from tasks.artifacts.code import code_of; print(code_of('tasks.report', 'report'));"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('tasks', 'flows', 'numpy')))"
    )
    printed = {
        subprocess.check_output([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, cwd=PROJECT, text=True)
        for seed in ("1", "2", "3")
    }
    assert printed == {
        f"{code_of('tasks.report', 'report')}\n"
        "['tasks', 'tasks.artifacts', 'tasks.artifacts.code', 'tasks.artifacts.files', 'tasks.artifacts.identity', "
        "'tasks.artifacts.project', 'tasks.artifacts.syntax']\n"
    }


def test_many_threads_find_the_same(tmp_path, monkeypatch):
    project_of(tmp_path)
    expected = digests_of(tmp_path, NODES, monkeypatch)
    code.files_at.cache_clear()
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
    apply(tmp_path, (DEEPER, "TWO = 2", "import tasks.load\n\nTWO = tasks.load.LIMIT"))
    row = Row("", (LOAD, "LIMIT = 3", "LIMIT = 4"), BOTH)
    assert reruns_after(tmp_path, row, NODES, monkeypatch, {}) == row.reruns


def test_a_package_may_call_a_function_as_its_module(tmp_path, monkeypatch):
    project_of(tmp_path)
    (tmp_path / "tasks/page/paint.py").write_text("def paint():\n    return 1\n")
    apply(tmp_path, (PAGE, "import arrow", "import arrow\nfrom tasks.page.paint import paint"))
    apply(tmp_path, in_load("from tasks.page import paint; print(paint())")[0])
    row = Row("", ("tasks/page/paint.py", "return 1", "return 2"), LOADS)
    assert reruns_after(tmp_path, row, NODES, monkeypatch, {}) == row.reruns


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
    apply(tmp_path, (HELPER, "SCALE = 3", "SCALE = 4"))
    assert {name: code_of(*node) for name, node in NODES.items()} == before
