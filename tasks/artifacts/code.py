"""What code a node runs, by definition and not by file: read off the syntax trees, without importing anything.

A definition reaches each name that occurs in it, through imports and re-exports; what is done when its modules are
imported; whoever may change what it reaches, wherever that stands; the scripts and data files that it names. What
cannot be resolved counts as the whole module, or as all of them.

Counted though behaviour stays the same: another name for a local variable or an import; another order of statements
where one of them does something on import; a hint on a function with a library's decorator, in a class, or where code
looks at hints or docstrings; a class that a node's hint no longer names; the arguments of a network's decorator; in any
module that is imported, a constant worked out by a call; whatever shares a memo.
"""

import ast
import hashlib
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from tasks.artifacts.files import PACKAGES, Files, files_at
from tasks.artifacts.identity import PROJECT, digest_of
from tasks.artifacts.project import (
    ANY_MODULE,
    DOTTED,
    OURS,
    Module,
    Project,
    Step,
    Unit,
    module_name,
)
from tasks.artifacts.syntax import Chain, Import, Use, words

# A word after which any name of its own module may be meant.
OWN_MODULE = words("eval exec globals vars locals __dict__ __globals__ getmembers _getframe")
# Words of code that looks at hints and docstrings, which are dropped elsewhere.
LOOKS = words(
    "get_type_hints __annotations__ __annotate__ get_annotations signature getfullargspec validate_call "
    "validate_arguments singledispatch singledispatchmethod TypeAdapter create_model beartype typechecked "
    "__doc__ getdoc"
)
_SILENT_FIELDS = ("ctx", "kind", "type_comment")  # they say nothing that the rest of the tree does not

_UNFINISHED = re.compile(rf"\b(?:{OURS})\.[\w.]*(?:[^\w.\s]|$)(?<!\w)|\b(?:from|import) (?:{OURS})\b")

_alone = threading.Lock()  # two threads would work out the same


def code_of(module: str, name: str, entry: str | None = None, again: bool = False) -> dict[str, str]:
    """Return what a definition reaches: `{"tasks/networks.py: baseline": <16 hexadecimal digits>, …}`, sorted by name.

    `entry` names the one entry that it uses of a registry that a decorator fills; without it, all of them count.
    The files are read once a process, since what runs is what was there when it started; `again` reads them anew.

    Raises:
        LookupError: the project has no such module.
    """
    with _alone:
        files = Files(PROJECT) if again else files_at(PROJECT)
        question = " ".join([module, name, entry or ""])
        return files.answers.get(question) or _worked_out(files, question, module, name, entry)


def edited_of(code: dict[str, str]) -> list[str]:
    """Return what of this stands in files that were edited before they were read, but since this process began."""
    edited = {path.as_posix() for path in files_at(PROJECT).edited}
    return [name for name in code if name.partition(": ")[0] in edited]


def _worked_out(files: Files, question: str, module: str, name: str, entry: str | None) -> dict[str, str]:
    project = _project_of(files)
    if not project.module(module):
        raise LookupError(f"{module} is not a module of {PROJECT}")
    reach = _Reach(project, (*module.split("."), name), entry, looks=False)
    if reach.looked:
        reach = _Reach(project, (*module.split("."), name), entry, looks=True)
    answer = reach.items()
    if not project.looked_elsewhere:
        files.keep(question, answer)
    return answer


_project_of = lru_cache(2)(Project)  # the files as they were at the start, and as they are now


