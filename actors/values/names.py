"""Names of services: users' are identifiers, and those that begin with ``playhead.`` are built in."""

from __future__ import annotations

import functools

import attrs

from actors.errors import DefinitionError
from actors.values.texts import shown

NAME_BYTES = 256
"""The longest name of a class or a handler."""

SYSTEM_NAMESPACE = "playhead."

EDIT = "playhead.edit"
"""The handler that changes fields of an object from outside. It is no identifier, so no handler of a user has it."""

RESERVED = frozenset(
    {
        "audit",
        "backups",
        "changes",
        "checks",
        "deployments",
        "gates",
        "health",
        "invocations",
        "jobs",
        "metrics",
        "objects",
        "query",
        "restate",
        "services",
        "tokens",
        "ui",
        "whoami",
    }
)
"""What no class may be called: an HTTP path that begins with it is the remote control's."""


@functools.lru_cache(maxsize=1024)
def is_system(service: str) -> bool:
    """Whether the objects of this name are part of playhead: hidden unless asked for, and held by no gate."""
    return service.startswith(SYSTEM_NAMESPACE)


@attrs.frozen
class Naming:
    """How a class or a handler is to be called, as its definition says. ``name`` None: as in the code. ``aliases`` are what it
    was called before."""

    name: str | None = None
    aliases: tuple[str, ...] = ()

    def of(self, attribute: str) -> str:
        """The name, of what the code calls by this one."""
        return self.name or attribute


AS_IN_CODE = Naming()
"""Called what it is in the code, and never otherwise."""


def naming(name: object, aliases: object, what: str) -> Naming:
    """The options ``name`` and ``aliases`` of what is defined. Raises :class:`DefinitionError`, naming ``what``."""
    if isinstance(aliases, str):
        raise DefinitionError(f"{what}: aliases is {aliases!r}, expected a tuple of names: ({aliases!r},)")
    if not isinstance(aliases, (tuple, list)):
        raise DefinitionError(f"{what}: aliases is {type(aliases).__name__}, expected a tuple of names")
    given = [each for each in (name, *aliases) if each is not None or each in aliases]
    for each in given:
        if not isinstance(each, str) or not each.isidentifier() or len(each.encode()) > NAME_BYTES:
            raise DefinitionError(
                f"{what}: {shown(each)} is not a name; expected a Python identifier of at most {NAME_BYTES} bytes"
            )
    if len(set(given)) < len(given):
        raise DefinitionError(f"{what}: {', '.join(map(str, given))} names one of them twice")
    return Naming(None if name is None else str(name), tuple(map(str, aliases)))
