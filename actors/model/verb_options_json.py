"""The options of a verb from JSON, and as JSON."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.errors import InvalidArgumentError
from actors.model.verb_options import OPTIONS_OF, RestartOptions
from actors.values import Written

if TYPE_CHECKING:
    from actors.core.jobs import JobVerb
    from actors.model.verb_options import VerbOptions


def parse_options(verb: JobVerb, given: dict[str, Any]) -> VerbOptions:
    """Parse the options of a verb by their names. Raises :class:`actors.InvalidArgumentError` for unknown names and
    invalid values.
    """
    kind = OPTIONS_OF[verb]
    known = attrs.fields_dict(kind)
    unknown = [str(name)[:80] for name in given if name not in known]
    if unknown:
        raise InvalidArgumentError(
            f"the verb {verb.value} has no option {unknown[0]!r}; it has {', '.join(known) or 'none'}", path="$.options"
        )
    lacking = [name for name, field in known.items() if field.default is attrs.NOTHING and name not in given]
    if lacking:
        raise InvalidArgumentError(f"the verb {verb.value} needs the option {lacking[0]!r}", path="$.options")
    return kind(**given)


def options_as_json(options: VerbOptions) -> dict[str, Any]:
    """Return the options that are not at their defaults as JSON. A user value stays as it was encoded."""
    found: dict[str, Any] = {}
    for field in attrs.fields(type(options)):
        value = getattr(options, field.name)
        if value != field.default:
            found[field.name] = _as_json(value)
    if isinstance(options, RestartOptions) and options.input is not None:
        found["json_loses"] = options.json_loses or options.input.json_loses
    return found


def _as_json(value: Any) -> Any:
    match value:
        case Written(data=data):
            return msgspec.Raw(data)
        case enum.Enum():
            return value.value
        case _:
            return value
