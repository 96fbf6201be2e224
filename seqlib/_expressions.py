"""Is one expression in Python source only another written twice? The ledger asks.

Statements are followed in order. Each name stands for the expression that it was last
given, so `y = f(x)` makes `y` and `f(x)` the same, and every expression gets a
fingerprint in which copies and changes of container have been taken off.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

# fmt: off
COPYING_METHODS = {
    "copy", "clone", "detach", "numpy", "cpu", "contiguous", "astype", "float",
    "double", "item", "tolist", "to", "requires_grad_", "type", "reshape", "ravel",
    "flatten", "squeeze", "unsqueeze", "view", "round",
}
COPYING_FUNCTIONS = {
    "array", "asarray", "asanyarray", "ascontiguousarray", "copy", "clone", "deepcopy",
    "tensor", "as_tensor", "from_numpy", "from_dlpack", "float", "list", "tuple",
    "positive", "round", "squeeze", "atleast_1d", "atleast_2d",
}
# fmt: on
NEUTRAL = {ast.Add: 0, ast.Sub: 0, ast.Mult: 1, ast.Div: 1, ast.Pow: 1}
SIDES = {"printed": "left", "correct": "right"}
PEACEFUL = {"verify", "refute", "print", "show", "explore", "display"}


@dataclass(frozen=True)
class Call:
    """A call of `verify` or `refute` as it stands in the source."""

    kind: str  # "verify" or "refute"
    node: ast.Call
    tag: str | None  # None when it is no literal string
    twice: str | None  # the expression that stands on both sides, if one does

    def literal(self, name: str) -> object:
        """Return the value of a keyword written as a literal, else None."""
        for keyword in self.node.keywords:
            if keyword.arg == name and isinstance(keyword.value, ast.Constant):
                return keyword.value.value
        return None


class Source:
    """What names stand for, statement by statement, in one or several cells."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}  # name -> fingerprint
        self.parts: dict[str, list[str]] = {}  # a list's fingerprint -> its elements'
        self.constants: set[str] = set()  # fingerprints of plain numbers
        self.clock = 0  # counts assignments and statements that may change an object

    def calls(self, code: str) -> list[Call]:
        """Return the calls of `verify` and `refute` in `code`, a further cell."""
        return list(self._follow(ast.parse(code).body))

    def _follow(self, statements: list[ast.stmt]) -> Iterator[Call]:
        for statement in statements:
            inner = [getattr(statement, part, []) for part in BLOCKS]
            inner += [h.body for h in getattr(statement, "handlers", [])]
            inner += [c.body for c in getattr(statement, "cases", [])]
            if any(inner):
                outer = dict(self.names)
                self._forget(statement)
                for block in inner:
                    yield from self._follow(block)
                if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                    self.names = outer  # what it assigned was its own
                    self._new(statement.name)
                elif not isinstance(statement, ast.With):  # it may not have run
                    self._forget(statement)
                continue
            for node in ast.walk(statement):
                if isinstance(node, ast.Call) and called(node) in ("verify", "refute"):
                    yield self._read(node)
            self._assign(statement)

    def _read(self, call: ast.Call) -> Call:
        given = [a for arg in call.args for a in _unpacked(arg)]
        arguments = dict(zip(("tag", "left", "right"), given, strict=False))
        arguments |= {SIDES.get(k.arg, k.arg): k.value for k in call.keywords if k.arg}
        tag = getattr(arguments.get("tag"), "value", None)  # of a constant
        twice = None
        if "left" in arguments and "right" in arguments:
            left, right = self.key(arguments["left"]), self.key(arguments["right"])
            a, b = self.parts.get(left, [left]), self.parts.get(right, [right])
            same = {x for x, y in zip(a, b, strict=False) if x == y} - self.constants
            if left == right or same:
                twice = ast.unparse(arguments["left"])
        return Call(called(call), call, tag if isinstance(tag, str) else None, twice)

    def key(self, node: ast.AST) -> str:
        """Return the fingerprint of an expression."""
        node = bare(node)
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        parts = [type(node).__name__]
        if isinstance(node, ast.Attribute) and node.attr == "grad":
            parts.append(str(self.clock))  # a .grad changes with every statement
        elements = []
        for name, value in ast.iter_fields(node):
            if name in ("ctx", "kind", "type_comment"):
                continue
            for item in value if isinstance(value, list) else [value]:
                text = self.key(item) if isinstance(item, ast.AST) else repr(item)
                elements.append(text)
                parts.append(f"{name}={text}")
        if isinstance(node, ast.List | ast.Tuple):
            parts[0] = "List"
        digest = "#" + sha256("\n".join(parts).encode()).hexdigest()
        if isinstance(node, ast.List | ast.Tuple):
            self.parts[digest] = elements
        if isinstance(node, ast.Constant):
            self.constants.add(digest)
        return digest

    def _assign(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=[*targets], value=value):
                for target in targets:
                    self._bind(target, self.key(value))
            case ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value):
                self._bind(target, self.key(value))
            case ast.Expr(value=ast.Call() as call) if called(call) in PEACEFUL:
                pass
            case ast.Expr(value=ast.Call(func=function)):
                self.clock += 1
                if isinstance(function, ast.Attribute):
                    self._mutate(function.value)  # x.zero_(), x.sort(), x.append(…)
            case ast.ImportFrom(module=module, names=aliases):
                for alias in aliases:
                    self.names[alias.asname or alias.name] = f"{module}.{alias.name}"
            case _:
                self._forget(statement)

    def _bind(self, target: ast.expr, key: str) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = key
        elif isinstance(target, ast.Tuple | ast.List):
            elements = self.parts.get(key, [])
            if len(elements) != len(target.elts):
                elements = [f"{key}[{i}]" for i in range(len(target.elts))]
            for item, element in zip(target.elts, elements, strict=True):
                self._bind(item, element)
        else:  # x[0] = …, x.data = …
            self._mutate(target)

    def _mutate(self, node: ast.AST) -> None:
        while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
            node = node.value
        if isinstance(node, ast.Name):
            self._new(node.id)

    def _forget(self, statement: ast.stmt) -> None:
        """Give a new fingerprint to all that a statement may change."""
        for node in ast.walk(statement):
            if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
                self._mutate(node)
            elif isinstance(node, ast.arg):
                self._new(node.arg)

    def _new(self, name: str) -> None:
        self.clock += 1
        self.names[name] = f"{name}@{self.clock}"


