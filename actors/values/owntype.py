"""Encodes values before the type of their reader is known: signals, edits of fields, the input of a restart.

The sender has no annotation, so each value is written by its own type, a tuple and a set as arrays. The reader's type then
decides: ``actors.signal("point", tuple[int, int])`` returns a tuple. A reader without a type would get a list, so the value
carries a note about the types that its JSON loses, and such a reader refuses it (:func:`check_restored`). Values that no reader
could restore (keys that become equal, an instance that does not come back equal) are refused here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import Any

import attrs

from actors.errors import DefinitionError
from actors.errors.names import plain_text, qualname_of
from actors.values.codec import Codec, codec_for
from actors.values.document import EXACT, MAX_DEPTH, TOO_DEEP, encode_plain, parse_shallow, write_exact
from actors.values.problem import Misfit, ValueProblem, under_key


@attrs.frozen
class Written:
    """A value as JSON. ``json_loses`` describes the types that the JSON does not preserve: the path and the name of the
    first, and a digest of all; empty if there are none."""

    data: bytes
    json_loses: str = ""


def write_by_own_type(value: Any) -> Written:
    """Return the value as JSON, with the types that the JSON loses. Raises :class:`ValueProblem`."""
    if type(value) is Written:
        return value
    return Written(encode_by_own_type(value), json_loses(value))


def check_restored(value: Any, codec: Codec[Any], lost: str) -> None:
    """Check that a decoded value has the types that it was sent with, if the reader's type leaves them open. ``lost``
    describes the types that its JSON lost. Raises :class:`ValueProblem`."""
    if lost and not codec.is_closed and not loses_the_same(value, lost):
        raise problem_of_lost(lost)


def loses_the_same(value: Any, lost: str) -> bool:
    """Report whether the JSON of this value loses the same types as the JSON of the sent value."""
    return json_loses(value).rpartition(_DIGEST)[2] == lost.rpartition(_DIGEST)[2]


def problem_of_lost(lost: str) -> ValueProblem:
    """Return the error for a reader whose type does not name the lost types."""
    place, _, kind = lost.rpartition(_DIGEST)[0].rpartition(_OF_TYPE)
    return ValueProblem(
        f"the sender used a type that JSON does not keep ({kind}), and the reader does not name that type", place
    )


_DIGEST = " #"
_OF_TYPE = ": "
_SHOWN = 200
"""The length to which a path, or the name of a type, is cut in a message, in characters."""


def json_loses(value: Any) -> str:
    """Return a one-line description of the types in a value that JSON does not preserve; empty if it preserves all."""
    if type(value) in EXACT:
        return ""
    losses = list(_losses(value, "$"))
    if not losses:
        return ""
    digest = hashlib.sha256(repr([(place, sort) for place, sort, _ in losses]).encode(errors="replace")).hexdigest()
    place, _, kind = losses[0]
    return f"{plain_text(place, _SHOWN)}{_OF_TYPE}{plain_text(kind, _SHOWN)}{_DIGEST}{digest[:16]}"


_Loss = tuple[str, str, str]
"""The path, the kind of the lost type ("object" for any class, because the reader may use another class), and its name.
"""


def _losses(value: Any, place: str) -> Iterator[_Loss]:
    kind = type(value)
    if kind in EXACT or kind is float:
        return
    if kind is dict:
        yield from _losses_of_entries(value, place)
    elif kind is list or kind is tuple:
        if kind is tuple:
            yield place, "tuple", "tuple"
        for index, item in enumerate(value):
            yield from _losses(item, f"{place}[{index}]")
    elif kind is set or kind is frozenset:
        yield place, kind.__name__, kind.__name__
        inner = f"{place}{{}}"  # its members have no order
        yield from sorted({loss for item in value for loss in _losses(item, inner)})
    else:
        yield place, "object", qualname_of(kind)


def _losses_of_entries(value: dict[Any, Any], place: str) -> Iterator[_Loss]:
    for kind in set(map(type, value)) - {str}:
        yield place, "keys" if kind not in EXACT else f"keys {kind.__name__}", f"dict with {qualname_of(kind)} keys"
    for key, item in value.items():
        yield from _losses(item, place + under_key(key))


def encode_by_own_type(value: Any) -> bytes:
    """Encode the value by its own type. Raises :class:`ValueProblem`."""
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
        raise Misfit(f"its keys have several types ({names}), which a receiver could not distinguish")
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
