"""Attributes of a step, for readers of its trace or its history."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from actors.errors import ErrorCode, InvalidArgumentError, LimitExceededError, MisuseError
from actors.model.contexts import current_step
from actors.replay.branches import current_branch
from actors.values.arguments import is_a
from actors.values.texts import is_utf8, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ATTRIBUTES = 64
"""The largest number of attributes of one try of a step."""

MAX_ATTRIBUTE_NAME = 128
"""The longest name of an attribute, in characters."""

MAX_ATTRIBUTE_VALUE = 4_096
"""The longest text of an attribute, in characters."""

_LARGEST = 1 << 63


def set_attributes(attributes: Mapping[str, str | bool | int | float]) -> None:
    """Describe the try of the running step, for example the model that it asked and the tokens that it used.

    They are recorded with the outcome of the try: ``handle.events()`` and SQL show them, and traces have them on the span of the
    try. A later call adds to them, and replaces those with the same name. Values are texts, truths, integers of 64 bits and finite
    numbers. At most 64, with names of at most 128 characters and texts of at most 4,096. Raises :class:`InvalidArgumentError`,
    :class:`LimitExceededError`, and :class:`MisuseError` outside of a step or in a try that is over.

    ::

        answer = await client.responses.create(model=model, input=prompt)
        actors.set_attributes({"gen_ai.request.model": model, "gen_ai.usage.output_tokens": answer.usage.output_tokens})
    """
    step = current_step.get()
    if step is None or current_branch.get() is not None:
        raise MisuseError(
            "actors.set_attributes() describes a step; call it in the body of a step", code=ErrorCode.OUTSIDE_HANDLER
        )
    if not is_a(attributes, dict):
        raise InvalidArgumentError(f"attributes is {shown(attributes)}, expected a dictionary", path="attributes")
    step.set_attributes(dict(_checked(name, value) for name, value in dict.items(attributes)))


def describe_step(attributes: Mapping[str, str | bool | int | float | None]) -> None:
    """Describe the running step with values from outside, such as a server's: long texts are cut, and None is left out. Attributes are for
    people, so a bad value never fails the request."""
    set_attributes(
        {
            name: value[:MAX_ATTRIBUTE_VALUE] if type(value) is str else value
            for name, value in attributes.items()
            if value is not None
        }
    )


def check_attribute_count(found: int) -> None:
    """Raise :class:`LimitExceededError` if a try of a step has too many attributes."""
    if found > MAX_ATTRIBUTES:
        raise _beyond("attributes", f"a step has {found} attributes", MAX_ATTRIBUTES, found)


def _checked(name: object, value: object) -> tuple[str, str | bool | int | float]:
    text = str.__str__(name) if is_a(name, str) else ""
    if not 0 < len(text) <= MAX_ATTRIBUTE_NAME or not text.isprintable() or not is_utf8(text):
        raise InvalidArgumentError(
            f"an attribute is named {shown(name)}; expected 1 to {MAX_ATTRIBUTE_NAME} printable characters",
            path="attributes",
        )
    if type(value) is bool:
        return text, value
    if is_a(value, str) and is_utf8(found := str.__str__(value)):
        if len(found) > MAX_ATTRIBUTE_VALUE:
            what = f"the attribute {text} has {len(found)} characters"
            raise _beyond("attribute_value", what, MAX_ATTRIBUTE_VALUE, len(found))
        return text, found
    if type(value) is int and -_LARGEST <= value < _LARGEST:
        return text, value
    if type(value) is float and math.isfinite(value):
        return text, value
    raise InvalidArgumentError(
        f"the attribute {text} is {shown(value)}; expected a text, a truth, an integer of 64 bits or a finite number",
        path=f"attributes.{text}",
    )


def _beyond(limit: str, what: str, maximum: int, found: int) -> LimitExceededError:
    return LimitExceededError(
        f"{what}; the limit is {maximum}", limit=limit, maximum=maximum, found=found, code=ErrorCode.TOO_LARGE
    )
