"""The blocking classes of the remote control: each method waits for the result of the async method.

No method is written twice: :func:`blocking` makes a class from an async one, member by member. Type checkers read a
stub that is generated from the same source, and a test compares the two.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

T = TypeVar("T")


class LoopWaiter(Protocol):
    """Runs async functions elsewhere, and waits for them here."""

    def wait(self, function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T: ...

    def iterate(self, source: AsyncIterator[T]) -> Iterator[T]: ...


class Blocking:
    """The base of all blocking classes: an object of the event loop, and the loop."""

    def __init__(self, of: Any, loop: LoopWaiter) -> None:
        self._of = of
        self._loop = loop

    def __repr__(self) -> str:
        return f"<blocking {self._of!r}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return made_blocking(getattr(self._of, name), self._loop)


_classes: dict[type, type[Any]] = {}


def stands_for(of: type) -> Callable[[type[T]], type[T]]:
    """Declare that objects of the async class are returned as this one."""

    def note(cls: type[T]) -> type[T]:
        _classes[of] = cls
        return cls

    return note


def blocking(of: type) -> type[Any]:
    """Make a class with the same public members as the async one, whose methods wait for their results."""
    members: dict[str, Any] = {"__doc__": of.__doc__, "__module__": "actors.sync"}
    for cls in reversed(of.__mro__[:-1]):
        members |= {name: _member(name, found) for name, found in vars(cls).items() if _is_method(name, found)}
    made = type(of.__name__, (Blocking,), members)
    return stands_for(of)(made)


def _is_method(name: str, found: object) -> bool:
    return not name.startswith("_") and (inspect.isfunction(found) or isinstance(found, property))


def _member(name: str, found: Any) -> Any:
    if isinstance(found, property):
        return property(lambda self: made_blocking(getattr(self._of, name), self._loop), doc=found.__doc__)
    is_async = inspect.iscoroutinefunction(found)

    @functools.wraps(found)
    def method(self: Blocking, *args: Any, **kwargs: Any) -> Any:
        bound = getattr(self._of, name)
        value = self._loop.wait(bound, *args, **kwargs) if is_async else bound(*args, **kwargs)
        return made_blocking(value, self._loop)

    return method


def made_blocking(value: Any, loop: LoopWaiter) -> Any:
    """Return the blocking form of an object. Plain data is returned unchanged."""
    for kind in type(value).__mro__[:-1]:
        if kind in _classes:
            return _classes[kind](value, loop)
    return loop.iterate(value) if hasattr(type(value), "__anext__") else value
