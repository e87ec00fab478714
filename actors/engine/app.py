"""The classes that a runtime serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.errors import DefinitionError, UnknownServiceError
from actors.objects import Definition, HandlerDefinition, definition_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from journal.events import Target


class App:
    """Definitions by name."""

    def __init__(self, classes: Iterable[type]) -> None:
        self._definitions: dict[str, Definition] = {}
        for cls in classes:
            definition = definition_of(cls)
            known = self._definitions.setdefault(definition.name, definition)
            if known is not definition:
                raise DefinitionError(
                    f"two classes are named {definition.name}: {known.cls.__module__} and {cls.__module__}; rename one"
                )

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._definitions.values())

    def find(self, service: str) -> Definition:
        """The definition of this name. Raises :class:`UnknownServiceError`."""
        found = self._definitions.get(service)
        if found is None:
            known = ", ".join(sorted(self._definitions)) or "none"
            raise UnknownServiceError(f"no service {service!r} is served here; there is {known}")
        return found

    def handler_of(self, target: Target) -> tuple[Definition, HandlerDefinition]:
        """Raises ``UnknownServiceError``, ``UnknownHandlerError``."""
        definition = self.find(target.service)
        return definition, definition.handler(target.handler)
