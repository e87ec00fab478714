"""Finds classes that have stored objects and are not in the running app: nothing runs them, and their data can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.query.objects import count_objects, kind_of, services_with_objects

if TYPE_CHECKING:
    from collections.abc import Container

    from actors.query.snapshot import JournalSnapshot
    from journal.events import Kind

MAX_COUNTED = 10_000
"""How many objects of one class a start counts."""


@attrs.frozen(kw_only=True)
class UnservedClass:
    """A class without code: its name, and the number of its stored objects, a lower bound unless ``is_complete``."""

    name: str
    kind: Kind
    objects: int
    is_complete: bool

    def __str__(self) -> str:
        count = f"{self.objects}" if self.is_complete else f"more than {self.objects}"
        return f"{count} {'object' if count == '1' else 'objects'} of {self.name}"


def unserved_classes(snapshot: JournalSnapshot, served: Container[str]) -> tuple[UnservedClass, ...]:
    """Return the stored classes that are not served."""
    found: list[UnservedClass] = []
    for name in services_with_objects(snapshot):
        if name not in served:
            count = count_objects(snapshot, name, MAX_COUNTED + 1)
            kind, objects = kind_of(snapshot, name), min(count, MAX_COUNTED)
            found.append(UnservedClass(name=name, kind=kind, objects=objects, is_complete=count == objects))
    return tuple(found)


def without_code(unserved: UnservedClass) -> str:
    """Return the text that is logged at a start."""
    verb = "is" if unserved.is_complete and unserved.objects == 1 else "are"
    return (
        f"no class named {unserved.name} is served, and {unserved} {verb} stored: they can be read but do not run. Serve that class, or "
        f"one with aliases=({unserved.name!r},)"
    )
