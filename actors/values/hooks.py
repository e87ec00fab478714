"""Types for which users have registered hooks (:mod:`actors.values.converter`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.values.problem import Misfit, expected, name_of, reason_of, under_key
from actors.values.shape import ALL_SORTS, ANYTHING, Shape
from actors.values.untyped import check_plain

if TYPE_CHECKING:
    from collections.abc import Callable

made_converter: list[Any] = []
"""The converter of :func:`actors.converter`, if that was called. Without it there are no hooks, and cattrs is not
imported."""


def is_hooked(kind: Any) -> bool:
    """Report whether users have registered a hook for the type."""
    return bool(made_converter) and (made_converter[0].reads(kind) or made_converter[0].writes(kind))


class HookedShape(Shape):
    """A type with a hook in one direction or both."""

    sorts = ALL_SORTS
    is_exact = False
    breadth = ANYTHING

    def __init__(self, kind: Any, own: Callable[[], Shape]) -> None:
        converter = made_converter[0]
        reads, writes = converter.reads(kind), converter.writes(kind)
        self.name = name_of(kind)
        self._kind = kind
        self.is_hashable = getattr(kind, "__hash__", None) is not None
        if reads and writes:
            self._from_plain, self._to_plain = converter.get_structure_hook(kind), converter.get_unstructure_hook(kind)
        else:
            without = own()
            self.parts = (without,)
            self._from_plain = converter.get_structure_hook(kind) if reads else lambda plain, _: without.read(plain)
            self._to_plain = converter.get_unstructure_hook(kind) if writes else without.write

    def write(self, value: Any) -> Any:
        if isinstance(self._kind, type) and not isinstance(value, self._kind):
            raise expected(self.name, value)
        try:
            plain = self._to_plain(value)
        except Misfit:
            raise
        except Exception as error:
            raise expected(self.name, value) from error
        check_plain(plain)
        return plain

    def read(self, plain: Any) -> Any:
        try:
            return self._from_plain(plain, self._kind)
        except Misfit:
            raise
        except Exception as error:
            raise _misfit(error) from error

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return f"by the hooks of {self.name}"


def _misfit(error: BaseException) -> Misfit:
    """Return the first problem that a hook, or cattrs on its behalf, reported, with its path."""
    path = ""
    while isinstance(error, BaseExceptionGroup):
        inner = error.exceptions[0]
        for note in getattr(inner, "__notes__", ()):
            step = getattr(note, "name", getattr(note, "index", None))
            path += "" if step is None else under_key(step)
        error = inner
    problem = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else reason_of(error)
    return Misfit(problem).under(path)
