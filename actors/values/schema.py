"""JSON schemas of values, for documentation, forms and the OpenAPI document."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import attrs

from actors.values.classes import Attribute, ClassShape, NamedTupleShape, TypedDictShape
from actors.values.containers import MappingShape, SequenceShape, SetShape, TupleShape
from actors.values.enumerations import EnumShape, FlagShape, LiteralShape
from actors.values.models import ModelShape, StructShape
from actors.values.problem import Misfit
from actors.values.scalars import ExactShape, FloatShape, IntegerShape, SubclassShape, TextShape
from actors.values.shape import TEXT
from actors.values.unions import AliasShape, OptionalShape, UnionShape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.values.shape import Shape

Schema = dict[str, Any]

_OF_EXACT = {"int": "integer", "str": "string", "bool": "boolean", "None": "null"}
_OF_TEXT: dict[str, Schema] = {
    "UUID": {"format": "uuid"},
    "Decimal": {"format": "decimal"},
    "date": {"format": "date"},
    "timedelta": {"format": "duration"},
    "bytes": {"contentEncoding": "base64"},
    "bytearray": {"contentEncoding": "base64"},
}
_REFERENCE = "#/$defs/"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


def schema_document(shape: Shape) -> Schema:
    """Return the JSON schema of a shape's values, with the definitions that it refers to."""
    return _Document().of(shape)


class _Document:
    """The schema of one shape. Each class in the shape becomes one definition."""

    def __init__(self) -> None:
        self._definitions: dict[str, Schema] = {}
        self._names: dict[Any, str] = {}

    def of(self, shape: Shape) -> Schema:
        schema = self._schema(shape)
        return schema | {"$defs": self._definitions} if self._definitions else schema

    def _schema(self, shape: Shape) -> Schema:
        match shape:
            case ExactShape():
                return {"type": _OF_EXACT[shape.name]}
            case FloatShape():
                return {"type": "number"}
            case TextShape():
                return {"type": "string"} | _OF_TEXT.get(shape.name, {})
            case FlagShape():
                return {"type": "integer", "minimum": 0, "maximum": shape.mask}
            case LiteralShape():
                return {"enum": shape.plain_values}
            case SubclassShape() | AliasShape():
                return self._schema(shape.parts[0])
            case OptionalShape():
                return {"anyOf": [self._schema(shape.parts[0]), {"type": "null"}]}
            case UnionShape():
                return {"anyOf": [self._schema(part) for part in shape.parts]}
            case _:
                return self._of_container(shape)

    def _of_container(self, shape: Shape) -> Schema:
        match shape:
            case SequenceShape():
                unique = {"uniqueItems": True} if isinstance(shape, SetShape) else {}
                return {"type": "array"} | self._unless_empty("items", shape.parts[0]) | unique
            case TupleShape():
                return _row([self._schema(part) for part in shape.parts])
            case MappingShape():
                return (
                    {"type": "object"}
                    | _of_keys(shape.parts[0])
                    | self._unless_empty("additionalProperties", shape.parts[1])
                )
            case EnumShape() | ClassShape() | TypedDictShape() | NamedTupleShape() | ModelShape() | StructShape():
                return self._reference(shape)
            case _:
                return {}

    def _unless_empty(self, word: str, part: Shape) -> Schema:
        schema = self._schema(part)
        return {word: schema} if schema else {}

    def _reference(self, shape: Any) -> Schema:
        name = self._names.get(shape.identity)
        if name is None:
            name = self._names[shape.identity] = self._free_name(shape.name)
            self._definitions[name] = {}
            self._definitions[name] = self._definition(shape, name)
        return {"$ref": _REFERENCE + name}

    def _free_name(self, name: str) -> str:
        name = _NOT_IN_NAMES.sub("_", name.rpartition(".<locals>.")[2])
        number, free = 1, name
        while free in self._definitions:
            number += 1
            free = f"{name}_{number}"
        return free

    def _definition(self, shape: Any, name: str) -> Schema:
        match shape:
            case ModelShape() | StructShape():
                return self._hoisted(shape.schema(), name)
            case EnumShape():
                return {"title": name, "enum": shape.plain_values}
            case NamedTupleShape():
                return {"title": name} | self._of_named_tuple(shape)
            case _:
                return {"title": name} | _description(shape) | self._of_fields(shape.attributes)

    def _of_fields(self, attributes: Iterable[Attribute]) -> Schema:
        properties = {attribute.name: self._with_default(attribute) for attribute in attributes}
        required = [attribute.name for attribute in attributes if attribute.is_required]
        return {"type": "object", "properties": properties, "required": required}

    def _of_named_tuple(self, shape: NamedTupleShape) -> Schema:
        items = [self._with_default(attribute) for attribute in shape.attributes]
        required = sum(attribute.is_required for attribute in shape.attributes)
        return _row(items) | {"minItems": required}

    def _with_default(self, attribute: Attribute) -> Schema:
        schema = self._schema(attribute.shape)
        if attribute.default is attrs.NOTHING or isinstance(attribute.default, attrs.Factory):  # type: ignore[arg-type]
            return schema
        try:
            return schema | {"default": attribute.shape.write(attribute.default)}
        except Misfit:
            return schema

    def _hoisted(self, schema: Schema, name: str) -> Schema:
        """Return a schema of another library. Its definitions move to this document, with ``name`` as their prefix."""
        names = {inner: self._free_name(f"{name}.{inner}") for inner in schema.get("$defs", {})}
        for inner, definition in schema.get("$defs", {}).items():
            self._definitions[names[inner]] = _renamed(definition, names)
        renamed: Schema = _renamed({word: value for word, value in schema.items() if word != "$defs"}, names)
        return renamed


def _of_keys(key: Shape) -> Schema:
    """Return the schema of an object's keys; empty if they are not restricted."""
    match key:
        case IntegerShape():
            return {"propertyNames": {"pattern": "^-?[0-9]+$"}}
        case EnumShape() | LiteralShape() if key.sorts == {TEXT}:
            return {"propertyNames": {"enum": key.plain_values}}
        case TextShape() if key.name in _OF_TEXT:
            return {"propertyNames": _OF_TEXT[key.name]}
        case _:
            return {}


def _row(items: list[Schema]) -> Schema:
    if not items:
        return {"type": "array", "maxItems": 0}
    return {"type": "array", "minItems": len(items), "maxItems": len(items), "prefixItems": items, "items": False}


def _description(shape: Any) -> Schema:
    cls = shape.cls if isinstance(shape, ClassShape) else None
    if cls is None or not cls.__doc__ or cls.__doc__.startswith(f"{cls.__name__}("):  # dataclasses write one themselves
        return {}
    return {"description": inspect.getdoc(cls)}


def _renamed(part: Any, names: dict[str, str]) -> Any:
    """Return the schema with the new names of its definitions. Classes of other libraries accept unknown keys unless
    they say otherwise."""
    match part:
        case str() if part.startswith(_REFERENCE):
            inner = part.removeprefix(_REFERENCE)
            return _REFERENCE + names.get(inner, inner)
        case dict():
            opened = {"additionalProperties": True} if "properties" in part and "type" in part else {}
            return opened | {word: _renamed(value, names) for word, value in part.items()}
        case list():
            return [_renamed(item, names) for item in part]
        case _:
            return part
