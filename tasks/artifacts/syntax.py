"""What one statement says, read off its syntax tree: which names it uses, changes and binds, and when."""

import ast
import builtins
import re
import threading
from collections import defaultdict
from typing import Any, NamedTuple, TypeGuard

Chain = tuple[str, ...]  # a dotted name; that of a function's own starts with <name>
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Import = ast.Import | ast.ImportFrom


_one_at_a_time = threading.Lock()


def parsed(source: bytes) -> ast.Module:
    """Return the syntax tree of a file, one after the other.

    In Python 3.11 two threads that parse at once may meet a SystemError (CPython issue 106905).

    Raises:
        SyntaxError, ValueError, RecursionError: as `ast.parse`.
    """
    with _one_at_a_time:
        return ast.parse(source)


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


WRITERS = words(  # methods that change their object
    "append extend insert remove clear update add discard sort reverse appendleft extendleft register set move_to_end "
    "rotate subtract intersection_update difference_update symmetric_difference_update __setitem__ __setattr__ "
    "__delitem__ __delattr__ __ior__ __iadd__ pop popitem popleft setdefault"
)
SETTERS = words(  # functions that change their first argument
    "setattr delattr setitem delitem __setattr__ __delattr__ object shuffle heapify heappush heappop insort "
    "insort_left insort_right copyto put at"
)
ACCESSORS = words("get values items")  # what they give is part of what they are asked
QUIET = (Definition, Import, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.If, ast.Try, ast.Pass)


class Use(NamedTuple):
    """A name that a statement uses."""

    chain: Chain
    how: str  # "=" where it is only written to, "[key]" or "[]" where it is asked for an entry, or ""
    later: bool  # not when the module is imported, but when a function is called
    hint: int  # the identity of the hint that it stands in, or 0


