"""What code a node runs, by definition and not by file: read off the syntax trees, without importing anything.

A definition reaches each name that occurs in it, through imports and re-exports; what is done when its modules are
imported; whoever may change what it reaches, wherever that stands; the scripts and data files that it names. What
cannot be resolved counts as the whole module, or as all of them.

Counted though behaviour stays the same: another name for a local variable or an import; another order of statements
where one of them does something on import; a hint on a function with a library's decorator, in a class, or where code
looks at hints; a class that a node's hint no longer names; the arguments of a network's decorator; in any module that
is imported, a constant worked out by a call; whatever shares a memo.
"""

import ast
import builtins
import copy
import gc
import hashlib
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from tasks.artifacts.identity import PROJECT, digest_of

PACKAGES = ("tasks", "flows")

# How an artifact is kept and shown says nothing about what is in it.
NOT_IN_THE_RESULT = ("tasks.artifacts", "tasks.node", "tasks.errors", "tasks.settings", "tasks.progress", "tasks.child")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words after which names can no longer be followed one by one.
OWN_MODULE = _words("eval exec globals vars locals __dict__ __globals__ getmembers _getframe")
ANY_MODULE = _words(
    "import_module __import__ sys.modules run_module run_path resolve_name iter_modules walk_packages "
    "spec_from_file_location entry_points __subclasses__"
)
# Words of code that looks at what is dropped elsewhere.
LOOKS = {
    "hints": _words(
        "get_type_hints __annotations__ __annotate__ get_annotations signature getfullargspec validate_call "
        "validate_arguments singledispatch singledispatchmethod TypeAdapter create_model beartype typechecked"
    ),
    "docs": _words("__doc__ getdoc"),
}
WRITERS = _words(  # methods that change their object
    "append extend insert remove clear update add discard sort reverse appendleft extendleft register set move_to_end "
    "rotate subtract intersection_update difference_update symmetric_difference_update __setitem__ __setattr__ "
    "__delitem__ __delattr__ __ior__ __iadd__"
)
TAKERS = _words("pop popitem popleft setdefault")  # they tell what was there, too
SETTERS = _words(  # functions that change their first argument
    "setattr delattr setitem delitem __setattr__ __delattr__ object shuffle heapify heappush heappop insort "
    "insort_left insort_right copyto put at"
)
ACCESSORS = _words("get values items")  # what they give is part of what they are asked

Chain = tuple[str, ...]  # a dotted name
Place = tuple[str, str | None]  # a module, and a name in it (None: any)
Step = tuple["_Module", str | None]
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
NO_FIELDS = ("ctx", "kind", "type_comment")  # they say nothing that the rest of the tree does not

_OURS = "|".join(PACKAGES)
_DOTTED = re.compile(rf"\b(?:{_OURS})(?:\.\w+)+")
_UNFINISHED = re.compile(rf"\b(?:{_OURS})\.[\w.]*(?:[^\w.\s]|$)(?<!\w)|\b(?:from|import) (?:{_OURS})\b")

_alone = threading.Lock()  # in Python 3.11 two threads that parse at once raise SystemError (CPython issue 106905)


def code_of(module: str, name: str, entry: str | None = None) -> dict[str, str]:
    """Return what a definition reaches: `{"tasks/networks.py: baseline": <16 hexadecimal digits>, …}`, sorted by name.

    `entry` names the one entry that it uses of a registry that a decorator fills; without it, all of them count.
    The files are read once a process: what runs is what was there when it started.

    Raises:
        LookupError: the project has no such module.
    """
    with _alone:
        project = project_at(PROJECT)
        if not project.module(module):
            raise LookupError(f"{module} is not a module of {PROJECT}")
        looks: frozenset[str] = frozenset()
        while True:
            reach = _Reach(project, entry, looks)
            reach.follow((*module.split("."), name))
            if reach.looks_at <= looks:
                return reach.items()
            looks |= reach.looks_at


@cache
def project_at(folder: Path) -> "_Project":
    """Return the project in a folder as it is at the first call."""
    collects = gc.isenabled()
    gc.disable()  # nothing of the trees is garbage, and looking for it takes as long as reading them
    try:
        return _Project(folder)
    finally:
        if collects:
            gc.enable()