BLOCKS = ("body", "orelse", "finalbody")


def _unpacked(argument: ast.expr) -> list[ast.expr]:
    """Return the arguments that stand in a literal `*(a, b)`."""
    match argument:
        case ast.Starred(value=ast.Tuple(elts=inner) | ast.List(elts=inner)):
            return inner
    return [argument]


def called(node: ast.Call) -> str:
    """Return the last name of what is called: `verify` for `ledger.verify(…)`."""
    function = node.func
    return str(getattr(function, "attr", "") or getattr(function, "id", ""))


def bare(node: ast.AST) -> ast.AST:
    """Take off copies, changes of container, `+ 0`, `* 1`, `[:]` and the like."""
    while True:
        inner = _inside(node)
        if inner is None:
            return node
        node = inner


def _inside(node: ast.AST) -> ast.AST | None:
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr=name)):
            if name in COPYING_FUNCTIONS and _is_module(owner) and node.args:
                return node.args[0]
            return owner if name in COPYING_METHODS else None
        case ast.Call(func=ast.Name(id=name), args=[first, *_]):
            return first if name in COPYING_FUNCTIONS else None
        case ast.BinOp(left=left, op=op, right=ast.Constant(value=value)) if (
            type(op) in NEUTRAL and value == NEUTRAL[type(op)]
        ):
            return left
        case ast.BinOp(left=ast.Constant(value=value), op=op, right=right) if (
            isinstance(op, ast.Add | ast.Mult) and value == NEUTRAL[type(op)]
        ):
            return right
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return inner
        case ast.UnaryOp(
            op=ast.USub(), operand=ast.UnaryOp(op=ast.USub(), operand=inner)
        ):
            return inner
        case ast.Subscript(value=inner, slice=index) if set(ast.unparse(index)) <= set(
            ":,. ()"
        ):
            return inner
        case ast.Attribute(value=ast.Attribute(value=inner, attr="T"), attr="T"):
            return inner
        case ast.Attribute(value=inner, attr="data" | "real"):
            return inner
        case ast.NamedExpr(value=inner):
            return inner
    return None


MODULES = {"np", "numpy", "torch", "xp", "copy", "jnp"}


def _is_module(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in MODULES
