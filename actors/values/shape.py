"""What the values of one type look like, in Python and in JSON.

A :class:`Shape` is made once for a type, with the shapes of its parts. It writes values as *plain* ones, of which msgspec makes
JSON, and reads them back. Both are strict: ``write`` takes values of exactly its type, ``read`` takes plain values that stand
for one. Two promises hold everything together:

* A shape whose ``is_exact`` is true, with exact parts, reads what it wrote as an equal value of the same types, for every value
  that it writes. Nothing needs to be compared then; this is decided once, for the type.
* For all others the codec reads each value back before it is kept, and compares (``sameness``).

cattrs is not used for this: it silently takes a text for a member of a union, a subclass for its base and a list for a tuple. It
serves the hooks that users register (``hooks``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.values.problem import Misfit, expected

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

NULL, BOOL, INT, FLOAT, TEXT, ARRAY, OBJECT = "null", "boolean", "integer", "float", "string", "array", "object"
ALL_SORTS = frozenset({NULL, BOOL, INT, FLOAT, TEXT, ARRAY, OBJECT})
"""The sorts of plain values. Not every language tells ``5`` from ``5.0`` in JSON, but what is written here does."""

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
    """The sort of a plain value."""
    return _SORTS[type(plain)]


class Shape:
    """See the module."""

    name: str
    """The type, as messages call it."""

    sorts: frozenset[str]
    """What its values are written as."""

    parts: Sequence[Shape] = ()
    """The shapes of what its values contain."""

    is_exact: bool = True
    """Whether reading undoes writing, if it does for the parts."""

    is_hashable: bool = True
    """Whether its values can be keys and members of sets, if the parts can."""

    takes_any_text: bool = False
    """Whether nearly every text stands for one of its values."""

    breadth: int = 0
    """How much it takes that other types take as well, from a closed set of values to anything at all (``ANYTHING``). The members
    of a union are asked from narrow to broad."""

    def write(self, value: Any) -> Any:
        """The value as a plain one. Raises :class:`Misfit`."""
        raise NotImplementedError

    def read(self, plain: Any) -> Any:
        """The value that the plain one stands for. Raises :class:`Misfit`."""
        raise NotImplementedError

    def write_all(self, values: Collection[Any]) -> list[Any]:
        """Each of the values. Raises :class:`Misfit` with the index."""
        return each(self.write, values)

    def read_all(self, plain: list[Any]) -> list[Any]:
        """Each of the plain values. Raises :class:`Misfit` with the index."""
        return each(self.read, plain)

    def check(self) -> None:
        """Raise :class:`DefinitionError` for what can be seen only once all parts are there."""

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        """How values are written, as a text. Two shapes of one form cannot be told apart in JSON.

        ``around`` are the shapes that this one is a part of, so that a recursive one comes to an end.
        """
        raise NotImplementedError


def each(
    do: Callable[[Any], Any], values: Collection[Any], step: Callable[[int, Any], str] = lambda index, _: f"[{index}]"
) -> list[Any]:
    """``do`` for each of the values. Raises :class:`Misfit` under the step that leads to the first that does not fit."""
    try:
        return [do(value) for value in values]
    except Misfit:
        for index, value in enumerate(values):  # looked for only now: most values fit
            try:
                do(value)
            except Misfit as misfit:
                raise misfit.under(step(index, value)) from misfit.__cause__
        raise


def of_type(kind: type, name: str, values: Iterable[Any]) -> None:
    """Check that all are of exactly this type, fast. Raises :class:`Misfit` with the index."""
    if set(map(type, values)) <= {kind}:
        return
    for index, value in enumerate(values):
        if type(value) is not kind:
            raise expected(name, value).under(f"[{index}]")


def all_parts(shape: Shape) -> Iterator[Shape]:
    """The shape and everything that it is made of, each once."""
    seen: set[int] = set()
    waiting = [shape]
    while waiting:
        part = waiting.pop()
        if id(part) not in seen:
            seen.add(id(part))
            yield part
            waiting += part.parts


def is_exact(shape: Shape) -> bool:
    """Whether every value that it writes is read back as an equal one of the same types."""
    return all(part.is_exact for part in all_parts(shape))


def is_hashable(shape: Shape) -> bool:
    """Whether its values can be keys."""
    return all(part.is_hashable for part in all_parts(shape))


def is_closed(shape: Shape) -> bool:
    """Whether the type leaves nothing open: no part of its values can be anything at all."""
    return not any(part.breadth == ANYTHING and not part.parts for part in all_parts(shape))


def is_bounded(shape: Shape) -> bool:
    """Whether the type itself says how deep its values can be: it contains neither itself nor anything at all."""
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
