"""Values without a type: parameters without an annotation, ``Any``, ``object``.

No type says which kind of sequence a JSON list was, so only values that JSON represents exactly are accepted: texts,
numbers, ``True`` and ``False``, ``None``, lists, and dictionaries with texts as keys. A tuple would come back as a
list, an instance as a dictionary, ``{1: "a"}`` as ``{"1": "a"}``; all these are refused.
"""

from __future__ import annotations

import math
from typing import Any

from actors.values.document import MAX_DEPTH, TOO_DEEP, encode_plain
from actors.values.problem import Misfit, ValueProblem, show, under_key
from actors.values.shape import ALL_SORTS, ANYTHING, Shape

_ATOMS = {str, int, bool, type(None)}
_REMEDY = "is not a value of JSON and has no type to be read back with"


class AnyShape(Shape):
    """Any value that JSON represents exactly."""

    sorts = ALL_SORTS
    takes_any_text = True
    breadth = ANYTHING

    def __init__(self, name: str) -> None:
        self.name = name

    def write(self, value: Any) -> Any:
        check_plain(value, "; annotate it")
        return value

    def read(self, plain: Any) -> Any:
        return plain

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return "anything"


def encode_json(value: Any) -> bytes:
    """Encode a value for a reader without a type. Raises :class:`ValueProblem` if it would not come back equal."""
    try:
        check_plain(value)
        return encode_plain(value)
    except Misfit as misfit:
        raise ValueProblem(misfit.problem, f"${misfit.path}") from misfit.__cause__


def check_plain(value: Any, remedy: str = "") -> None:
    """Raise :class:`Misfit` for a value that JSON would change; ``remedy`` says what to do instead."""
    waiting: list[tuple[Any, str, int]] = [(value, "", 0)]
    while waiting:
        at, path, depth = waiting.pop()
        problem = _problem(at, depth, remedy)
        if problem:
            misfit = Misfit(problem)
            raise misfit.under(path)
        if type(at) is list and not set(map(type, at)) <= _ATOMS:
            waiting += [(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(at)]
        elif type(at) is dict:
            waiting += [(item, path + under_key(key), depth + 1) for key, item in _with_text_keys(at, path, remedy)]


def _problem(value: Any, depth: int, remedy: str) -> str:
    if depth > MAX_DEPTH:
        return TOO_DEEP
    kind = type(value)
    if kind in _ATOMS or kind is list or kind is dict:
        return ""
    if kind is not float:
        return f"{show(value)} {_REMEDY}{remedy}"
    return "" if math.isfinite(value) else f"{value!r} has no JSON"


def _with_text_keys(value: dict[Any, Any], path: str, remedy: str) -> list[tuple[str, Any]]:
    if not set(map(type, value)) <= {str}:
        key = next(key for key in value if type(key) is not str)
        example = f"{remedy}, as dict[{type(key).__name__}, …]" if remedy else ""
        raise Misfit(f"the key {show(key)} {_REMEDY}{example}").under(path)
    return list(value.items())