class Statement:
    """What a statement says."""

    def __init__(self, node: ast.stmt, package: str) -> None:
        self.node, self.package = node, package
        self.names = tuple(bound_by(node, set()))
        self.uses: set[Use] = set()
        self.changes: set[tuple[Chain, bool]] = set()  # name; under a definition's own name?
        self.passed: set[tuple[Chain, Chain]] = set()  # function, argument
        self.changing: set[str] = set()  # functions in it that may change what they are given
        self.aliases: dict[str, set[Chain]] = defaultdict(set)  # what imports bind names to
        self.owners: dict[str, set[Chain]] = defaultdict(set)  # what a variable may be a part of
        self.imported: set[Chain] = set()
        self.stars: set[str] = set()  # modules of which it imports all names
        self.words: set[str] = set()
        self.strings: set[str] = set()
        self.functions: list[Function] = []
        self.docs: set[int] = set()
        self.hints: set[int] = set()  # those of variables
        self.acts = False  # does it more, when the module is imported, than bind names?
        self._scopes: list[set[str]] = []  # the names of the functions around
        self._later = self._inside = False  # in a function's body; in a definition's head or a class's body
        self._hint = 0
        self._read(node)

    def _read(self, node: Any) -> None:
        """Read a tree, or a list of them."""
        if isinstance(node, list):
            for part in node:
                self._read(part)
        elif isinstance(node, ast.AST):
            self.acts = self.acts or (not self._later and _acts(node, self._inside))
            SPECIAL.get(type(node), Statement._parts)(self, node)

    def _parts(self, node: ast.AST) -> None:
        for part in _children(node):
            self._read(part)

    def _definition(self, node: Definition) -> None:
        if ast.get_docstring(node, clean=False) is not None:
            self.docs |= {id(part) for part in ast.walk(node.body[0])}
        before, self._inside = self._inside, True
        self._read([part for name, part in node.__dict__.items() if name not in ("args", "returns", "body")])
        if isinstance(node, ast.ClassDef):
            self._read(node.body)
        else:
            self.functions.append(node)
            self._read_hint(node.returns)
            self._body(node)
        self._inside = before

    def _read_hint(self, node: ast.expr | None) -> None:
        before, self._hint = self._hint, self._hint or id(node)
        self._read(node)
        self._hint = before

    def _body(self, node: Function | ast.Lambda) -> None:
        """Read what a function does when it is called; its own names hide those of the module."""
        self._read(node.args)
        arguments, shared = {argument.arg for argument in arguments_of(node.args)}, set[str]()
        self._scopes.append(arguments.union(bound_by(node.body, shared)) - shared)
        before = self._later, self._inside
        self._later, self._inside = True, False
        self._read(node.body)
        self._later, self._inside = before
        self._scopes.pop()
        if any(chain[:1] == (f"<{name}>",) for chain, _ in self.changes for name in arguments):
            self.changing.add(getattr(node, "name", ""))

    def _comprehension(self, node: Any) -> None:
        self._read(node.generators[0].iter)  # where the comprehension stands, not in it
        self._scopes.append(set(bound_by([part.target for part in node.generators], set())))
        self._parts(node)
        self._scopes.pop()

    def _own(self, name: str) -> str:
        """Return a name so that a function's own is no other's."""
        return f"<{name}>" if any(name in scope for scope in self._scopes) else name

    def _chain(self, node: ast.AST) -> Chain | None:
        chain = chain_of(node)
        return (self._own(chain[0]), *chain[1:]) if chain else None

    def _root(self, node: ast.AST | None, through_calls: bool = True) -> Chain | None:
        """Return the name of what this is, or is a part of; () for the module's own names."""
        chain = self._chain(node) if node else None
        if chain:
            return chain
        if isinstance(node, ast.Subscript | ast.Attribute | ast.Starred):
            return self._root(node.value, through_calls)
        if not isinstance(node, ast.Call):
            return None
        function = (chain_of(node.func) or ("",))[-1]
        if function in ("globals", "vars", "locals", "getattr"):
            owner = self._root(node.args[0], through_calls) if node.args else ()
            return owner and (*owner, *_text(node.args[1:]))
        return self._root(node.func, through_calls) if through_calls or function in ACCESSORS else None

    def _use(self, chain: Chain, how: str) -> None:
        self.uses.add(Use(chain, how, self._later, self._hint))
        self.words.update((*chain, ".".join(chain[-2:]).replace("<", "").replace(">", "")))

    def _change(self, node: ast.AST, *names: str, by_name: bool = False) -> None:
        root = self._root(node)
        if root is not None:
            self.changes.add(((*root, *names), by_name))

    def _name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._use((self._own(node.id),), "")

    def _attribute(self, node: ast.Attribute) -> None:
        chain, stores = self._chain(node), not isinstance(node.ctx, ast.Load)
        if stores:
            self._change(node.value, node.attr)
        elif node.attr in WRITERS:
            self._change(node.value)
        if chain:
            self._use(chain, "=" if stores else "")
        else:
            self.words.add(node.attr)
            self._read(node.value)

    def _subscript(self, node: ast.Subscript) -> None:
        chain, stores = self._chain(node.value), not isinstance(node.ctx, ast.Load)
        if stores:
            self._change(node.value, by_name=isinstance(node.slice, ast.Attribute) and node.slice.attr == "__name__")
        if chain:
            self._use(chain, "=" if stores else f"[{''.join(_text([node.slice]))}]")
        else:
            self._read(node.value)
        self._read(node.slice)

    def _call(self, node: ast.Call) -> None:
        function = self._chain(node.func) or ("",)
        if function[-1] in SETTERS and node.args:
            self._change(node.args[0], *_text(node.args[1:]))
        arguments = [self._chain(part) for part in (*node.args, *(keyword.value for keyword in node.keywords))]
        self.passed |= {(function, argument) for argument in arguments if argument}
        self._parts(node)

    def _binding(self, node: Any) -> None:
        parts = dict(ast.iter_fields(node))
        owner = self._root(parts.get("value") or parts.get("iter") or parts.get("context_expr"), through_calls=False)
        if owner:
            for name in bound_by([parts.get(key) for key in ("targets", "target", "optional_vars")], set()):
                self.owners[self._own(name)].add(owner)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and self._later:
            self.changes.add(((self._own(node.target.id),), False))
        hint = parts.pop("annotation", None)
        if hint and not self._inside:  # a class may make fields of them
            self.hints.add(id(hint))
        self._read_hint(hint)
        self._read(list(parts.values()))

    def _constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and id(node) not in self.docs:
            self.strings.add(node.value)

    def _text_with_gaps(self, node: ast.JoinedStr) -> None:
        parts = [str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values]
        if re.search(r"\w", "".join(parts)):
            self.strings.add("".join(parts))
        self._read([part for part in node.values if not isinstance(part, ast.Constant)])

    def _import(self, node: Import) -> None:
        source: Chain = ()
        if isinstance(node, ast.ImportFrom):
            package = self.package.split(".")
            above = package[: len(package) - node.level + 1] if node.level else []
            source = (*above, *(node.module.split(".") if node.module else []))
        for alias in node.names:
            target = (*source, *alias.name.split("."))
            self.imported.add(target)
            if alias.name == "*":
                self.stars.add(".".join(source))
                continue
            name = self._own(alias.asname or target[len(source)])
            target = target if source or alias.asname else target[:1]
            self.aliases[name].add(target)
            if name != target[-1]:  # a word under another name
                self.words.update((target[-1], ".".join(target[-2:])))


