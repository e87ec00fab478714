"""pydantic models and msgspec structs: classes that know their own JSON."""

from __future__ import annotations

import re
import typing
import warnings
from typing import TYPE_CHECKING, Any

import msgspec

from actors.core.errors import DefinitionError
from actors.values.document import encode_plain, parse
from actors.values.problem import Misfit, ValueProblem, expected, name_of, reason_of, show, under_key
from actors.values.shape import ALL_SORTS, OBJECT, Shape

_NAME = re.compile(r"\.(\w+)")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel, ValidationError


class Model(Shape):
    """A pydantic model.

    It is written with its aliases and read by aliases or names. What it makes of JSON from outside (``"5"`` for an int) is the
    model's own affair: ``ConfigDict(strict=True)`` refuses it. What it does not write, or writes otherwise than it reads (private
    attributes, excluded fields, one-way serializers), is found when the value is read back, and refused. Computed fields are not
    written. After reading, every field counts as set.
    """

    is_exact = False

    def __init__(self, kind: type[BaseModel]) -> None:
        self.name = name_of(kind)
        self.identity = kind
        self.sorts = ALL_SORTS if kind.__pydantic_root_model__ else frozenset({OBJECT})
        self.is_hashable = kind.__hash__ is not None
        self._kind = kind
        self._check()

    def _check(self) -> None:
        """Raise :class:`DefinitionError` for a model of which no value could be kept."""
        try:
            self._kind.model_rebuild()
            self.schema()
        except Exception as error:
            raise DefinitionError(f"{self.name} has no JSON schema: {reason_of(error)}") from error
        for name, field in self._kind.model_fields.items():
            if field.exclude and field.is_required():
                raise DefinitionError(f"{self.name}.{name} is required and excluded, so no value could be read again")
        secret = _secret_in(self._kind, set())
        if secret:
            raise DefinitionError(
                f"{secret} is a secret, which pydantic writes as asterisks, so it would be lost. Keep a name by which a step looks "
                "the secret up, or give the field a serializer that writes it to disk in the clear"
            )

    def schema(self) -> dict[str, Any]:
        """The model's own JSON schema."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of defaults that it leaves out
            return self._kind.model_json_schema()

    def write(self, value: Any) -> Any:
        if type(value) is not self._kind:
            raise expected(self.name, value)
        try:
            return parse(value.model_dump_json(by_alias=True, round_trip=True, warnings="error").encode())
        except ValueProblem as error:
            raise Misfit(error.problem) from error
        except Exception as error:
            raise Misfit(f"{show(value)} cannot be written: {reason_of(error)}") from error

    def read(self, plain: Any) -> Any:
        from pydantic import ValidationError

        try:
            return self._kind.model_validate_json(encode_plain(plain), by_alias=True, by_name=True)
        except ValidationError as error:
            raise _misfit(error) from error
        except Exception as error:
            raise Misfit(reason_of(error)) from error

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return f"model {self.name} {id(self._kind)}"


def _secret_in(kind: type[BaseModel], seen: set[type]) -> str:
    """The first field, also of models in it, that holds a secret and has no serializer; empty if there is none."""
    seen.add(kind)
    decorators = kind.__pydantic_decorators__
    written = {name for serializer in decorators.field_serializers.values() for name in serializer.info.fields}
    if decorators.model_serializers or "*" in written:
        return ""
    for name, field in kind.model_fields.items():
        if name in written or any(hasattr(metadata, "when_used") for metadata in field.metadata):
            continue
        for part in _types_in(field.annotation):
            if part.__name__ in ("SecretStr", "SecretBytes") and part.__module__ == "pydantic.types":
                return f"{kind.__qualname__}.{name}"
            if hasattr(part, "__pydantic_decorators__") and hasattr(part, "model_fields") and part not in seen:
                inner = _secret_in(part, seen)
                if inner:
                    return inner
    return ""


def _types_in(annotation: Any) -> Iterator[Any]:
    """The classes that an annotation is made of."""
    if isinstance(annotation, type):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _types_in(argument)


def _misfit(error: ValidationError) -> Misfit:
    """The first thing that pydantic found."""
    first = error.errors(include_url=False, include_context=False)[0]
    return Misfit(f"{first['msg']}, found {show(first['input'])}").under("".join(map(under_key, first["loc"])))


class Struct(Shape):
    """A ``msgspec.Struct``, as msgspec writes it."""

    sorts = ALL_SORTS
    is_exact = False

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self.name = name_of(kind)
        self.identity = kind
        self.is_hashable = kind.__struct_config__.frozen and kind.__struct_config__.eq
        self._kind = kind
        try:
            msgspec.json.Decoder(kind)
        except Exception as error:
            raise DefinitionError(f"{self.name}: {reason_of(error)}") from error

    def schema(self) -> dict[str, Any]:
        """msgspec's own JSON schema."""
        return msgspec.json.schema(self._kind)

    def write(self, value: Any) -> Any:
        if type(value) is not self._kind:
            raise expected(self.name, value)
        try:
            return parse(msgspec.json.encode(value))
        except ValueProblem as error:
            raise Misfit(error.problem) from error
        except Exception as error:
            raise Misfit(f"{show(value)} cannot be written: {reason_of(error)}") from error

    def read(self, plain: Any) -> Any:
        try:
            return msgspec.convert(plain, self._kind, str_keys=True)
        except Exception as error:
            raise _misfit_of_struct(error) from error

    def form(self, around: tuple[Shape, ...] = ()) -> str:
        return f"struct {self.name} {id(self._kind)}"


def _misfit_of_struct(error: Exception) -> Misfit:
    problem, _, path = reason_of(error).partition(" - at `$")
    return Misfit(problem).under(_NAME.sub(r"['\1']", path.rstrip("`")))