class _Reach:
    """What a definition reaches, found step by step."""

    def __init__(self, project: Project, chain: Chain, entry: str | None, looks: bool) -> None:
        self.project, self.entry, self.looks = project, entry, looks
        self.looked = False  # does any of it look at hints or docstrings?
        self.units: dict[Unit, str] = {}
        self.wholes: set[Module] = set()
        self.imported: set[Module] = set()
        self.files: set[Path] = set()
        self.seen: set[tuple[Module, str | None, str]] = set()
        self.waiting: list[Unit] = []
        steps = project.steps(chain)
        self._reach(steps, "")
        for unit in project.units_at(steps):
            self._read(unit, unit.uses)  # its hints tell whose methods its arguments bring along
        while self.waiting:
            unit = self.waiting.pop()
            if unit not in self.units:
                uses, skipped = project.read(unit, looks)
                self.units[unit] = _digest_of(unit, skipped)
                self._read(unit, uses)

    def items(self) -> dict[str, str]:
        """Return a digest for each name reached, for each module reached as a whole, for each file."""
        found: dict[str, list[Any]] = defaultdict(list)
        for module in filter(None, self.project.modules.values()):
            path, units = module.path.as_posix(), [unit for unit in module.units if unit in self.units]
            if module in self.wholes:
                digests = [_digest_of(unit, self.project.read(unit, self.looks)[1]) for unit in module.units]
                found[path] = [_sha256(module.content)] if module.broken else digests
                continue
            for unit in units:
                for name in unit.names or ("(on import)",):
                    found[f"{path}: {name}"].append(self.units[unit])
            order = self._order(module, units)
            if len(order) > 1:
                found[f"{path}: (order)"] = order
            if self.looks and module in self.imported and not module.excluded:
                found[f"{path}: __doc__"] = [module.doc]
        for file in self.files | self._data_files():
            found[file.as_posix()] = [_sha256(self.project.source.contents[file])]
        return {name: digest_of(found[name])[:16] for name in sorted(found)}

    def _data_files(self) -> set[Path]:
        """Return the data files beside a sub-package's modules."""
        folders = {module.path.parent for module, _, _ in self.seen if not module.excluded} - set(map(Path, PACKAGES))
        paths = (path for paths in self.project.files.values() for path in paths)
        return {path for path in paths if path.suffix != ".py" and not folders.isdisjoint(path.parents)}

    def _order(self, module: Module, units: list[Unit]) -> list[str]:
        """Return the statements whose order matters: those that change something, and those that may see it."""
        times = Counter(name for unit in units for name in unit.names)
        twice = {name for name, count in times.items() if count > 1}
        changers = {name: self.project.changers.get((module.name, name), set()) for name in times}
        changing = set[Unit]().union(*changers.values())
        acting = [unit for unit in units if unit.acts]
        moved = twice.union(*(unit.sees for unit in acting))
        moving = twice.union(name for name in changers if changers[name])
        return [
            ", ".join(unit.names)
            for unit in units
            if unit.acts
            or (unit.sees and (acting or unit in changing))
            or not moving.isdisjoint(unit.sees)
            or not (twice if isinstance(unit.node, Import) else moved).isdisjoint(unit.names)
        ]

    def _reach(self, steps: Iterable[Step], how: str) -> None:
        for module, name in steps:
            if (module, name, how) not in self.seen:
                self.seen.add((module, name, how))
                self._import(module)
                if not module.excluded:
                    self._take_name(module, name)
                    self._take_changers(module, name, how)

    def _take_name(self, module: Module, name: str | None) -> None:
        if name is None or module.broken:
            self._take_whole(module)
        elif name in module.bound or "__getattr__" in module.bound:
            self.waiting += module.bound.get(name) or module.bound["__getattr__"]
        elif not module.stars:
            self._take_whole(module)

    def _take_changers(self, module: Module, name: str | None, how: str) -> None:
        """Take who changes a name; of a registry's entries, where it is asked for one, that one alone."""
        self.waiting += self.project.changers.get((module.name, None), ())
        entries = self.project.entries.get((module.name, name), set())
        wanted = how[1:-1] or self.entry
        if not how or not any(wanted in unit.names for unit in entries):
            entries = set()
        changers = self.project.changers.get((module.name, name), ()) if how != "=" else ()
        self.waiting += [unit for unit in changers if unit not in entries or wanted in unit.names]

    def _take_whole(self, module: Module) -> None:
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

    def _import(self, module: Module) -> None:
        """Take what a module does when it is imported, and what all those do that are imported with it."""
        if module in self.imported:
            return
        self.imported.add(module)
        if not module.excluded:
            if module.broken:
                self.wholes.add(module)
            self.waiting += [unit for unit in module.units if unit.acts]
        for chain in (tuple(module.name.split(".")), *module.imported):
            for other in self.project.modules_on(chain):
                self._import(other)

    def _read(self, unit: Unit, uses: Collection[Use]) -> None:
        for use in uses:
            self._reach(self.project.steps_in(unit, use.chain), use.how)
        for module in filter(None, map(self.project.module, unit.module.stars | unit.stars)):
            self._take_whole(module)
        if unit.words & OWN_MODULE or any(use.later and use.chain[0] == "__name__" for use in uses):
            self._take_whole(unit.module)
        if unit.words & ANY_MODULE:
            self._take_everything()
        self.looked = self.looked or not LOOKS.isdisjoint(unit.words)
        for text in unit.strings:
            self._take_named(text)
            self._take_file(text.rpartition("/")[2], unit.module)

    def _take_named(self, text: str) -> None:
        """Take what a text names of the project: a module to run, a definition, or what may be any of them."""
        module = self.project.module(text) if DOTTED.fullmatch(text) else None
        if module:
            self._run(module)
        elif text in PACKAGES or _UNFINISHED.search(text):
            self._take_everything()
        else:
            for found in DOTTED.findall(text):
                self._reach(self.project.steps(tuple(found.split("."))), "")

    def _run(self, module: Module) -> None:
        self._import(module)
        if not module.excluded:
            self.waiting += module.bound.get("__main__", ())
            runner = self.project.module(f"{module.name}.__main__")
            if runner:
                self._take_whole(runner)

    def _take_file(self, pattern: str, module: Module) -> None:
        """Take the files of this name beside a module or at the project's top; `*` stands for anything."""
        patterned = any(sign in pattern for sign in "*?[")
        names = [name for name in self.project.files if fnmatchcase(name, pattern)] if patterned else [pattern]
        for path in (path for name in names for path in self.project.files.get(name, ())):
            if not path.parent.name or module.path.parent in path.parents:
                script = self.project.module(module_name(path))
                if path.suffix == ".py" and script:
                    self._take_whole(script)
                else:
                    self.files.add(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@cache
def _digest_of(unit: Unit, skipped: frozenset[int]) -> str:
    """Return the digest of a unit without what is skipped; an import is what it binds a name to."""
    if isinstance(unit.node, Import):
        return digest_of([unit.names, sorted(map(list, *(unit.aliases.values() or [unit.imported])))])
    text = _text_of(unit.node, skipped)
    hinted = "annotation=" in text or "returns=" in text  # then it matters whether hints are evaluated
    return digest_of([text, unit.module.future if hinted else []])


def _text_of(value: Any, skipped: frozenset[int]) -> str:
    """Return a tree as text, without positions and what is skipped; fields that are empty do not show.

    So a new Python's new fields change nothing; where it parses something into another tree, keys change.
    """
    if isinstance(value, list):
        return f"[{', '.join(_text_of(part, skipped) for part in value if id(part) not in skipped)}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    if isinstance(value, ast.AnnAssign) and value.value and id(value.annotation) in skipped:
        value = ast.Assign(targets=[value.target], value=value.value)
    fields = []
    for name in value._fields:
        child = getattr(value, name, None)
        if child is not None and child != [] and id(child) not in skipped and name not in _SILENT_FIELDS:
            fields.append(f"{name}={_text_of(child, skipped)}")
    return f"{type(value).__name__}({', '.join(fields)})"