SPECIAL: dict[type[ast.AST], Any] = {
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef), Statement._definition),
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), Statement._comprehension),
    **dict.fromkeys((ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr), Statement._binding),
    **dict.fromkeys((ast.For, ast.AsyncFor, ast.comprehension, ast.withitem), Statement._binding),
    **dict.fromkeys((ast.Import, ast.ImportFrom), Statement._import),
    ast.Lambda: Statement._body,
    ast.arg: lambda self, node: self._read_hint(node.annotation),
    ast.Name: Statement._name,
    ast.Attribute: Statement._attribute,
    ast.Subscript: Statement._subscript,
    ast.Call: Statement._call,
    ast.Global: lambda self, node: self.changes.update(((name,), False) for name in node.names),
    ast.Constant: Statement._constant,
    ast.JoinedStr: Statement._text_with_gaps,
    ast.If: lambda self, node: self._read(node.orelse if is_for_type_checker(node) else _children(node)),
}


def _acts(node: ast.AST, inside: bool) -> bool:
    """Tell whether a part does more than bind names, for itself; calls in a definition's head or a class do not."""
    match node:
        case ast.Expr():
            return not isinstance(node.value, ast.Constant)
        case ast.Call():  # but for classes and Python's own functions
            chain = chain_of(node.func) or ("",)
            known = chain[-1] in ACCESSORS if len(chain) > 1 else hasattr(builtins, chain[0])
            return not inside and not known and chain[-1].lstrip("_")[:1].islower()
        case ast.Attribute():
            return node.attr in WRITERS or not isinstance(node.ctx, ast.Load)
        case ast.Subscript():
            return not isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.stmt) and not isinstance(node, QUIET)


def bound_by(node: Any, shared: set[str]) -> list[str]:
    """Return the names that a tree, or several, bind where they stand; put those declared global into `shared`."""
    names: dict[str, None] = {}
    waiting = [node]
    for part in waiting:  # grows
        match part:
            case ast.Name():
                names |= {} if isinstance(part.ctx, ast.Load) else {part.id: None}
            case list():
                waiting += part
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names[part.name] = None
            case ast.Import() | ast.ImportFrom():
                names |= {alias.asname or alias.name.split(".")[0]: None for alias in part.names if alias.name != "*"}
            case ast.Global():
                shared.update(part.names)
            case ast.comprehension():
                waiting += [part.iter, part.ifs]
            case ast.AST() if not isinstance(part, ast.Lambda | ast.Constant):
                waiting += _children(part)
                for name in (getattr(part, "name", None), getattr(part, "rest", None)):  # `as name`, `**rest`
                    names |= {name: None} if name else {}
    return list(names)


def chain_of(node: ast.AST) -> Chain | None:
    """Return a dotted name, or None if it is something else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else None


def is_for_type_checker(node: ast.stmt) -> TypeGuard[ast.If]:
    """Tell whether a statement runs in type checkers only."""
    return isinstance(node, ast.If) and (chain_of(node.test) or ("",))[-1] == "TYPE_CHECKING"


def arguments_of(node: ast.arguments) -> list[ast.arg]:
    """Return all arguments of a function."""
    extra = [argument for argument in (node.vararg, node.kwarg) if argument]
    return [*node.posonlyargs, *node.args, *node.kwonlyargs, *extra]


def _children(node: ast.AST) -> list[Any]:
    """Return the parts of a node that may be trees or lists of them; quicker than `ast.iter_child_nodes`."""
    return [part for name, part in node.__dict__.items() if name != "ctx" and isinstance(part, ast.AST | list)]


def _text(nodes: list[ast.expr]) -> list[str]:
    """Return the first node's text in a list, or an empty list if it is none."""
    return [node.value for node in nodes[:1] if isinstance(node, ast.Constant) and isinstance(node.value, str)]
