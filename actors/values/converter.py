"""Users' hooks for types without built-in support: ``actors.converter()``."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from actors.values import hooks

if TYPE_CHECKING:
    from cattrs import Converter

_Matches = Callable[[Any], bool]


def converter() -> Converter:
    """Return a cattrs converter on which to register hooks for types without built-in support. Register them before the
    types are used.

    ::

        actors.converter().register_structure_hook(Money, lambda value, _: Money.parse(value))
        actors.converter().register_unstructure_hook(Money, str)

    A value that goes through a hook is read back before it is stored, and refused if it is not equal: by the ``__eq__``
    of its class, or by its attributes if the class has none.
    """
    if not hooks.made_converter:
        hooks.made_converter.append(_class_of_converters()())
    made: Converter = hooks.made_converter[0]
    return made


class _RecordedHooks:
    """The types for which users have registered hooks."""

    def _begin(self) -> None:
        self._reads: list[_Matches] = []
        self._writes: list[_Matches] = []

    def reads(self, kind: Any) -> bool:
        """Report whether a registered hook reads values of the type."""
        return any(_holds(matches, kind) for matches in self._reads)

    def writes(self, kind: Any) -> bool:
        """Report whether a registered hook writes values of the type."""
        return any(_holds(matches, kind) for matches in self._writes)

    def _note(self, registered: list[_Matches], matches: _Matches) -> None:
        from actors.values.codec import forget_codecs

        registered.append(matches)
        forget_codecs()


@functools.cache
def _class_of_converters() -> Any:
    """Return the class of a converter that records the users' hooks and uses the shapes for everything else, because
    cattrs itself would convert values silently."""
    import cattrs

    from actors.values.kinds import shape_of

    class ValueConverter(_RecordedHooks, cattrs.Converter):
        def __init__(self) -> None:
            self._begin()
            super().__init__(forbid_extra_keys=True)
            for kind in (int, float, bool, str, bytes):
                self.register_structure_hook(kind, _read_by_shape)
                self.register_unstructure_hook(kind, shape_of(kind).write)
            self.register_structure_hook_factory(lambda _: True, _reader_of)
            self.register_unstructure_hook_factory(lambda _: True, lambda kind: shape_of(kind).write)
            self._begin()  # users register their hooks from here on

        def register_structure_hook(self, cl: Any, func: Any = None) -> Any:
            if func is not None:
                self._note(self._reads, functools.partial(_covers, cl))
            register: Any = super().register_structure_hook
            return register(cl, func)

        def register_structure_hook_func(self, check_func: Any, func: Any) -> None:
            self._note(self._reads, check_func)
            super().register_structure_hook_func(check_func, func)

        def register_structure_hook_factory(self, predicate: Any, factory: Any = None) -> Any:
            self._note(self._reads, predicate)
            return super().register_structure_hook_factory(predicate, factory)

        def register_unstructure_hook(self, cls: Any = None, func: Any = None) -> Any:
            if func is not None:
                self._note(self._writes, functools.partial(_covers, cls))
            register: Any = super().register_unstructure_hook
            return register(cls, func)

        def register_unstructure_hook_func(self, check_func: Any, func: Any) -> None:
            self._note(self._writes, check_func)
            super().register_unstructure_hook_func(check_func, func)

        def register_unstructure_hook_factory(self, predicate: Any, factory: Any = None) -> Any:
            self._note(self._writes, predicate)
            return super().register_unstructure_hook_factory(predicate, factory)

    return ValueConverter


def _read_by_shape(plain: Any, kind: Any) -> Any:
    from actors.values.kinds import shape_of

    return shape_of(kind).read(plain)


def _reader_of(kind: Any) -> Callable[[Any, Any], Any]:
    from actors.values.kinds import shape_of

    read = shape_of(kind).read
    return lambda plain, _: read(plain)


def _covers(registered: Any, kind: Any) -> bool:
    """Report whether a hook that is registered for one type also applies to another: a hook for a class applies to its
    subclasses."""
    if isinstance(registered, type) and isinstance(kind, type) and not typing.get_args(kind):
        return issubclass(kind, registered)
    return bool(registered == kind)


def _holds(matches: _Matches, kind: Any) -> bool:
    try:
        return bool(matches(kind))
    except Exception:  # cattrs skips such predicates as well
        return False