class _Reader:
    """Reads off a piece of code what it names, what it changes, and when: on import, or later, in a function's body."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.uses: set[tuple[Chain, str, bool]] = set()  # name; "", "[]", "[key]" or "=" for how; later?
        self.changes: set[tuple[Chain, bool]] = set()  # name; under a definition's own name?
        self.passed: set[tuple[Chain, Chain]] = set()  # function, argument
        self.aliases: dict[str, set[Chain]] = defaultdict(set)
        self.owners: dict[str, set[Chain]] = defaultdict(set)  # what a variable may be a part of
        self.words: set[str] = set()
        self.strings: set[str] = set()
        self.imported: set[Chain] = set()
        self.wholes: set[str] = set()
        self.functions: list[Function] = []
        self.docs: set[int] = set()
        self.hints: dict[int, _Reader] = {}  # what each hint names, by the identity of its tree
        self.droppable: set[int] = set()  # hints of variables
        self.scopes: list[set[str]] = []
        self.changing: set[str] = set()  # functions that may change what they are given
        self.later = self.in_class = False

    def read(self, node: Any) -> None:
        """Read a tree, or a list of them."""
        if isinstance(node, list):
            for part in node:
                self.read(part)
        elif isinstance(node, ast.AST):
            SPECIAL.get(type(node), _Reader._parts)(self, node)

    def _parts(self, node: ast.AST) -> None:
        for part in _children(node):
            self.read(part)

    def definition(self, node: Definition) -> None:
        self.words.add(node.name)
        if ast.get_docstring(node, clean=False) is not None:
            self.docs.add(id(node.body[0]))
        before = self.later, self.in_class
        for name, part in node.__dict__.items():
            if name == "returns" and part:
                self._hint(part)
            elif name != "body" and isinstance(part, ast.AST | list):
                self.read(part)
        if isinstance(node, ast.ClassDef):
            self.in_class = True
            self.read(node.body)
        else:
            self.functions.append(node)
            self._body(node, node.body)
        self.later, self.in_class = before

    def argument(self, node: ast.arg) -> None:
        if node.annotation:
            self._hint(node.annotation)

    def _hint(self, node: ast.expr) -> None:
        reader = self.hints[id(node)] = _Reader(self.package)
        reader.scopes, reader.later = [*self.scopes], self.later
        reader.read(node)

    def kept(self, dropped: frozenset[int]) -> "_Reader":
        """Return all that is named, in the hints too but for those that are dropped."""
        kept = [reader for hint, reader in self.hints.items() if hint not in dropped]
        if not kept:
            return self
        all_of_it = copy.copy(self)
        all_of_it.uses = self.uses.union(*(reader.uses for reader in kept))
        all_of_it.words = self.words.union(*(reader.words for reader in kept))
        all_of_it.strings = self.strings.union(*(reader.strings for reader in kept))
        return all_of_it

    def function_without_name(self, node: ast.Lambda) -> None:
        before = self.later, self.in_class
        self.read(node.args)
        self._body(node, [node.body])
        self.later, self.in_class = before

    def _body(self, node: Function | ast.Lambda, body: list[Any]) -> None:
        """Read what a function does when it is called; its own names hide those of the module."""
        arguments = {argument.arg for argument in _arguments(node.args)}
        shared: set[str] = set()
        own = arguments.union(_bound_by(body, shared))
        self.scopes.append(own - shared)
        self.later, self.in_class = True, False
        for part in body:
            if id(part) not in self.docs:
                self.read(part)
        self.scopes.pop()
        if any(chain[:1] == (f"<{name}>",) for chain, _ in self.changes for name in arguments):
            self.changing.add(getattr(node, "name", ""))

    def comprehension(self, node: Any) -> None:
        self.read(node.generators[0].iter)  # where the comprehension stands, not in it
        self.scopes.append(set(_bound_by([part.target for part in node.generators], set())))
        self._parts(node)
        self.scopes.pop()

    def _own(self, name: str) -> str:
        """Return a name so that a function's own is no other's."""
        for scope in self.scopes:
            if name in scope:
                return f"<{name}>"
        return name

    def _chain(self, node: ast.AST) -> Chain | None:
        chain = _chain(node)
        return (self._own(chain[0]), *chain[1:]) if chain else None

    def _root(self, node: ast.AST, through_calls: bool = True) -> Chain | None:
        """Return the name of what this is, or is a part of; () for the module's own names."""
        chain = self._chain(node)
        if chain:
            return chain
        if isinstance(node, ast.Subscript | ast.Attribute | ast.Starred):
            return self._root(node.value, through_calls)
        if not isinstance(node, ast.Call):
            return None
        function = _chain(node.func) or ("",)
        if function[-1] in ("globals", "vars", "locals", "getattr"):
            owner = self._root(node.args[0], through_calls) if node.args else ()
            return owner and (*owner, *_text(node.args[1:]))
        if through_calls or (isinstance(node.func, ast.Attribute) and node.func.attr in ACCESSORS):
            return self._root(node.func, through_calls)
        return None

    def _change(self, node: ast.AST, *names: str, by_name: bool = False) -> None:
        root = self._root(node)
        if root is not None:
            self.changes.add(((*root, *names), by_name))

    def _mention(self, chain: Chain) -> None:
        self.words.update(chain)
        self.words.add(".".join(chain[-2:]))

    def name(self, node: ast.Name) -> None:
        self.words.add(node.id)
        if isinstance(node.ctx, ast.Load):
            self.uses.add(((self._own(node.id),), "", self.later))

    def attribute(self, node: ast.Attribute) -> None:
        chain, stores = self._chain(node), not isinstance(node.ctx, ast.Load)
        if stores:
            self._change(node.value, node.attr)
        elif node.attr in WRITERS or node.attr in TAKERS:
            self._change(node.value)
        if chain is None:
            self.words.add(node.attr)
            self.read(node.value)
        else:
            self._mention(chain)
            writes = node.attr in WRITERS
            self.uses.add((chain[:-1] if writes else chain, "=" if stores or writes else "", self.later))

    def subscript(self, node: ast.Subscript) -> None:
        chain, stores = self._chain(node.value), not isinstance(node.ctx, ast.Load)
        if stores:
            self._change(node.value, by_name=isinstance(node.slice, ast.Attribute) and node.slice.attr == "__name__")
        if chain is None:
            self.read(node.value)
        else:
            self._mention(chain)
            self.uses.add((chain, "=" if stores else f"[{''.join(_text([node.slice]))}]", self.later))
        self.read(node.slice)

    def call(self, node: ast.Call) -> None:
        function = self._chain(node.func) or ("",)
        text = "".join(_text(node.args))
        if function[-1] in ("import_module", "__import__") and text:
            levels = len(text) - len(text.lstrip("."))
            self.wholes.add(".".join(_absolute(self.package, levels, text.lstrip("."))))
            self.uses.add((function, "", self.later))
            self.read(node.args)
            self.read(node.keywords)
            return
        if function[-1] in SETTERS and node.args:
            self._change(node.args[0], *_text(node.args[1:]))
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            passed = self._chain(argument)
            if passed:
                self.passed.add((function, passed))
        self._parts(node)

    def shared(self, node: ast.Global) -> None:
        self.changes |= {((name,), False) for name in node.names}

    def binding(self, node: Any) -> None:
        parts = dict(ast.iter_fields(node))
        source = parts.get("value") or parts.get("iter") or parts.get("context_expr")
        owner = self._root(source, through_calls=False) if source else None
        targets = parts.get("targets") or [parts.get("target") or parts.get("optional_vars")]
        if owner:
            for name in _bound_by(targets, set()):
                self.owners[self._own(name)].add(owner)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and self.later:
            self.changes.add(((self._own(node.target.id),), False))
        hint = parts.pop("annotation", None)
        if hint:
            self._hint(hint)
            self.droppable |= set() if self.in_class else {id(hint)}
        for part in parts.values():
            self.read(part)

    def constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.strings.add(node.value)

    def text_with_gaps(self, node: ast.JoinedStr) -> None:
        parts = [str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values]
        if re.search(r"\w", "".join(parts)):
            self.strings.add("".join(parts))
        self.read([part for part in node.values if not isinstance(part, ast.Constant)])

    def choice(self, node: ast.If) -> None:
        if _is_for_type_checker(node.test):
            self.read(node.orelse)
        else:
            self._parts(node)

    def imports(self, node: ast.Import | ast.ImportFrom) -> None:
        source = _absolute(self.package, node.level, node.module or "") if isinstance(node, ast.ImportFrom) else ()
        for alias in node.names:
            target = (*source, *alias.name.split("."))
            self.imported.add(target)
            if alias.name == "*":
                self.wholes.add(".".join(source))
            elif source or alias.asname:
                self.aliases[self._own(alias.asname or alias.name)].add(target)
            else:
                self.aliases[self._own(target[0])].add(target[:1])


