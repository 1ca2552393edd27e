"""Expressions: formulas written as text, read by a white list and never run as they stand.

What is kept of a text is a tree of known names, numbers and functions; from that tree new
source is written. Nothing else of the text reaches Python, however it is dressed.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, NamedTuple, final

from songsinh import maths
from songsinh.errors import ModelError, near

__all__ = ["FUNCTIONS", "Expression", "read_expression"]

LONGEST: Final = 2_000  # characters
DEEPEST: Final = 100
MOST: Final = 400  # parts of one expression
WHOLE_POWER: Final = 8  # up to which a whole exponent is a product
Kind = Literal["number", "condition"]

MARKS: Final = (ast.expr_context, ast.operator, ast.boolop, ast.cmpop, ast.unaryop)
# how many numbers each function takes
FUNCTIONS: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        ("abs", "cos", "cosh", "exp", "expm1", "floor", "log", "log1p", "sign", "sin", "sinh")
        + ("sqrt", "tan", "tanh"),
        1,
    ),
    **dict.fromkeys(("arctan2", "maximum", "minimum", "power"), 2),
    **dict.fromkeys(("clip", "where"), 3),
}
CONSTANTS: Final = {"pi": maths.pi}
OPERATORS: Final[Mapping[type, str]] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.And: "and", ast.Or: "or",
}  # fmt: skip


@final
class Expression(NamedTuple):
    """A formula as safe Python source, and how many parts it has."""

    source: str
    parts: int


def read_expression(text: object, names: Mapping[str, str], where: str) -> Expression:
    """The formula in a text; `names` says what each name becomes, `where` goes into errors.

    >>> read_expression("2 * level if level > 1 else 0", {"level": "s.level"}, "rate").source
    '((2.0 * s.level) if (s.level > 1.0) else 0.0)'
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        text = repr(float(text)) if abs(text) < 1e308 else "huge"
    if not isinstance(text, str):
        raise ModelError(f"{where} is {text!r:.40}; write a formula between quotes")
    if len(text) > LONGEST:
        raise ModelError(
            f"{where} is {len(text)} characters long; write at most {LONGEST}, and split it with "
            "[terms]"
        )
    try:
        tree = ast.parse(" ".join(text.split()), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ModelError(
            f"{where} is {text[:60]!r}, which is no formula; check its brackets and operators"
        ) from None
    parts = _measured(tree, where)
    return Expression(_Reading(names, where).number(tree), parts)


def _measured(tree: ast.expr, where: str) -> int:
    """How many parts a formula has; ModelError when they are too many or too deep."""
    layer: list[ast.AST] = [tree]
    parts = depth = 0
    while layer:
        parts, depth = parts + len(layer), depth + 1
        if parts > MOST or depth > DEEPEST:
            what = f"{MOST} parts" if parts > MOST else f"{DEEPEST} levels of brackets"
            raise ModelError(f"{where} has more than {what}; split it with [terms]")
        layer = [
            part
            for node in layer
            for part in ast.iter_child_nodes(node)
            if not isinstance(part, MARKS)
        ]
    return parts


@final
class _Reading:
    """Writes the source of a tree anew, part by part."""

    def __init__(self, names: Mapping[str, str], where: str) -> None:
        self.names, self.where = names, where

    def number(self, node: ast.expr) -> str:
        return self._of("number", node)

    def condition(self, node: ast.expr) -> str:
        return self._of("condition", node)

    def _of(self, kind: Kind, node: ast.expr) -> str:
        rule = RULES.get(type(node))
        if rule is None:
            raise ModelError(
                f"{self.where} holds {ast.unparse(node)[:40]!r}, which a formula may not hold; "
                "use names, numbers, operators, comparisons, 'a if b else c' and functions"
            )
        found, source = rule(self, node)
        if found != kind:
            raise ModelError(
                f"{self.where} has the {found} {ast.unparse(node)[:40]!r} where a {kind} belongs; "
                + ("write 'a if b else c'" if kind == "number" else "compare it with something")
            )
        return source

    def name(self, node: ast.Name) -> tuple[Kind, str]:
        known = {**CONSTANTS, **self.names}
        if node.id not in known:
            if node.id in FUNCTIONS:
                raise ModelError(f"{self.where} names {node.id!r} alone; write {node.id}(...)")
            listed = (*self.names, *CONSTANTS)
            raise ModelError(f"{self.where} names {node.id!r:.60}; {near(node.id[:60], listed)}")
        return "number", str(known[node.id])

    def constant(self, node: ast.Constant) -> tuple[Kind, str]:
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise ModelError(f"{self.where} holds {node.value!r:.40}; write plain numbers")
        try:
            value = float(node.value)
        except OverflowError:
            value = float("inf")
        if not abs(value) < 1e300:
            raise ModelError(f"{self.where} holds a number above 1e300; write a smaller one")
        return "number", repr(value)

    def signed(self, node: ast.UnaryOp) -> tuple[Kind, str]:
        if isinstance(node.op, ast.Not):
            return "condition", f"(not {self.condition(node.operand)})"
        if isinstance(node.op, ast.Invert):
            raise ModelError(f"{self.where} holds the operator '~'; use 'not' or '-'")
        sign = "-" if isinstance(node.op, ast.USub) else "+"
        return "number", f"({sign}{self.number(node.operand)})"

    def sum(self, node: ast.BinOp) -> tuple[Kind, str]:
        left = self.number(node.left)
        if isinstance(node.op, ast.Pow):
            return "number", self._power(left, node.right)
        if type(node.op) not in OPERATORS:
            raise ModelError(
                f"{self.where} holds {ast.unparse(node)[:40]!r}; the operators are + - * / and **"
            )
        return "number", f"({left} {OPERATORS[type(node.op)]} {self.number(node.right)})"

    def _power(self, base: str, exponent: ast.expr) -> str:
        whole = isinstance(exponent, ast.Constant) and type(exponent.value) is int
        if whole and 1 <= exponent.value <= WHOLE_POWER:  # type: ignore[attr-defined]
            return f"({base} ** {exponent.value})"  # type: ignore[attr-defined]
        return f"power({base}, {self.number(exponent)})"

    def compared(self, node: ast.Compare) -> tuple[Kind, str]:
        source = self.number(node.left)
        for sign, right in zip(node.ops, node.comparators, strict=True):
            if type(sign) not in OPERATORS:
                raise ModelError(
                    f"{self.where} holds {ast.unparse(node)[:40]!r}; compare with < <= > >= == !="
                )
            source += f" {OPERATORS[type(sign)]} {self.number(right)}"
        return "condition", f"({source})"

    def joined(self, node: ast.BoolOp) -> tuple[Kind, str]:
        word = f" {OPERATORS[type(node.op)]} "
        return "condition", f"({word.join(self.condition(part) for part in node.values)})"

    def chosen(self, node: ast.IfExp) -> tuple[Kind, str]:
        test = self.condition(node.test)
        return "number", f"({self.number(node.body)} if {test} else {self.number(node.orelse)})"

    def called(self, node: ast.Call) -> tuple[Kind, str]:
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            called = ast.unparse(node.func)[:40]
            raise ModelError(
                f"{self.where} calls {called!r}, which is no function here; "
                f"{near(called, tuple(FUNCTIONS))}"
            )
        name, wanted = node.func.id, FUNCTIONS[node.func.id]
        plain = not node.keywords and not any(isinstance(a, ast.Starred) for a in node.args)
        if not plain or len(node.args) != wanted:
            raise ModelError(
                f"{self.where} gives {name!r} {len(node.args) + len(node.keywords)} values; "
                f"it takes {wanted}"
            )
        return "number", f"{name}({', '.join(self._values(name, node.args))})"

    def _values(self, name: str, given: list[ast.expr]) -> Iterator[str]:
        for place, value in enumerate(given):
            tested = name == "where" and place == 0
            yield self.condition(value) if tested else self.number(value)


RULES: Final[Mapping[type, Callable[..., tuple[Kind, str]]]] = {
    ast.Name: _Reading.name,
    ast.Constant: _Reading.constant,
    ast.UnaryOp: _Reading.signed,
    ast.BinOp: _Reading.sum,
    ast.Compare: _Reading.compared,
    ast.BoolOp: _Reading.joined,
    ast.IfExp: _Reading.chosen,
    ast.Call: _Reading.called,
}
