"""What is served, as it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.errors import UnknownServiceError
from cli.listing import TextColumn, TextTable
from cli.source import seen

if TYPE_CHECKING:
    from actors.model.info import HandlerInfo, ServiceInfo
    from cli.source import Where

SERVICES: TextTable[ServiceInfo] = TextTable(
    id_of=lambda service: service.name,
    columns=(
        TextColumn("NAME", lambda service: service.name),
        TextColumn("KIND", lambda service: service.kind.value),
        TextColumn(
            "HANDLERS", lambda service: ", ".join(handler.name for handler in service.handlers) or _none(service)
        ),
        TextColumn("WHAT", lambda service: service.doc),
    ),
)


@attrs.frozen(kw_only=True)
class Offered:
    """A handler with the class that it is of."""

    service: str
    handler: HandlerInfo


HANDLERS: TextTable[Offered] = TextTable(
    id_of=lambda one: f"{one.service}/{one.handler.name}",
    columns=(
        TextColumn("HANDLER", lambda one: f"{one.service}/{one.handler.name}"),
        TextColumn("MODE", lambda one: one.handler.mode.value),
        TextColumn("TAKES", lambda one: ", ".join(_taken(one.handler))),
        TextColumn("GIVES", lambda one: _named(one.handler.result)),
        TextColumn("WHAT", lambda one: one.handler.doc),
    ),
)


def _none(service: ServiceInfo) -> str:
    return "" if service.is_served else "(not served)"


def show(name: str | None, where: Where, output: str, *, with_system: bool) -> None:
    """List what is served; of one, its handlers."""

    found = seen(where, lambda source: source.services(system=with_system))
    if name is None:
        SERVICES.show(found, output)
        return
    service = next((one for one in found if one.name == name), None)
    if service is None:
        raise UnknownServiceError(f"no service {name!r}; there are: {', '.join(s.name for s in found) or 'none'}")
    HANDLERS.show([Offered(service=name, handler=handler) for handler in service.handlers], output)


def _taken(handler: HandlerInfo) -> list[str]:
    return [
        f"{name}: {_named(schema)}" if name in handler.required else f"[{name}: {_named(schema)}]"
        for name, schema in handler.parameters.items()
    ]


def _named(schema: Any) -> str:
    """A JSON schema in a word or two."""
    match schema:
        case {"type": "array", "items": items}:
            return f"array of {_named(items)}"
        case {"type": str(kind)}:
            return kind
        case {"$ref": str(reference)}:
            return reference.rpartition("/")[2]
        case {"anyOf": [*several]}:
            return " or ".join(_named(one) for one in several)
        case {"enum": [*values]}:
            return " or ".join(map(str, values))
    return "any"