SPECIAL: dict[type[ast.AST], Any] = {
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef), _Reader.definition),
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), _Reader.comprehension),
    **dict.fromkeys((ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr), _Reader.binding),
    **dict.fromkeys((ast.For, ast.AsyncFor, ast.comprehension, ast.withitem), _Reader.binding),
    **dict.fromkeys((ast.Import, ast.ImportFrom), _Reader.imports),
    ast.Lambda: _Reader.function_without_name,
    ast.arg: _Reader.argument,
    ast.Name: _Reader.name,
    ast.Attribute: _Reader.attribute,
    ast.Subscript: _Reader.subscript,
    ast.Call: _Reader.call,
    ast.Global: _Reader.shared,
    ast.Constant: _Reader.constant,
    ast.JoinedStr: _Reader.text_with_gaps,
    ast.If: _Reader.choice,
}


class _Unit:
    """A statement of a module that counts as a whole, or one name that an import binds."""

    def __init__(
        self, module: "_Module", place: int, names: Iterable[str], node: ast.stmt | None, aliases: Any
    ) -> None:
        self.module, self.place, self.names, self.node = module, place, tuple(names), node
        self.all_in_it = _Reader(module.package)
        self.all_in_it.read(node)
        self.aliases: dict[str, set[Chain]] = aliases or self.all_in_it.aliases
        for name, targets in self.aliases.items():  # a word under another name
            self.all_in_it.words |= {word for t in targets for word in (".".join(t[-2:]), t[-1]) if name != t[-1]}
        # It does more, when the module is imported, than to bind its names.
        self.acts = node is not None and not _only_binds(node, module.bound)

    @property
    def sees(self) -> set[str]:
        """What it names when the module is imported."""
        return {chain[0] for chain, _, later in self.all_in_it.uses if not later and chain}

    def digest(self, skipped: frozenset[int]) -> str:
        """Return the digest of the unit without what is skipped."""
        if self.node is None:
            return digest_of([self.names, sorted(map(list, self.aliases[self.names[0]]))])
        text = _dump(self.node, skipped)
        hinted = "annotation=" in text or "returns=" in text  # then it matters whether hints are evaluated
        return digest_of([text, self.module.future if hinted else []])


