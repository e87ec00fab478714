"""Names of services: users' are identifiers, and those that begin with ``playhead.`` are built in."""

from __future__ import annotations

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


def is_system(service: str) -> bool:
    """Whether the objects of this name are part of playhead: hidden unless asked for, and held by no gate."""
    return service.startswith(SYSTEM_NAMESPACE)
