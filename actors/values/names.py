"""Names of services: identifiers for users' services, and the prefix ``playhead.`` for built-in ones."""

from __future__ import annotations

import functools

import attrs

from actors.errors import DefinitionError, DefinitionReason
from actors.values.texts import shown

NAME_BYTES = 256
"""The greatest length of the name of a class, a handler or a field, in bytes."""

MAX_ALIASES = 32
"""The greatest number of aliases of a class, a handler or a field."""

SYSTEM_NAMESPACE = "playhead."

EDIT = "playhead.edit"
"""The handler that edits an object's fields. It is not an identifier, so no user handler can have this name."""

RESERVED = frozenset(
    {
        "audit",
        "backups",
        "changes",
        "checks",
        "cluster",
        "deployments",
        "gates",
        "health",
        "invocations",
        "jobs",
        "limits",
        "links",
        "mcp",
        "metrics",
        "notifications",
        "overview",
        "objects",
        "query",
        "restate",
        "schedules",
        "services",
        "tokens",
        "ui",
        "webhooks",
        "whoami",
    }
)
"""Names that no class may have: HTTP paths that begin with them belong to the remote control."""


@functools.lru_cache(maxsize=1024)
def is_system(service: str) -> bool:
    """Report whether the service is built in. Built-in services are hidden by default, and gates never hold them."""
    return service.startswith(SYSTEM_NAMESPACE)


@attrs.frozen
class Naming:
    """The public name of a class or a handler. If ``name`` is None, the name in the code is used. ``aliases`` are
    former names."""

    name: str | None = None
    aliases: tuple[str, ...] = ()

    def of(self, attribute: str) -> str:
        """Return the public name, given the name in the code."""
        return self.name or attribute


AS_IN_CODE = Naming()
"""The name in the code, without aliases."""


def naming(name: object, aliases: object, what: str) -> Naming:
    """Return the checked options ``name`` and ``aliases`` of a definition. Raises :class:`DefinitionError` with
    ``what``."""
    if isinstance(aliases, str):
        raise DefinitionError(
            f"{what}: aliases is {aliases!r}, expected a tuple of names: ({aliases!r},)",
            reason=DefinitionReason.NAME,
            name=what,
        )
    if not isinstance(aliases, (tuple, list)):
        raise DefinitionError(
            f"{what}: aliases is {type(aliases).__name__}, expected a tuple of names",
            reason=DefinitionReason.NAME,
            name=what,
        )
    if len(aliases) > MAX_ALIASES:
        raise DefinitionError(
            f"{what}: {len(aliases)} aliases, the limit is {MAX_ALIASES}", reason=DefinitionReason.NAME, name=what
        )
    given = [each for each in (name, *aliases) if each is not None or each in aliases]
    for each in given:
        if not isinstance(each, str) or not each.isidentifier() or len(each.encode()) > NAME_BYTES:
            raise DefinitionError(
                f"{what}: {shown(each)} is not a name; expected a Python identifier of at most {NAME_BYTES} bytes",
                reason=DefinitionReason.NAME,
                name=what,
            )
    if len(set(given)) < len(given):
        raise DefinitionError(
            f"{what}: {', '.join(map(str, given))} names one of them twice",
            reason=DefinitionReason.DUPLICATE,
            name=what,
        )
    return Naming(None if name is None else str(name), tuple(map(str, aliases)))