class _Module:
    """A file's units, by the names that they bind."""

    def __init__(self, name: str, path: Path, content: bytes) -> None:
        self.name, self.path, self.content = name, path, content
        self.package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.excluded = _is_excluded(name)
        self.units: list[_Unit] = []
        self.main: list[_Unit] = []
        self.bound: dict[str, list[_Unit]] = defaultdict(list)
        self.stars: set[str] = set()
        self.future: list[str] = []
        self.imported: set[Chain] = set()  # anywhere in it, but for the type checker
        self.doc: str | None = None
        self.broken = False
        if self.excluded:
            source = self.content.decode(errors="replace")
            names = _DOTTED.findall(source)
            if all(map(_is_excluded, names)) and not re.search(rf"\bfrom +(\.|({_OURS}) )", source):
                self.imported = {tuple(name.split(".")) for name in names}
                return  # it can neither change nor pass on what counts, and parsing takes time
        try:
            tree = ast.parse(self.content)
            self.doc = ast.get_docstring(tree, clean=False)
            for statement in tree.body[self.doc is not None :]:
                self._add(statement)
        except (SyntaxError, ValueError, RecursionError):
            self.broken = True
        for unit in (*self.units, *self.main):
            self.imported |= unit.all_in_it.imported

    def _add(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.If) and _is_for_type_checker(statement.test):
            for other in statement.orelse:
                self._add(other)
        elif isinstance(statement, ast.If) and not statement.orelse and _is_main(statement.test):
            self.main.append(_Unit(self, len(self.main), ("__main__",), statement, None))
        elif isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            self.future += sorted(alias.name for alias in statement.names)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            reader = _Reader(self.package)
            reader.read(statement)
            self.stars |= reader.wholes
            self.imported |= reader.imported
            for name, targets in reader.aliases.items():
                self._bind(_Unit(self, len(self.units), (name,), None, {name: targets}))
        else:
            unit = _Unit(self, len(self.units), _bound_by(statement, set()), statement, None)
            if not isinstance(statement, Definition):
                self.stars |= unit.all_in_it.wholes
            self._bind(unit)

    def _bind(self, unit: _Unit) -> None:
        self.units.append(unit)
        for name in unit.names:
            self.bound[name].append(unit)


_module_of = cache(_Module)  # a project that is read again shares what is as it was


