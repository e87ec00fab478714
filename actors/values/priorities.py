"""The tag ``priority``, which orders invocations that wait for a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import InvalidArgumentError
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRIORITY = "priority"
_MAX_PRIORITY = 10
_PRIORITIES = {str(number): number for number in range(-_MAX_PRIORITY, _MAX_PRIORITY + 1)}


def check_priority(name: str, value: str) -> None:
    """Raise :class:`actors.InvalidArgumentError` if this is the tag ``priority`` and its value is not a priority."""
    if name == _PRIORITY and value not in _PRIORITIES:
        raise InvalidArgumentError(
            f"the tag {_PRIORITY} is {shown(value)}, expected a whole number from -{_MAX_PRIORITY} to {_MAX_PRIORITY}",
            path=f"tags.{_PRIORITY}",
        )


def priority_of(tags: Mapping[str, str] | None) -> int:
    """Return the priority that the tags give, which is 0 if they give none."""
    return _PRIORITIES.get(tags[_PRIORITY], 0) if tags and _PRIORITY in tags else 0
