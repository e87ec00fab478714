"""pydantic models and msgspec structs, which define their own JSON."""

from __future__ import annotations

import re
import typing
import warnings
from typing import TYPE_CHECKING, Any

import msgspec

from actors.errors import DefinitionError, DefinitionReason
from actors.values.document import encode_plain, parse
from actors.values.problem import Misfit, ValueProblem, expected, name_of, reason_of, show, under_key
from actors.values.shape import ALL_SORTS, OBJECT, Shape

_NAME = re.compile(r"\.(\w+)")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel, ValidationError
    from pydantic.fields import FieldInfo


class ModelShape(Shape):
    """A pydantic model.

    It is written with its aliases and read by aliases or names. The model decides about conversions of JSON from
    outside (``"5"`` for an int); ``ConfigDict(strict=True)`` refuses them. Parts that it does not write, or reads
    differently (private attributes, excluded fields, one-way serializers), are detected when the value is read back,
    and refused. Computed fields are not written. After reading, every field counts as set.
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
        """Raise :class:`DefinitionError` for a model whose values could not be kept."""
        try:
            self._kind.model_rebuild()
            self.schema()
        except Exception as error:
            raise DefinitionError(
                f"{self.name} has no JSON schema: {reason_of(error)}", reason=DefinitionReason.TYPE, name=self.name
            ) from error
        for model in _models_in(self._kind):
            for name, field in model.model_fields.items():
                problem = _problem_of(model, name, field)
                if problem:
                    raise DefinitionError(
                        f"{model.__qualname__}.{name} {problem}",
                        reason=DefinitionReason.TYPE,
                        name=f"{model.__qualname__}.{name}",
                    )

    def schema(self) -> dict[str, Any]:
        """Return the model's own JSON schema."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about defaults that it leaves out
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


def _models_in(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the model and the models in it, each once."""
    seen: set[type] = set()
    waiting = [kind]
    while waiting:
        model = waiting.pop()
        if model not in seen:
            seen.add(model)
            yield model
            parts = [part for field in model.model_fields.values() for part in _types_in(field.annotation)]
            waiting += [
                part for part in parts if hasattr(part, "__pydantic_root_model__") and hasattr(part, "model_fields")
            ]


def _types_in(annotation: Any) -> Iterator[Any]:
    """Yield the classes in an annotation."""
    if isinstance(annotation, type):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _types_in(argument)


def _problem_of(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    """Return the reason why no value of the field could be read back; empty if there is none."""
    if field.exclude and field.is_required():
        return "is required and excluded, so no value could be read again"
    written = field.serialization_alias or name
    if written not in {name, *_names_read(field)}:
        return f"is written as {written!r} and read as {next(iter(_names_read(field)), name)!r}; give it one alias for both"
    is_secret = any(
        part.__module__ == "pydantic.types" and part.__name__ in _SECRETS for part in _types_in(field.annotation)
    )
    if is_secret and not _has_serializer(model, name, field):
        return (
            "is a secret, which pydantic writes as asterisks, so it would be lost. Keep a name by which a step looks the secret "
            "up, or give the field a serializer that writes it to disk in the clear"
        )
    return ""


_SECRETS = ("SecretStr", "SecretBytes")


def _names_read(field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    choices = getattr(alias, "choices", [alias])
    return [str(choice) for choice in choices if isinstance(choice, str)]


def _has_serializer(model: type[BaseModel], name: str, field: FieldInfo) -> bool:
    decorators = model.__pydantic_decorators__
    fields = {each for serializer in decorators.field_serializers.values() for each in serializer.info.fields}
    in_annotation = any(hasattr(metadata, "when_used") for metadata in field.metadata)
    return bool(decorators.model_serializers) or name in fields or "*" in fields or in_annotation


def _misfit(error: ValidationError) -> Misfit:
    """Return the first problem that pydantic reported, with its path."""
    first = error.errors(include_url=False, include_context=False)[0]
    return Misfit(f"{first['msg']}, found {show(first['input'])}").under("".join(map(under_key, first["loc"])))


class StructShape(Shape):
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
            raise DefinitionError(
                f"{self.name}: {reason_of(error)}", reason=DefinitionReason.TYPE, name=self.name
            ) from error

    def schema(self) -> dict[str, Any]:
        """Return msgspec's own JSON schema."""
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
