"""Groups of errors, read in a way that no class of a user's can change, and that comes to an end.

A subclass of ``ExceptionGroup`` may say of itself that it holds anything, itself included. And few groups that hold each other
twice have endlessly many paths to the errors in them: ``split`` of the standard library walks every path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATHS = 10_000
"""A group with more paths to its errors than this is not taken apart."""

exceptions_in: Callable[[BaseException], tuple[BaseException, ...]] = vars(BaseExceptionGroup)["exceptions"].__get__
"""What Python itself has put into a group."""


def is_group(error: BaseException) -> bool:
    """Whether it is one, whatever it says of itself."""
    return issubclass(type(error), BaseExceptionGroup)


def _never(_: BaseException) -> bool:
    return False


def leaves_of(error: BaseException, is_leaf: Callable[[BaseException], bool] = _never) -> Iterator[BaseException]:
    """The error, or what lies in its groups, however deep; each once. A group for which ``is_leaf`` holds is not opened."""
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
    """The error without the groups around it, if it is the only one in them, or if all in them are of ``kind``: then the first. Several
    tasks may meet one failure at the same moment."""
    leaves = [*leaves_of(error)]
    return leaves[0] if len(leaves) == 1 or all(issubclass(type(leaf), kind) for leaf in leaves) else error


def without(error: BaseException, kind: type[BaseException]) -> tuple[bool, BaseException | None]:
    """Whether any of it is of this kind, and what is left without that: None if all of it is.

    The group itself where nothing is taken out of it, or where it has too many paths to be taken apart.
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
