"""A small project whose code is edited: what is in it, its nodes, and what an edit of it is."""

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
from tasks.pipeline.node import node
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
from tasks.pipeline.node import node

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
from tasks.pipeline.node import node
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

from tasks.pipeline.node import node
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


LOAD, HELPER, DEEPER, TABLE, RECORD = (f"tasks/{name}.py" for name in ("load", "helper", "deeper", "table", "record"))
NETS, FIT_IT, SCORE, TOOLS, LONELY = (f"tasks/{name}.py" for name in ("nets", "fit", "score", "tools", "lonely"))
MORE, PAGE, SHAPES, MAIN = "tasks/more.py", "tasks/page/__init__.py", "tasks/page/shapes.py", "flows/main.py"

BUILDERS = SOURCES[NETS].partition("@net(size=1)")[2]


def in_load(line):
    """Put a line into `load`, and what it may need at its module's top."""
    return (
        (LOAD, "    rows: list", f"    {line}\n    rows: list"),
        (LOAD, "import json", "import importlib\nimport subprocess\nimport sys\n\nimport json"),
    )


THREE = (LONELY, "THREE = 3", "THREE = 4")
STAR = (SHAPES, "    return text\n", "    return text + text\n")