class _Project:
    """All modules, and who may change what in them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tops = {path.stem for path in root.iterdir()}
        self.modules: dict[str, _Module | None] = {}
        self.files: dict[str, list[Path]] = defaultdict(list)  # by their names
        inside = [path for package in PACKAGES for path in sorted((root / package).rglob("*"))]
        for path in (file.relative_to(root) for file in (*root.iterdir(), *inside) if file.is_file()):
            if not _is_hidden(path):
                self.files[path.name].append(path)
                if path.suffix == ".py" and path.parent.name:
                    self.module(_module_name(path))
        self.everything = [module for module in self.modules.values() if module]
        self.changers: dict[Place, set[_Unit]] = defaultdict(set)
        self.entries: dict[Place, set[_Unit]] = defaultdict(set)  # those of the changers that are told by their names
        self.registering: set[_Unit] = set()
        self._steps: dict[tuple[str, Chain], list[Step]] = {}
        self._readers: dict[tuple[_Unit, frozenset[str]], tuple[_Reader, str]] = {}
        self._find_changers()

    def module(self, name: str) -> _Module | None:
        """Return a module of the project, or None for another's."""
        if name not in self.modules:
            stem = Path(*name.split("."))
            there = stem.parts[0] in self.tops
            paths = [
                path
                for path in (stem / "__init__.py", stem.with_suffix(".py"))
                if there and (self.root / path).is_file()
            ]
            self.modules[name] = _module_of(name, paths[0], (self.root / paths[0]).read_bytes()) if paths else None
        return self.modules[name]

    def steps(self, chain: Chain, module: str = "") -> list[Step]:
        """Return every place on the way to what a dotted name may mean, absolute or in a module."""
        key = (module, chain)
        if key not in self._steps:
            found: dict[tuple[_Module, str | None, Chain], None] = {}
            within = self.module(module) if module else None
            if within:
                self._walk(within, chain, found)
            else:
                self._walk_absolute(chain, found)
            self._steps[key] = [step[:2] for step in found]
        return self._steps[key]

    def _walk_absolute(self, chain: Chain, found: dict[Any, None]) -> None:
        for cut in range(1, len(chain) + 1):
            module = self.module(".".join(chain[:cut]))
            if module is None:
                return
            rest = chain[cut:]
            if not rest or rest[0] in module.bound or not self.module(".".join(chain[: cut + 1])):
                self._walk(module, rest, found)

    def _walk(self, module: _Module, chain: Chain, found: dict[Any, None]) -> None:
        name = chain[0] if chain and chain[0] != "__dict__" else None
        step = (module, name, chain[1:])
        if step in found:
            return
        found[step] = None
        for unit in module.bound.get(name or "", ()):
            for target in unit.aliases.get(name or "", ()):
                self._walk_absolute(target + chain[1:], found)
            for owner in unit.all_in_it.owners.get(name or "", ()):
                self._walk(module, owner + chain[1:], found)

    def steps_in(self, unit: _Unit, reader: _Reader, chain: Chain) -> Iterator[Step]:
        """Yield the places of a name as it stands in a unit: what it imports itself, its module's names."""
        chains = [chain]
        for one in chains:  # grows, by what a variable is a part of
            if not one or one[0] in unit.module.bound:
                yield from self.steps(one, unit.module.name)
            if one:
                for target in reader.aliases.get(one[0], ()):
                    yield from self.steps(target + one[1:])
                chains += [owner for owner in reader.owners.get(one[0], ()) if owner not in chains]

    def read(self, unit: _Unit, looks: frozenset[str]) -> tuple[_Reader, str]:
        """Return what a unit names, and its digest, without docstrings and hints that nobody looks at."""
        if (unit, looks) not in self._readers:
            hints = frozenset() if "hints" in looks else self._hints(unit)
            docs = frozenset() if "docs" in looks else frozenset(unit.all_in_it.docs)
            self._readers[unit, looks] = unit.all_in_it.kept(hints), unit.digest(hints | docs)
        return self._readers[unit, looks]

    def _hints(self, unit: _Unit) -> frozenset[int]:
        hints = set(unit.all_in_it.droppable)
        for function in unit.all_in_it.functions:
            if all(self._ignores_hints(unit, decorator) for decorator in function.decorator_list):
                parts = (function.returns, *(argument.annotation for argument in _arguments(function.args)))
                hints |= {id(part) for part in parts if part}
        return frozenset(hints)

    def _ignores_hints(self, unit: _Unit, decorator: ast.expr) -> bool:
        chain = _chain(decorator.func if isinstance(decorator, ast.Call) else decorator)
        return any(
            module.name == "tasks.node" or not self.registering.isdisjoint(module.bound.get(name or "", ()))
            for module, name in (self.steps_in(unit, unit.all_in_it, chain) if chain else ())
        )

    def _find_changers(self) -> None:
        units = [unit for module in self.everything for unit in (*module.units, *module.main) if unit.node]
        self.callers: dict[Place, set[tuple[_Unit, bool]]] = defaultdict(set)  # and whether later than on import
        for unit in units:
            for chain, _, later in unit.all_in_it.uses:
                for module, name in self.steps_in(unit, unit.all_in_it, chain):
                    self.callers[module.name, name].add((unit, later))
        self.changing_methods = {name for unit in units for name in unit.all_in_it.changing if name not in unit.names}
        for unit in units:
            changed: dict[Place, bool] = {}
            for place, by_name in self._changed_by(unit):
                changed[place] = changed.get(place, True) and by_name
            for place, by_name in changed.items():
                self._attach(place, unit, by_name)
            if isinstance(unit.node, ast.ClassDef) and _sees_subclasses(unit.node):
                self._attach((unit.module.name, unit.names[0]), unit, False, only_classes=True)

    def _changed_by(self, unit: _Unit) -> Iterator[tuple[Place, bool]]:
        """Yield each place that a unit may change, and whether it does so under a definition's own name."""
        reader = unit.all_in_it
        changes = set(reader.changes)
        for function, argument in reader.passed:
            called = (b for m, n in self.steps_in(unit, reader, function) for b in m.bound.get(n or "", ()))
            if any(other.all_in_it.changing for other in called):
                changes.add((argument, False))
        steps = [(step, by_name) for chain, by_name in changes for step in self.steps_in(unit, reader, chain)]
        for chain, _, _ in reader.uses:
            if chain[-1] in self.changing_methods and len(chain) > 1:
                steps += [(step, False) for step in self.steps_in(unit, reader, chain[:-1]) if step[1]]
        for text in reader.strings:
            if _DOTTED.fullmatch(text):  # a patch by its name
                named = self.steps(tuple(text.split(".")))
                steps += [(step, False) for step in named if step[1] or (changes and reader.words & ANY_MODULE)]
        steps += [((module, None), False) for name in reader.wholes if changes and (module := self.module(name))]
        for (module, name), by_name in steps:
            others = module.bound.get(name or "", ())
            targets = [target for other in others if not other.node for target in other.aliases[other.names[0]]]
            foreign = targets and not any(self.module(target[0]) for target in targets)
            if not module.excluded and not foreign and unit not in others:
                yield (module.name, name), by_name

    def _attach(self, place: Place, changer: _Unit, by_name: bool, only_classes: bool = False) -> None:
        """Note who changes a place, and who calls that: whatever holds the call may bring the change about."""
        self.changers[place].add(changer)
        waiting, seen = [changer], {(changer, True)}
        while waiting:
            called = waiting.pop()
            if not isinstance(called.node, Definition):
                continue
            for caller, later in self.callers[called.module.name, called.names[0]] - seen:
                is_class = isinstance(caller.node, ast.ClassDef)
                if only_classes and (later or not is_class):
                    continue
                seen.add((caller, later))
                self.changers[place].add(caller)
                if later or is_class:
                    waiting.append(caller)
                elif by_name and called is changer and len(getattr(caller.node, "decorator_list", ())) == 1:
                    self.entries[place].add(caller)
                    self.registering.add(changer)


