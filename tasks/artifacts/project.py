"""The project as it lies there: its modules and their statements, what a name means in them, and who changes what."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path

from tasks.artifacts.files import PACKAGES, Files
from tasks.artifacts.syntax import (
    Chain,
    Definition,
    Import,
    Statement,
    Use,
    arguments_of,
    chain_of,
    is_for_type_checker,
    parsed,
    words,
)

# How an artifact is kept and shown says nothing about what is in it.
NOT_IN_THE_RESULT = (
    *("tasks.artifacts", "tasks.node", "tasks.fields", "tasks.settings", "tasks.presets"),
    *("tasks.errors", "tasks.progress", "tasks.child", "tasks.serve"),
    "tasks.own_network",  # what it runs counts by its own digest, as a setting
)

# A word after which any module may be meant.
ANY_MODULE = words(
    "import_module __import__ sys.modules run_module run_path resolve_name iter_modules walk_packages "
    "spec_from_file_location entry_points __subclasses__"
)

Place = tuple[str, str | None]  # a module, and a name in it (None: any)
Step = tuple["Module", str | None]
Found = dict[tuple["Module", str | None, Chain], None]

IS_MAIN = ("__name__ == '__main__'", "'__main__' == __name__")
OURS = "|".join(PACKAGES)
DOTTED = re.compile(rf"\b(?:{OURS})(?:\.\w+)+")


class Unit(Statement):
    """A statement of a module; an import counts once for each name."""

    def __init__(self, module: "Module", node: ast.stmt) -> None:
        super().__init__(node, module.package)
        self.module = module
        if isinstance(node, ast.If) and not node.orelse and ast.unparse(node.test) in IS_MAIN:
            self.names, self.acts = ("__main__",), False

    @property
    def sees(self) -> set[str]:
        """What it names when the module is imported."""
        return {use.chain[0] for use in self.uses if not use.later and not use.hint}


class Module:
    """A file's units, by the names that they bind."""

    def __init__(self, name: str, path: Path, content: bytes) -> None:
        self.name, self.path, self.content = name, path, content
        self.package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.excluded = _is_excluded(name)
        self.units: list[Unit] = []
        self.bound: dict[str, list[Unit]] = defaultdict(list)
        self.future: list[str] = []
        self.stars: set[str] = set()
        self.imported: set[Chain] = set()  # anywhere in it, but for the type checker
        self.doc: str | None = None
        self.broken = False
        if self.excluded:
            source = content.decode(errors="replace")
            names = DOTTED.findall(source)
            if all(map(_is_excluded, names)) and not re.search(rf"\bfrom +(\.|({OURS}) )", source):
                self.imported = {tuple(name.split(".")) for name in names}
                return  # it can neither change nor pass on what counts, and parsing takes time
        try:
            tree = parsed(content)
            self.doc = ast.get_docstring(tree, clean=False)
            for statement in tree.body[self.doc is not None :]:
                self._add(statement)
        except (SyntaxError, ValueError, RecursionError):
            self.broken = True

    def _add(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            self.future += sorted(alias.name for alias in statement.names)
            return
        if is_for_type_checker(statement):
            for other in statement.orelse:
                self._add(other)
            return
        parts = [statement]
        if isinstance(statement, Import):
            parts = [type(statement)(**{**statement.__dict__, "names": [alias]}) for alias in statement.names]
        for unit in (Unit(self, part) for part in parts):
            self.units.append(unit)
            self.imported |= unit.imported
            self.stars |= set() if isinstance(statement, Definition) else unit.stars
            for name in unit.names:
                self.bound[name].append(unit)


_module_of = cache(Module)  # a project that is read again shares what is as it was


class Project:
    """All modules, and who may change what in them."""

    def __init__(self, source: Files) -> None:
        self.source = source
        self.looked_elsewhere = False  # whether it depends on files that are not among those
        self.modules: dict[str, Module | None] = {}
        self.files: dict[str, list[Path]] = defaultdict(list)  # by their names
        for path in source.contents:
            self.files[path.name].append(path)
            if path.suffix == ".py" and path.parent.name:
                self.module(module_name(path))
        self.everything = [module for module in self.modules.values() if module]
        self.changers: dict[Place, set[Unit]] = defaultdict(set)
        self.entries: dict[Place, set[Unit]] = defaultdict(set)  # those of the changers that are told by their names
        self._callers: dict[Place, set[tuple[Unit, bool]]] = defaultdict(set)  # and whether later than on import
        self._registering: set[Unit] = set()
        self._steps: dict[tuple[str, Chain], list[Step]] = {}
        self._kept: dict[tuple[Unit, bool], tuple[list[Use], frozenset[int]]] = {}
        self._find_changers()

    def module(self, name: str) -> Module | None:
        """Return a module of the project, or None for another's."""
        if name not in self.modules:
            self.modules[name] = None
            stem = Path(*name.split("."))
            for path in (stem / "__init__.py", stem.with_suffix(".py")):
                if stem.parts[0] in self.source.tops and (content := self._content(path)) is not None:
                    self.modules[name] = _module_of(name, path, content)
                    break
        return self.modules[name]

    def _content(self, path: Path) -> bytes | None:
        """Return what is in a file, or None if there is none."""
        if path in self.source.contents or path.parts[0] in PACKAGES:
            return self.source.contents.get(path)
        elsewhere = self.source.root / path
        there = elsewhere.is_file()
        self.looked_elsewhere |= there or path.parts[0] in self.source.other_packages
        return elsewhere.read_bytes() if there else None

    def steps(self, chain: Chain, module: str = "") -> list[Step]:
        """Return every place on the way to what a dotted name may mean, absolute or in a module."""
        if (module, chain) not in self._steps:
            found: Found = {}
            within = self.module(module) if module else None
            if within:
                self._walk(within, chain, found)
            else:
                self._walk_absolute(chain, found)
            self._steps[module, chain] = [step[:2] for step in found]
        return self._steps[module, chain]

    def modules_on(self, chain: Chain) -> Iterator[Module]:
        """Return the modules on the way along a dotted name, packages first."""
        found = (self.module(".".join(chain[:cut])) for cut in range(1, len(chain) + 1))
        return takewhile(bool, found)  # type: ignore[arg-type]

    def _walk_absolute(self, chain: Chain, found: Found, origin: Step | None = None) -> None:
        """Walk a dotted name from its first module on; not again by the name that was imported as this."""
        modules = list(self.modules_on(chain))
        for cut, module in enumerate(modules, 1):
            if cut == len(modules) or (chain[cut] in module.bound and (module, chain[cut]) != origin):
                self._walk(module, chain[cut:], found)

    def _walk(self, module: Module, chain: Chain, found: Found) -> None:
        name = chain[0] if chain and chain[0] != "__dict__" else ""
        step = (module, name or None, chain[1:])
        if step not in found:
            found[step] = None
            for unit in module.bound.get(name, ()):
                for target in unit.aliases.get(name, ()):
                    self._walk_absolute(target + chain[1:], found, (module, name))
                for owner in unit.owners.get(name, ()):
                    self._walk(module, owner + chain[1:], found)

    def steps_in(self, unit: Unit, chain: Chain) -> Iterator[Step]:
        """Yield the places of a name as it stands in a unit: what it imports itself, its module's names."""
        chains = [chain]
        for one in chains:  # grows, by what a variable is a part of
            first, rest = one[:1], one[1:]
            if not one or one[0] in unit.module.bound:
                yield from self.steps(one, unit.module.name)
            for target in unit.aliases.get("".join(first), ()):
                yield from self.steps(target + rest)
            chains += [owner for owner in unit.owners.get("".join(first), ()) if owner not in chains]

    def units_at(self, steps: Iterable[Step]) -> list[Unit]:
        """Return the units that bind the names at these places."""
        return [unit for module, name in steps for unit in module.bound.get(name or "", ())]

    def read(self, unit: Unit, looks: bool) -> tuple[list[Use], frozenset[int]]:
        """Return what a unit uses, and which of its parts do not count: docstrings and hints, unless code `looks`."""
        if (unit, looks) not in self._kept:
            hints = frozenset() if looks else self._ignored_hints(unit)
            uses = [use for use in unit.uses if use.hint not in hints]
            self._kept[unit, looks] = uses, (hints if looks else hints | unit.docs)
        return self._kept[unit, looks]

    def _ignored_hints(self, unit: Unit) -> frozenset[int]:
        hints = set(unit.hints)
        for function in unit.functions:
            if all(self._ignores_hints(unit, decorator) for decorator in function.decorator_list):
                hints |= {id(argument.annotation) for argument in arguments_of(function.args)} | {id(function.returns)}
        return frozenset(hints) - {id(None)}

    def _ignores_hints(self, unit: Unit, decorator: ast.expr) -> bool:
        chain = chain_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
        steps = list(self.steps_in(unit, chain)) if chain else []
        return any(m.name == "tasks.node" for m, _ in steps) or not self._registering.isdisjoint(self.units_at(steps))

    def _find_changers(self) -> None:
        units = [unit for module in self.everything for unit in module.units if not isinstance(unit.node, Import)]
        for unit in units:
            for use in unit.uses:
                for module, name in () if use.hint else self.steps_in(unit, use.chain):
                    self._callers[module.name, name].add((unit, use.later))
        methods = {name for unit in units for name in unit.changing if name not in unit.names}
        for unit in units:
            for place, by_name in self._changed_by(unit, methods).items():
                self._attach(place, unit, by_name)
            if isinstance(unit.node, ast.ClassDef):
                hooks = [function for function in unit.functions if function.name == "__init_subclass__"]
                if hooks or unit.node.keywords:  # it may do something to its subclasses, or note them
                    self._attach((unit.module.name, unit.names[0]), unit, False, only_classes=True)

    def _changed_by(self, unit: Unit, methods: set[str]) -> dict[Place, bool]:
        """Return each place that a unit may change, and whether it does so under a definition's own name only."""
        changes = set(unit.changes)
        for function, argument in unit.passed:
            if any(other.changing for other in self.units_at(self.steps_in(unit, function))):
                changes.add((argument, False))
        changes |= {(use.chain[:-1], False) for use in unit.uses if use.chain[-1] in methods and use.chain[:-1]}
        steps = [(step, by_name) for chain, by_name in changes for step in self.steps_in(unit, chain)]
        for text in unit.strings:
            if DOTTED.fullmatch(text):  # a patch by its name
                named = self.steps(tuple(text.split(".")))
                steps += [(step, False) for step in named if step[1] or (changes and unit.words & ANY_MODULE)]
        found: dict[Place, bool] = {}
        for (module, name), by_name in steps:
            others = module.bound.get(name or "", ())
            targets = [target for other in others if isinstance(other.node, Import) for target in other.imported]
            foreign = targets and not any(self.module(target[0]) for target in targets)
            if not module.excluded and not foreign and unit not in others:
                found[module.name, name] = by_name and found.get((module.name, name), True)
        return found

    def _attach(self, place: Place, changer: Unit, by_name: bool, only_classes: bool = False) -> None:
        """Note who changes a place, and who calls that: whatever holds the call may bring the change about."""
        self.changers[place].add(changer)
        waiting, seen = [changer], {(changer, True)}
        while waiting:
            called = waiting.pop()
            if not isinstance(called.node, Definition):
                continue
            for caller, later in self._callers[called.module.name, called.names[0]] - seen:
                is_class = isinstance(caller.node, ast.ClassDef)
                if only_classes and (later or not is_class):
                    continue
                seen.add((caller, later))
                self.changers[place].add(caller)
                if later or is_class:
                    waiting.append(caller)
                elif by_name and called is changer and len(getattr(caller.node, "decorator_list", ())) == 1:
                    self.entries[place].add(caller)
                    self._registering.add(changer)


def module_name(path: Path) -> str:
    """Return the dotted name of the module in a file."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _is_excluded(name: str) -> bool:
    return any(f"{name}.".startswith(f"{other}.") for other in NOT_IN_THE_RESULT)
