"""Reads groups of errors in a way that no user class can change and that always ends.

A subclass of ``ExceptionGroup`` may claim to contain anything, including itself. And a few groups that contain each
other twice have exponentially many paths to their errors: the standard library's ``split`` follows every path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATHS = 10_000
"""The most paths to the errors of a group that is taken apart."""

exceptions_in: Callable[[BaseException], tuple[BaseException, ...]] = vars(BaseExceptionGroup)["exceptions"].__get__
"""The exceptions that Python itself has put into a group."""


def is_group(error: BaseException) -> bool:
    """Report whether the error is a group, even if its class claims otherwise."""
    return issubclass(type(error), BaseExceptionGroup)


def _never(_: BaseException) -> bool:
    return False


def leaves_of(error: BaseException, is_leaf: Callable[[BaseException], bool] = _never) -> Iterator[BaseException]:
    """Yield the error itself if it is not a group, else the errors in it at any depth, each error once. A group for
    which ``is_leaf`` returns true is yielded and not opened."""
    waiting, met = [error], {id(error)}
    while waiting:
        at = waiting.pop()
        if not is_group(at) or is_leaf(at):
            yield at
            continue
        for inner in reversed(exceptions_in(at)):
            if id(inner) not in met:
                met.add(id(inner))
                waiting.append(inner)


def alone(error: BaseException, kind: type[BaseException]) -> BaseException:
    """Return the only error in the groups, or the first if all are of ``kind``; else the given error. Several tasks may
    meet the same failure at once."""
    leaves = [*leaves_of(error)]
    return leaves[0] if len(leaves) == 1 or all(issubclass(type(leaf), kind) for leaf in leaves) else error


def without(error: BaseException, kind: type[BaseException]) -> tuple[bool, BaseException | None]:
    """Return whether any part of the error is of this kind, and the rest: None if every part is.

    The rest is the same group if nothing is removed, or if the group has too many paths to be taken apart.
    """
    are_of_kind = [issubclass(type(leaf), kind) for leaf in leaves_of(error)]
    if not any(are_of_kind):
        return False, error
    if all(are_of_kind):
        return True, None
    if not isinstance(error, BaseExceptionGroup) or _has_too_many_paths(error):
        return True, error
    return True, error.split(kind)[1]


def _has_too_many_paths(error: BaseException) -> bool:
    waiting, count = [error], 0
    while waiting:
        at = waiting.pop()
        count += 1
        if count > _PATHS:
            return True
        if is_group(at):
            waiting += exceptions_in(at)
    return False
