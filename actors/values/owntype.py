"""Values that are written before the type is known that they are read as: signals, output, edits of fields.

The sender has no annotation; each value is written as its own type has it, a tuple and a set as arrays. The receiver's type says
what it is then: ``actors.signal("point", tuple[int, int])`` gives a tuple back, ``actors.signal("point")`` a list. What JSON would
bend whatever the receiver says (keys that become one, an instance that does not come back equal) is refused here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from actors.core.errors import DefinitionError
from actors.values.codec import codec_for
from actors.values.document import EXACT, MAX_DEPTH, TOO_DEEP, encode_plain, parse_shallow, write_exact
from actors.values.problem import Misfit, ValueProblem, under_key


def encode_by_own_type(value: Any) -> bytes:
    """The value as JSON. Raises :class:`ValueProblem`."""
    if type(value) in EXACT:
        return codec_for(type(value)).encode(value)
    try:
        return encode_plain(_plain(value, 0))
    except Misfit as misfit:
        raise ValueProblem(misfit.problem, f"${misfit.path}") from misfit.__cause__


def _plain(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind in EXACT:
        return value
    if depth > MAX_DEPTH:
        raise Misfit(TOO_DEEP)
    if kind is list or kind is tuple:
        return _items(value, depth)
    if kind is set or kind is frozenset:
        return sorted(_items(value, depth), key=write_exact)
    if kind is dict:
        return _entries(value, depth)
    try:
        return parse_shallow(codec_for(kind).encode(value))
    except ValueProblem as problem:
        raise Misfit(problem.problem).under(problem.path[1:]) from problem
    except DefinitionError as error:
        raise Misfit(str(error)) from error


def _items(values: Collection[Any], depth: int) -> list[Any]:
    plain: list[Any] = []
    for item in values:
        try:
            plain.append(_plain(item, depth + 1))
        except Misfit as misfit:
            raise misfit.under(f"[{len(plain)}]") from misfit.__cause__
    return plain


def _entries(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    kinds = set(map(type, value))
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise Misfit(f"its keys are of several types ({names}), which no receiver could tell apart")
    for key, item in value.items():
        try:
            plain[key if type(key) is str else _key_text(key)] = _plain(item, depth + 1)
        except Misfit as misfit:
            raise misfit.under(under_key(key)) from misfit.__cause__
    return plain


def _key_text(key: Any) -> str:
    as_key: dict[Any, None] = {key: None}
    (text,) = parse_shallow(codec_for(dict[type(key), None]).encode(as_key))  # type: ignore[misc]
    return str(text)
