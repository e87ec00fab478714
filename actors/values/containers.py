"""Lists, tuples, sets and dictionaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.errors import DefinitionError, DefinitionReason
from actors.values.document import encode_plain, parse
from actors.values.problem import Misfit, ValueProblem, expected, name_of, show, under_key
from actors.values.scalars import ExactShape
from actors.values.shape import ARRAY, OBJECT, TEXT, Shape, each, is_hashable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class SequenceShape(Shape):
    """A homogeneous list or tuple of any length, in order. An array is read as a list; a text does not count as a list of
    characters."""

    sorts = frozenset({ARRAY})

    def __init__(self, kind: Any, container: Callable[[Any], Any], item: Shape) -> None:
        self.name = name_of(kind)
        self.parts = (item,)
        self.container = container
        self.is_hashable = container is tuple
        self.breadth = item.breadth

    def write(self, value: Any) -> Any:
        if type(value) is not self.container:
            raise expected(self.name, value)
        return self.parts[0].write_all(value)

    def read(self, plain: Any) -> Any:
        if type(plain) is not list:
            raise expected(self.name, plain)
        items = self.parts[0].read_all(plain)
        return items if self.container is list else self.container(items)

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return _form_of_recursive(self, around) or f"array of {self.parts[0].form((*around, self))}"


class SetShape(SequenceShape):
    """A set. Sets have no order and processes iterate over them in different orders, so a set is written sorted by the
    JSON of its members."""

    def __init__(self, kind: Any, container: Callable[[Any], Any], item: Shape) -> None:
        super().__init__(kind, container, item)
        self.is_hashable = container is frozenset

    def write(self, value: Any) -> Any:
        return sorted(super().write(value), key=encode_plain)

    def read(self, plain: Any) -> Any:
        try:
            found = super().read(plain)
        except TypeError as error:
            raise Misfit(f"expected {self.name}, found a member that cannot be in a set: {error}") from error
        if len(found) != len(plain):
            raise Misfit(f"expected {self.name}, found a member twice in {show(plain)}")
        return found


class TupleShape(Shape):
    """A tuple of fixed length, in which each item has its own type."""

    sorts = frozenset({ARRAY})

    def __init__(self, kind: Any, items: Sequence[Shape]) -> None:
        self.name = name_of(kind)
        self.parts = tuple(items)
        self.breadth = max((item.breadth for item in items), default=0)

    def write(self, value: Any) -> Any:
        if type(value) is not tuple or len(value) != len(self.parts):
            raise expected(self.name, value)
        return row(value, [part.write for part in self.parts])

    def read(self, plain: Any) -> Any:
        if type(plain) is not list or len(plain) != len(self.parts):
            raise expected(self.name, plain)
        return tuple(row(plain, [part.read for part in self.parts]))

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return _form_of_recursive(self, around) or f"row of {[part.form((*around, self)) for part in self.parts]}"


def row(values: Sequence[Any], each_with: Sequence[Callable[[Any], Any]]) -> list[Any]:
    """Apply to each value the function with the same index. Raises :class:`Misfit` with the index."""
    done: list[Any] = []
    try:
        for do, value in zip(each_with, values, strict=False):
            done.append(do(value))
    except Misfit as misfit:
        raise misfit.under(f"[{len(done)}]") from misfit.__cause__
    return done


class MappingShape(Shape):
    """A mapping. Keys whose JSON is a text are written as that text, all others as the text of their JSON (``{1: "a"}`` becomes
    ``{"1": "a"}``)."""

    sorts = frozenset({OBJECT})
    is_hashable = False

    def __init__(self, kind: Any, container: Callable[[Any], Any], key: Shape, value: Shape) -> None:
        self.name = name_of(kind)
        self.parts = (key, value)
        self.container = container
        self._keys_are_text = key.sorts == {TEXT}
        self._keys_are_str = isinstance(key, ExactShape) and self._keys_are_text
        self.breadth = value.breadth

    def write(self, value: Any) -> Any:
        if type(value) is not self.container:
            raise expected(self.name, value)
        keys = value if self._keys_are_str and set(map(type, value)) <= {str} else each(self._key_text, value, _at)
        values = self._values(self.parts[1].write_all, self.parts[1].write, value)
        return dict(zip(keys, values, strict=True))

    def read(self, plain: Any) -> Any:
        if type(plain) is not dict:
            raise expected(self.name, plain)
        keys = plain if self._keys_are_str else each(self._key, plain, _at)
        values = self._values(self.parts[1].read_all, self.parts[1].read, plain)
        try:
            found = dict(zip(keys, values, strict=True))
        except TypeError as error:
            raise Misfit(f"expected {self.name}, found a key that cannot be used: {error}") from error
        if len(found) != len(plain):
            raise Misfit(f"expected {self.name}, found a key twice in {show(list(plain))}")
        return found if self.container is dict else self.container(found)

    def _values(
        self, do_all: Callable[[list[Any]], list[Any]], do: Callable[[Any], Any], mapping: dict[Any, Any]
    ) -> list[Any]:
        try:
            return do_all(list(mapping.values()))
        except Misfit:  # its path has an index in place of a key
            keys = list(mapping)
            each(do, mapping.values(), lambda index, _: under_key(keys[index]))
            raise

    def _key_text(self, key: Any) -> str:
        try:
            plain = self.parts[0].write(key)
            return plain if self._keys_are_text else encode_plain(plain).decode()
        except Misfit as misfit:
            raise Misfit(f"its key: {misfit.problem}") from misfit.__cause__

    def _key(self, text: str) -> Any:
        try:
            return self.parts[0].read(text if self._keys_are_text else parse(text.encode()))
        except Misfit as misfit:
            raise Misfit(f"its key: {misfit.problem}") from misfit.__cause__
        except ValueProblem as error:
            raise Misfit(f"its key: {expected(self.parts[0].name, text)}") from error

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        inner = (*around, self)
        return _form_of_recursive(self, around) or " ".join(
            ["object of", self.parts[0].form(inner), self.parts[1].form(inner)]
        )


def _at(_: int, key: Any) -> str:
    return under_key(key)


def _form_of_recursive(shape: Shape, around: tuple[Shape, ...]) -> str:
    return f"recursive {around.index(shape)}" if shape in around else ""


def check_hashable(name: str, part: Shape) -> None:
    """Raise :class:`DefinitionError` for a type whose values have no hash, or a hash by identity, and so could not be
    found again as keys or members of a set."""
    if not is_hashable(part):
        raise DefinitionError(
            f"{name}: values of type {part.name} have no hash, or one by identity, so they cannot be keys or members of a set",
            reason=DefinitionReason.TYPE,
            name=part.name,
        )
