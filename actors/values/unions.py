"""Unions, whose JSON does not always show the member, and aliases of types that may contain themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.errors import DefinitionError, DefinitionReason
from actors.values.problem import Misfit, expected, name_of
from actors.values.sameness import difference
from actors.values.shape import FLOAT, INT, NULL, Shape, sort_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class UnionShape(Shape):
    """One of several types.

    If every member has a sort of JSON of its own (``int | str | None``), the sort decides. Otherwise the members are tried from
    narrow to broad, and the first wins that would write exactly the value at hand. A value that would be read as another member
    (the text ``"2030-01-02"`` for ``date | str``) is found by comparison and refused. Unions whose members cannot be distinguished are
    refused with the class.
    """

    def __init__(self, members: Sequence[Shape]) -> None:
        self.name = " | ".join(member.name for member in members)
        self.parts = sorted(members, key=lambda member: member.breadth)  # sorting is stable
        self.sorts = frozenset().union(*(member.sorts for member in self.parts))
        self.is_exact = sum(len(member.sorts) for member in self.parts) == len(self.sorts)
        self.takes_any_text = any(member.takes_any_text for member in self.parts)
        self.breadth = max(member.breadth for member in self.parts)
        self._of_sort = {sort: [member for member in self.parts if sort in member.sorts] for sort in self.sorts}
        for sort, other in ((FLOAT, INT), (INT, FLOAT)):  # from outside, 5.0 may stand for 5, and 5 for 5.0
            if sort not in self._of_sort and other in self._of_sort:
                self._of_sort[sort] = self._of_sort[other]

    def check(self) -> None:
        """Raise :class:`DefinitionError` if two members could never be distinguished."""
        for index, member in enumerate(self.parts):
            for other in self.parts[:index]:
                if member.takes_any_text and other.takes_any_text:
                    self._refuse(other, member, "any text could be either")
                if member.form() == other.form():
                    self._refuse(other, member, "their values are written alike")

    def _refuse(self, one: Shape, other: Shape, why: str) -> None:
        raise DefinitionError(
            f"{self.name}: {one.name} and {other.name} cannot be distinguished in JSON, {why}. "
            "Wrap one of them in a class, or give both a field of different Literal types",
            reason=DefinitionReason.TYPE,
            name=self.name,
        )

    def write(self, value: Any) -> Any:
        misfits: list[Misfit] = []
        for member in self.parts:
            try:
                return member.write(value)
            except Misfit as misfit:
                misfits.append(misfit)
        raise self._deepest(misfits, value)

    def read(self, plain: Any) -> Any:
        members = self._of_sort.get(sort_of(plain), ())
        if len(members) == 1 and self.is_exact:
            return members[0].read(plain)
        misfits: list[Misfit] = []
        fitting: list[Any] = []
        for member in members:
            try:
                value = member.read(plain)
                if difference(member.write(value), plain) is None:
                    return value
                fitting.append(value)
            except Misfit as misfit:
                misfits.append(misfit)
        if fitting:
            return fitting[0]
        raise self._deepest(misfits, plain)

    def _deepest(self, misfits: Sequence[Misfit], value: Any) -> Misfit:
        """Return the error of the only member that reached the inside of the value, else an error that lists the
        expected types."""
        inside = [misfit for misfit in misfits if misfit.path]
        found = inside or [misfit for misfit in misfits if not misfit.problem.startswith("expected ")]
        return found[0] if len(found) == 1 else expected(self.name, value)

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        if self in around:
            return f"recursive {around.index(self)}"
        return f"any of {sorted(part.form((*around, self)) for part in self.parts)}"


class OptionalShape(Shape):
    """A type or None. This is the most common union, so its members are not searched."""

    def __init__(self, part: Shape) -> None:
        self.name = f"{part.name} | None"
        self.parts = (part,)
        self.sorts = part.sorts | {NULL}
        self.takes_any_text = part.takes_any_text
        self.breadth = part.breadth

    def write(self, value: Any) -> Any:
        return None if value is None else self.parts[0].write(value)

    def read(self, plain: Any) -> Any:
        return None if plain is None else self.parts[0].read(plain)

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        if self in around:
            return f"recursive {around.index(self)}"
        return f"any of {sorted(('None', self.parts[0].form((*around, self))))}"


class AliasShape(Shape):
    """A named type (``type Tree = dict[str, Tree] | int``), usable while it is still being made."""

    def __init__(self, kind: Any) -> None:
        self.name = name_of(kind)
        self.sorts = frozenset()

    def fill(self, shape: Shape) -> None:
        """Set the type that the name stands for."""
        self.parts = (shape,)
        self.sorts, self.breadth, self.takes_any_text = shape.sorts, shape.breadth, shape.takes_any_text

    def write(self, value: Any) -> Any:
        return self.parts[0].write(value)

    def read(self, plain: Any) -> Any:
        return self.parts[0].read(plain)

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return f"recursive {around.index(self)}" if self in around else self.parts[0].form((*around, self))
