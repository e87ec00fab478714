"""What does not fit the model of a request, in words: the name, the value that was found, and what was expected."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import msgspec

from actors.errors import InvalidArgumentError
from actors.values.arguments import MAX_COUNT
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PATH = re.compile(r" - at `(?P<is_key>key in )?(?P<path>\$[^`]*)`\Z")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_ANY = "..."
"""The step of a path that msgspec writes for the value of a map, without its key."""

_KINDS: dict[str, type] = {"object": dict, "array": list, "string": str}
_MISSING = re.compile(r"missing required field `([^`]+)`")
_MOST_WORDS = 30
"""The most values of an enumeration that a message lists."""


def misfit(value: Any, kind: Any, error: msgspec.ValidationError, what: str) -> InvalidArgumentError:
    """Return the refusal of ``value``, which msgspec did not accept as ``kind``. ``what`` names the whole: ``the query``, ``the body``."""
    text = str(error)
    found = _PATH.search(text)
    path = "$" if found is None else found["path"]
    missing = _MISSING.search(text)
    steps = [*_steps_of(path), *([missing[1]] if missing is not None else [])]
    expected = None if found is not None and found["is_key"] else _expected(_schema_at(kind, steps), _definitions(kind))
    if expected is None:
        return InvalidArgumentError(f"{what}: {text}", path=path)
    name = path.removeprefix("$").removeprefix(".") or what
    if missing is not None:
        return InvalidArgumentError(f"{what} has no {missing[1]!r}, expected {expected}", path=path)
    at = "" if name == what else f" of {what}"
    culprit, steps = _value_at(value, kind, steps)
    if culprit is None and _ANY in steps:
        return InvalidArgumentError(f"{name}{at} has a value that does not fit, expected {expected}", path=path)
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".") or name
    return InvalidArgumentError(f"{name}{at} is {shown(culprit)}, expected {expected}", path=path)


def _steps_of(path: str) -> list[str | int]:
    return [name or (index if index == _ANY else int(index)) for name, index in _STEP.findall(path)]


def _value_at(value: Any, kind: Any, steps: Sequence[str | int]) -> tuple[Any, list[str | int]]:
    """Return the value at the end of a path, and the path with the keys of maps: each is the first whose value has another type than
    the map's. The value is None, and the key unknown, if all have its type.
    """
    taken: list[str | int] = []
    for number, step in enumerate(steps):
        if step == _ANY:
            schema = _resolved(_schema_at(kind, steps[: number + 1]) or {}, _definitions(kind))
            wanted = _KINDS.get(schema.get("type", ""), object)
            found = next((key for key, item in value.items() if not isinstance(item, wanted)), None)
            if found is None:
                return None, [*taken, *steps[number:]]
            step = found
        taken.append(step)
        value = value[step]
    return value, taken


# Schemas.


@functools.cache
def _schema_of(kind: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    (schema,), definitions = msgspec.json.schema_components([kind])
    return schema, definitions


def _definitions(kind: Any) -> dict[str, Any]:
    return _schema_of(kind)[1]


def _schema_at(kind: Any, steps: Iterable[str | int]) -> dict[str, Any] | None:
    """Return the schema of a part, or None if it cannot be told, as in a union of objects."""
    schema, definitions = _schema_of(kind)
    for step in steps:
        schema = _resolved(schema, definitions)
        tag = schema.get("discriminator", {})
        if tag.get("propertyName") == step:
            return {"enum": [*tag["mapping"]]}
        several = [_resolved(one, definitions) for one in schema.get("anyOf", [schema])]
        parts = [part for one in several if isinstance(part := _part(one, step), dict)]
        if len(parts) != 1:
            return None
        (schema,) = parts
    return schema


def _part(schema: dict[str, Any], step: str | int) -> Any:
    """Return the schema of an item, of a value of a map, or of a field. None if the schema has no such part."""
    if isinstance(step, int):
        return schema.get("items")
    return schema.get("additionalProperties") if step == _ANY else schema.get("properties", {}).get(step)


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, and take the only kind of an optional value."""
    while True:
        if "$ref" in schema:
            schema = definitions[schema["$ref"].rpartition("/")[2]]
        elif len(given := [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]) == 1:
            schema = given[0]
        else:
            return schema


def _expected(schema: dict[str, Any] | None, definitions: dict[str, Any]) -> str | None:
    """Describe what a schema accepts. None if it takes more than a few words."""
    if schema is None:
        return None
    schema = _resolved(schema, definitions)
    match schema:
        case {"enum": [*values]}:
            words = [repr(value) for value in values[:_MOST_WORDS] if value is not None]
            return f"one of {', '.join(words)}" if len(values) <= _MOST_WORDS else None
        case {"anyOf": [*several]}:
            each = [_expected(one, definitions) for one in several if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(words for words in each if words)) if all(each) else None
        case {"type": "boolean"}:
            return "true or false"
        case {"type": "integer" | "number" as kind}:
            return f"{'a whole number' if kind == 'integer' else 'a number'}{_range(schema, 'minimum', 'maximum')}"
        case {"type": "string"}:
            pattern = f" that matches {schema['pattern']}" if "pattern" in schema else ""
            return f"a text{_range(schema, 'minLength', 'maxLength', ' characters')}{pattern}"
        case {"type": "array"}:
            return f"a list{_range(schema, 'minItems', 'maxItems', ' items')}"
        case {"type": "object"}:
            return "an object"
    return None


def _range(schema: dict[str, Any], least: str, most: str, unit: str = "") -> str:
    low, high, above = schema.get(least), schema.get(most), schema.get("exclusiveMinimum")
    of = " of" if unit else ""
    if high is not None and high >= MAX_COUNT:
        high = None  # as good as none
    if low is not None and high is not None:
        return f"{of or ' from'} {_written(low)} to {_written(high)}{unit}"
    bounds = (("above", above), ("at least", low), ("at most", high))
    said = " and ".join(f"{words} {_written(bound)}" for words, bound in bounds if bound is not None)
    return f"{of} {said}{unit}" if said else ""


def _written(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,g}"