class _Reach:
    """What a definition reaches, found step by step."""

    def __init__(self, project: _Project, entry: str | None, looks: frozenset[str]) -> None:
        self.project, self.entry, self.looks = project, entry, looks
        self.looks_at: set[str] = set()
        self.units: dict[_Unit, str] = {}
        self.wholes: set[_Module] = set()
        self.imported: set[_Module] = set()
        self.files: set[Path] = set()
        self.seen: set[tuple[_Module, str | None, str]] = set()
        self.waiting: list[_Unit] = []

    def follow(self, chain: Chain) -> None:
        """Reach what an absolute name means, and all that follows from it."""
        steps = self.project.steps(chain)
        self._reach(steps, "")
        for unit in (unit for module, name in steps for unit in module.bound.get(name or "", ())):
            self._read(unit, unit.all_in_it.kept(frozenset()))  # its hints tell whose methods its arguments bring along
        while self.waiting:
            unit = self.waiting.pop()
            if unit not in self.units:
                reader, self.units[unit] = self.project.read(unit, self.looks)
                self._read(unit, reader)

    def items(self) -> dict[str, str]:
        """Return a digest for each name reached, for each module reached as a whole, for each file."""
        found: dict[str, list[Any]] = defaultdict(list)
        for unit, digest in sorted(self.units.items(), key=lambda pair: pair[0].place):
            if unit.module not in self.wholes or unit in unit.module.main:
                for name in unit.names or ("(on import)",):
                    found[f"{unit.module.path.as_posix()}: {name}"].append(digest)
        for module in self.imported - self.wholes:
            order = self._order([unit for unit in module.units if unit in self.units])
            if len(order) > 1:
                found[f"{module.path.as_posix()}: (order)"] = order
            if "docs" in self.looks and not module.excluded:
                found[f"{module.path.as_posix()}: __doc__"] = [module.doc]
        for module in self.wholes:
            digests = [self.project.read(unit, self.looks)[1] for unit in module.units]
            found[module.path.as_posix()] = [_sha256(module.content)] if module.broken else digests
        found |= {path.as_posix(): [_sha256((self.project.root / path).read_bytes())] for path in self.files}
        return {name: digest_of(found[name])[:16] for name in sorted(found)}

    def _order(self, units: list[_Unit]) -> list[str]:
        """Return the statements whose order matters: those that change something, and those that may see it."""
        times = Counter(name for unit in units for name in unit.names)
        changers = {name: self.project.changers.get((units[0].module.name, name), set()) for name in times}
        acting = [unit for unit in units if unit.acts]
        twice = {name for name, count in times.items() if count > 1}
        moved = twice.union(*(unit.sees for unit in acting))
        moving = twice.union(name for name in changers if changers[name])
        changing = set().union(*changers.values())
        return [
            ", ".join(unit.names)
            for unit in units
            if unit.acts
            or (unit.sees and (acting or unit in changing))
            or not moving.isdisjoint(unit.sees)
            or not (moved if unit.node else twice).isdisjoint(unit.names)
        ]

    def _reach(self, steps: Iterable[Step], use: str) -> None:
        for module, name in steps:
            if (module, name, use) in self.seen:
                continue
            self.seen.add((module, name, use))
            self._import(module)
            if not module.excluded:
                self._take_data(module)
                self.waiting += self.project.changers.get((module.name, None), ())
                self._take_name(module, name)
                if use != "=":
                    self._take_changers((module.name, name), use)

    def _take_name(self, module: _Module, name: str | None) -> None:
        if name is None or module.broken:
            self._take_whole(module)
        elif name in module.bound:
            self.waiting += module.bound[name]
        elif "__getattr__" in module.bound:
            self.waiting += module.bound["__getattr__"]
        elif not module.stars:
            self._take_whole(module)

    def _take_changers(self, place: Place, use: str) -> None:
        """Take who changes a place; of a registry's entries, where it is asked for one, that one alone."""
        entries = self.project.entries.get(place, set())
        wanted = use[1:-1] or self.entry
        if not use or not any(wanted in unit.names for unit in entries):
            entries = set()
        changers = self.project.changers.get(place, ())
        self.waiting += [unit for unit in changers if unit not in entries or wanted in unit.names]

    def _take_whole(self, module: _Module) -> None:
        if module.excluded or module in self.wholes:
            return
        self.wholes.add(module)
        self._import(module)
        for name in module.bound:
            self._reach(self.project.steps((name,), module.name), "")
        if module.path.name == "__init__.py":
            for other in self.project.everything:
                if other.name.startswith(f"{module.name}."):
                    self._take_whole(other)

    def _take_everything(self) -> None:
        for module in self.project.everything:
            self._take_whole(module)
            self._run(module)

    def _take_data(self, module: _Module) -> None:
        """Take the data files beside a sub-package's modules."""
        folder = module.path.parent
        if len(folder.parts) > 1:
            paths = (path for paths in self.project.files.values() for path in paths)
            self.files |= {path for path in paths if folder in path.parents and path.suffix != ".py"}

    def _import(self, module: _Module) -> None:
        """Take what a module does when it is imported, and what all those do that are imported with it."""
        if module in self.imported:
            return
        self.imported.add(module)
        if not module.excluded:
            if module.broken:
                self.wholes.add(module)
            self.waiting += [unit for unit in module.units if unit.acts]
        for chain in (tuple(module.name.split(".")), *module.imported):
            for cut in range(1, len(chain) + 1):
                other = self.project.module(".".join(chain[:cut]))
                if other is None:
                    break
                self._import(other)

    def _read(self, unit: _Unit, reader: _Reader) -> None:
        for chain, use, _ in reader.uses:
            self._reach(self.project.steps_in(unit, reader, chain), use)
        for name in (*unit.module.stars, *reader.wholes):
            module = self.project.module(name)
            if module:
                self._take_whole(module)
        if reader.words & OWN_MODULE:
            self._take_whole(unit.module)
        if reader.words & ANY_MODULE:
            self._take_everything()
        self.looks_at |= {look for look, words in LOOKS.items() if reader.words & words}
        for text in reader.strings:
            self._take_named(text)
            self._take_file(text.rpartition("/")[2], unit.module)

    def _take_named(self, text: str) -> None:
        """Take what a text names of the project: a module to run, a definition, or what may be any of them."""
        module = self.project.module(text) if _DOTTED.fullmatch(text) else None
        if module:
            self._run(module)
        elif text in PACKAGES or _UNFINISHED.search(text):
            self._take_everything()
        else:
            for found in _DOTTED.findall(text):
                self._reach(self.project.steps(tuple(found.split("."))), "")

    def _run(self, module: _Module) -> None:
        self._import(module)
        if not module.excluded:
            self.waiting += module.main
            runner = self.project.module(f"{module.name}.__main__")
            if runner:
                self._take_whole(runner)

    def _take_file(self, pattern: str, module: _Module) -> None:
        """Take the files of this name beside a module or at the project's top; `*` stands for anything."""
        if any(sign in pattern for sign in "*?["):
            names = [name for name in self.project.files if fnmatchcase(name, pattern)]
        else:
            names = [pattern]
        for path in (path for name in names for path in self.project.files.get(name, ())):
            if not path.parent.name or module.path.parent in path.parents:
                script = self.project.module(_module_name(path))
                if path.suffix == ".py" and script:
                    self._take_whole(script)
                    self._run(script)
                else:
                    self.files.add(path)


