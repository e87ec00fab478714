"""Describes the values of a type, in Python and in JSON.

A :class:`Shape` is made once for a type, from the shapes of its parts. It writes values as *plain* ones, which msgspec encodes as
JSON, and reads them back. Both directions are strict: ``write`` accepts only values of exactly its type, and ``read`` only plain
values that represent one. Two promises hold everything together:

* A shape with ``is_exact``, with exact parts, reads every value that it wrote as an equal value of the same types. Such values need no comparison; this is decided once, for the type.
* For all others, the codec reads each value back and compares it before it is stored (``sameness``).

Alternative refused: cattrs, which silently accepts a text for a member of a union, a subclass for its base, and a list for a
tuple. It serves only the hooks that users register (``hooks``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.values.problem import Misfit, expected

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

NULL, BOOL, INT, FLOAT, TEXT, ARRAY, OBJECT = "null", "boolean", "integer", "float", "string", "array", "object"
ALL_SORTS = frozenset({NULL, BOOL, INT, FLOAT, TEXT, ARRAY, OBJECT})
"""The sorts of plain values. Some languages do not distinguish ``5`` and ``5.0`` in JSON, but the JSON that is written here does.
"""

ANYTHING = 3

_SORTS: dict[type, str] = {
    type(None): NULL,
    bool: BOOL,
    int: INT,
    float: FLOAT,
    str: TEXT,
    list: ARRAY,
    dict: OBJECT,
}


def sort_of(plain: object) -> str:
    """Return the sort of a plain value."""
    return _SORTS[type(plain)]


class Shape:
    """The base of all shapes; see the module."""

    name: str
    """The name of the type in messages."""

    sorts: frozenset[str]
    """The sorts of plain values that the shape writes."""

    parts: Sequence[Shape] = ()
    """The shapes of the parts of its values."""

    is_exact: bool = True
    """Whether reading undoes writing, provided that it does so for the parts."""

    is_hashable: bool = True
    """Whether the values can be dictionary keys and set members, provided that the parts can."""

    takes_any_text: bool = False
    """Whether nearly every text represents a value of the type."""

    breadth: int = 0
    """How many values the type accepts that other types accept as well, from a closed set of values up to everything
    (``ANYTHING``). The members of a union are tried from narrow to broad."""

    def write(self, value: Any) -> Any:
        """Return the plain value that represents the value. Raises :class:`Misfit`."""
        raise NotImplementedError

    def read(self, plain: Any) -> Any:
        """Return the value that the plain one represents. Raises :class:`Misfit`."""
        raise NotImplementedError

    def write_all(self, values: Collection[Any]) -> list[Any]:
        """Return the plain values that represent the values. Raises :class:`Misfit` with the index."""
        return each(self.write, values)

    def read_all(self, plain: list[Any]) -> list[Any]:
        """Return the values that the plain ones represent. Raises :class:`Misfit` with the index."""
        return each(self.read, plain)

    def check(self) -> None:
        """Raise :class:`DefinitionError` for problems that show only once all parts exist."""

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        """Describe how values are written. Two shapes with the same form cannot be distinguished in JSON.

        ``around`` are the shapes that contain this one, so that a recursive shape ends.
        """
        raise NotImplementedError


def each(
    do: Callable[[Any], Any], values: Collection[Any], step: Callable[[int, Any], str] = lambda index, _: f"[{index}]"
) -> list[Any]:
    """Return the results of ``do`` for the values. Raises :class:`Misfit` with the path of the first value that does
    not fit."""
    try:
        return [do(value) for value in values]
    except Misfit:
        for index, value in enumerate(values):  # searched only now, because most values fit
            try:
                do(value)
            except Misfit as misfit:
                raise misfit.under(step(index, value)) from misfit.__cause__
        raise


def of_type(kind: type, name: str, values: Iterable[Any]) -> None:
    """Raise :class:`Misfit`, with the index, unless all values are of exactly this type."""
    if set(map(type, values)) <= {kind}:
        return
    for index, value in enumerate(values):
        if type(value) is not kind:
            raise expected(name, value).under(f"[{index}]")


def all_parts(shape: Shape) -> Iterator[Shape]:
    """Yield the shape and all its parts at any depth, each once."""
    seen: set[int] = set()
    waiting = [shape]
    while waiting:
        part = waiting.pop()
        if id(part) not in seen:
            seen.add(id(part))
            yield part
            waiting += part.parts


def is_exact(shape: Shape) -> bool:
    """Report whether every value that the shape writes is read back as an equal value of the same types."""
    return all(part.is_exact for part in all_parts(shape))


def is_hashable(shape: Shape) -> bool:
    """Report whether values of the shape can be keys."""
    return all(part.is_hashable for part in all_parts(shape))


def is_closed(shape: Shape) -> bool:
    """Report whether the type is fully specified: no part of its values is of arbitrary type."""
    return not any(part.breadth == ANYTHING and not part.parts for part in all_parts(shape))


def is_bounded(shape: Shape) -> bool:
    """Report whether the type limits the depth of its values: it contains neither itself nor values of arbitrary type."""
    return is_closed(shape) and not _is_recursive(shape, set(), set())


def _is_recursive(shape: Shape, around: set[int], finished: set[int]) -> bool:
    mark = id(shape)
    if mark in around:
        return True
    if mark in finished:
        return False
    around.add(mark)
    found = any(_is_recursive(part, around, finished) for part in shape.parts)
    around.discard(mark)
    finished.add(mark)
    return found
