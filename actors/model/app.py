"""The classes that a runtime serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import DefinitionError, UnknownServiceError
from actors.model.classes import definition_of, service_name
from actors.model.definitions import Definition, HandlerDefinition
from actors.values.names import is_system

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from actors.model.classes import ObjectBase
    from journal.events import Target


class App:
    """Definitions by name: the user's, and besides them those that are built in."""

    def __init__(self, classes: Iterable[type], *, system: Iterable[type[ObjectBase]] = ()) -> None:
        self._definitions: dict[str, Definition] = {}
        self._called: dict[str, Definition] = {}
        for cls in classes:
            definition = definition_of(cls)
            self._definitions[definition.name] = definition
            for name in definition.names:
                self._call(name, definition)
        # Looked over when one is used: what a start does not need, it should not wait for.
        self._system = {service_name(cls): cls for cls in system}
        self._handlers: dict[tuple[str, str], tuple[Definition, HandlerDefinition]] = {}

    def _call(self, name: str, definition: Definition) -> None:
        if is_system(name):
            raise DefinitionError(f"{name} is built in, and served without being named")
        known = self._called.setdefault(name, definition)
        if known is not definition:
            raise DefinitionError(
                f"two classes are called {name}: {_place(known.cls)} and {_place(definition.cls)}. Rename one, or give it "
                "another name=, or take it out of the aliases of one"
            )

    def __iter__(self) -> Iterator[Definition]:
        """The user's."""
        return iter(self._definitions.values())

    def __contains__(self, service: object) -> bool:
        """Whether a name is that of a class of the user's, or an alias."""
        return service in self._called

    def built_in(self) -> Iterator[Definition]:
        """Those that every runtime serves."""
        return map(definition_of, self._system.values())

    def find(self, service: str) -> Definition:
        """The definition of this name, or alias. Raises :class:`UnknownServiceError`."""
        found = self._called.get(service)
        if found is None and service in self._system:
            return definition_of(self._system[service])
        if found is None:
            known = ", ".join(sorted(self._definitions)) or "none"
            raise UnknownServiceError(f"no service {service!r} is served here; there is {known}")
        return found

    def handler_of(self, target: Target) -> tuple[Definition, HandlerDefinition]:
        """What is asked for. Raises ``UnknownServiceError``, ``UnknownHandlerError``."""
        return self.handler(target.service, target.handler)

    def handler(self, service: str, name: str) -> tuple[Definition, HandlerDefinition]:
        """A handler, with the class that it is of. Raises ``UnknownServiceError``, ``UnknownHandlerError``."""
        found = self._handlers.get((service, name))
        if found is None:
            definition = self.find(service)
            found = self._handlers[service, name] = definition, definition.handler(name)
        return found


def _place(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