def _absolute(package: str, level: int, module: str) -> Chain:
    above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
    return (*above, *(module.split(".") if module else []))


def _module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    extra = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]


def _chain(node: ast.AST) -> Chain | None:
    """Return a dotted name, or None if it is something else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else None


def _text(nodes: list[ast.expr]) -> list[str]:
    """Return the first node's text in a list, or an empty list if it is none."""
    first = nodes[0] if nodes else None
    return [first.value] if isinstance(first, ast.Constant) and isinstance(first.value, str) else []


def _children(node: ast.AST) -> list[Any]:
    """Return the parts of a node that may be trees or lists of them; quicker than `ast.iter_child_nodes`."""
    return [part for name, part in node.__dict__.items() if name != "ctx" and isinstance(part, ast.AST | list)]


def _bound_by(node: Any, shared: set[str]) -> list[str]:
    """Return the names that a tree, or several, bind where they stand; put those declared global into `shared`."""
    names: dict[str, None] = {}
    waiting: list[Any] = [node]
    while waiting:
        part = waiting.pop()
        match part:
            case ast.Name():
                if not isinstance(part.ctx, ast.Load):
                    names[part.id] = None
            case list():
                waiting += part
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names[part.name] = None
            case ast.Import() | ast.ImportFrom():
                names |= {a.asname or a.name.split(".")[0]: None for a in part.names if a.name != "*"}
            case ast.Global():
                shared.update(part.names)
            case ast.comprehension():
                waiting += [part.iter, part.ifs]
            case ast.AST() if not isinstance(part, ast.Lambda | ast.Constant):
                if isinstance(part, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and part.name:
                    names[part.name] = None
                elif isinstance(part, ast.MatchMapping) and part.rest:
                    names[part.rest] = None
                waiting += _children(part)
    return list(names)


def _only_binds(statement: ast.stmt, bound: dict[str, list[_Unit]]) -> bool:
    """Tell whether a statement does no more, when it runs, than to bind names."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            inside = statement.body if isinstance(statement, ast.ClassDef) else []
            quiet = all(isinstance(part, ast.Assign | ast.AnnAssign) or _only_binds(part, {}) for part in inside)
            return quiet and not any(
                part.attr in WRITERS for part in _walk(statement.decorator_list) if isinstance(part, ast.Attribute)
            )
        case ast.Assign(targets=targets, value=value):
            return not _stores(targets) and not _acts(value, bound)
        case ast.AnnAssign(target=target, value=value) | ast.AugAssign(target=target, value=value):
            return not _stores([target]) and not (value and _acts(value, bound))
        case ast.If(test=test, body=body, orelse=others):
            return not _acts(test, bound) and all(_only_binds(part, bound) for part in (*body, *others))
        case ast.Try(body=body, handlers=handlers, orelse=others, finalbody=last):
            parts = [*body, *(part for handler in handlers for part in handler.body), *others, *last]
            return all(_only_binds(part, bound) for part in parts)
        case ast.Expr(value=value):
            return isinstance(value, ast.Constant)
    return type(statement).__name__ in ("Import", "ImportFrom", "Pass", "TypeAlias")


def _walk(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    return (part for node in nodes for part in ast.walk(node))


def _stores(targets: Iterable[ast.expr]) -> bool:
    return any(isinstance(part, ast.Attribute | ast.Subscript) for part in _walk(targets))


def _acts(value: ast.expr, bound: dict[str, list[_Unit]]) -> bool:
    """Tell whether a value may do something when it is worked out: it calls what is no class and not Python's own."""
    for call in ast.walk(value):
        chain = _chain(call.func) if isinstance(call, ast.Call) else None
        if chain and chain[-1].lstrip("_")[:1].islower():
            own = len(chain) == 1 and not hasattr(builtins, chain[0])
            if own or (len(chain) > 1 and any(unit.aliases for unit in bound.get(chain[0], ()))):
                return True
    return False


def _sees_subclasses(node: ast.ClassDef) -> bool:
    hooked = any(isinstance(part, Function) and part.name == "__init_subclass__" for part in node.body)
    return hooked or any(keyword.arg == "metaclass" for keyword in node.keywords)


def _is_excluded(name: str) -> bool:
    return any(f"{name}.".startswith(f"{other}.") for other in NOT_IN_THE_RESULT)


def _is_for_type_checker(test: ast.expr) -> bool:
    return (_chain(test) or ("",))[-1] == "TYPE_CHECKING"


def _is_main(test: ast.expr) -> bool:
    return ast.unparse(test) in ("__name__ == '__main__'", "'__main__' == __name__")


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "#")) or part.endswith("~") or part == "__pycache__" for part in path.parts)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _dump(value: Any, skipped: frozenset[int]) -> str:
    """Return a tree as text, without positions and what is skipped; fields that are empty do not show.

    So a new Python's new fields change nothing; where it parses something into another tree, keys change.
    """
    if isinstance(value, list):
        return f"[{', '.join(_dump(part, skipped) for part in value if id(part) not in skipped)}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    if isinstance(value, ast.AnnAssign) and value.value and id(value.annotation) in skipped:
        value = ast.Assign(targets=[value.target], value=value.value)
    fields = []
    for name in value._fields:
        child = getattr(value, name, None)
        if child is not None and child != [] and id(child) not in skipped and name not in NO_FIELDS:
            fields.append(f"{name}={_dump(child, skipped)}")
    return f"{type(value).__name__}({', '.join(fields)})"
