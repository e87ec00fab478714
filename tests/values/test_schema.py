"""JSON schemas of types, as forms and the OpenAPI document show them."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import attrs
import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

import actors
from actors.http.server.openapi import make_document
from actors.model.classes import definition_of
from actors.model.services import service_info
from actors.values import ValueProblem, codec_for
from tests.values.test_round_trip import QUICK, types


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@attrs.define
class Leaf:
    """Something green."""

    name: str
    size: float = 1.5
    below: list[Leaf] = attrs.field(factory=list)
    colour: Colour | None = Colour.RED


class Point(NamedTuple):
    x: int
    y: int = 0


class Entry(TypedDict, total=False):
    key: str


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]


class Home(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    beside: list[Home] = []


@attrs.define
class Street:
    homes: dict[str, Home]
    leaf: Leaf | None = None


def schema_of(kind: Any) -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.json.decode(codec_for(kind).schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (int, {"type": "integer"}),
        (float | None, {"anyOf": [{"type": "number"}, {"type": "null"}]}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (Any, {}),
        (list, {"type": "array"}),
        (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (dict[int, Any], {"type": "object", "propertyNames": {"pattern": "^-?[0-9]+$"}}),
        (dict[Literal["a"], Any], {"type": "object", "propertyNames": {"enum": ["a"]}}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (
            tuple[int, str],
            {
                "type": "array",
                "minItems": 2,
                "maxItems": 2,
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "items": False,
            },
        ),
        (Colour, {"$ref": "#/$defs/Colour", "$defs": {"Colour": {"title": "Colour", "enum": ["red", "blue"]}}}),
    ],
)
def test_a_type_has_a_schema(kind: Any, schema: dict[str, Any]) -> None:
    assert schema_of(kind) == schema


def test_a_class_is_defined_once_with_its_defaults_and_its_words() -> None:
    leaf = schema_of(list[Leaf])["$defs"]["Leaf"]
    assert leaf["description"] == "Something green."
    assert leaf["required"] == ["name"]
    assert leaf["properties"]["size"] == {"type": "number", "default": 1.5}
    assert leaf["properties"]["below"] == {"type": "array", "items": {"$ref": "#/$defs/Leaf"}}
    assert leaf["properties"]["colour"]["default"] == "red"


def test_classes_of_one_name_have_definitions_of_their_own() -> None:
    @attrs.define
    class Leaf:  # the same name as above
        other: int

    both = schema_of(tuple[globals()["Leaf"], Leaf])
    one, other = (both["$defs"][item["$ref"].rpartition("/")[2]] for item in both["prefixItems"])
    assert "name" in one["properties"]
    assert "other" in other["properties"]


def test_a_model_brings_its_own_schema_with_all_that_it_refers_to() -> None:
    schema = schema_of(Street)
    value = {"homes": {"a": {"pet": {"kind": "cat"}, "beside": [{"pet": {"kind": "dog"}}]}}}
    jsonschema.validate(value, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"homes": {"a": {"pet": {"kind": "cow"}}}}, schema)


def test_the_document_of_a_service_with_models_refers_to_nothing_that_is_missing() -> None:
    class Streets(actors.Service):
        @actors.handler
        async def build(self, street: Street, home: Home | None = None) -> list[Home]: ...

    document = make_document([], [service_info(definition_of(Streets))])
    known = document["components"]["schemas"]
    missing = [reference for reference in references(document) if reference.rpartition("/")[2] not in known]
    assert missing == []


def references(part: Any) -> list[str]:
    match part:
        case str():
            return [part] if part.startswith("#/") else []
        case dict():
            return [found for value in part.values() for found in references(value)]
        case list():
            return [found for value in part for found in references(value)]
        case _:
            return []


@QUICK
@given(st.data())
def test_every_value_that_is_written_fits_the_schema_of_its_type(data: st.DataObject) -> None:
    kind, values = data.draw(types, label="type")
    try:
        codec = codec_for(kind)
        written = codec.encode(data.draw(values, label="value"))
    except (actors.errors.DefinitionError, ValueProblem):
        return
    jsonschema.validate(msgspec.json.decode(written), msgspec.json.decode(codec.schema))
