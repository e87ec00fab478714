"""Public records of served classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.model.fields import FieldKind
from actors.model.info import plain
from actors.model.service_info import FieldInfo, HandlerInfo, ServiceInfo

if TYPE_CHECKING:
    from actors.model.definitions import Definition, HandlerDefinition
    from actors.model.fields import Field


def service_info(definition: Definition) -> ServiceInfo:
    """Return the public record of a class."""
    return ServiceInfo(
        name=definition.name,
        kind=definition.kind,
        aliases=definition.aliases,
        handlers=tuple(_handler_info(handler) for _, handler in sorted(definition.handlers.items())),
        fields=tuple(map(_field_info, definition.fields.values())),
        doc=_first_line(definition.cls),
    )


def _field_info(field: Field) -> FieldInfo:
    return FieldInfo(
        name=field.name,
        kind=field.kind,
        aliases=field.aliases,
        value=plain(field.codec.schema),
        key=plain(field.key_codec.schema) if field.kind is FieldKind.MAP else None,
        default=None if field.default is None else plain(field.default),
    )


def _handler_info(handler: HandlerDefinition) -> HandlerInfo:
    signature = handler.signature
    return HandlerInfo(
        name=handler.name,
        mode=handler.mode,
        aliases=handler.options.naming.aliases,
        parameters={name: plain(codec.schema) for name, codec in signature.parameters.items()},
        required=signature.required,
        result=plain(signature.returns.schema),
        doc=_first_line(handler.function),
        private=handler.is_private,
        webhook="" if handler.options.webhook is None else handler.options.webhook.scheme.value,
    )


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]
