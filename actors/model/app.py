"""The classes that a runtime serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import DefinitionError, DefinitionReason, NotFoundError, ResourceKind
from actors.model.classes import definition_of, service_name
from actors.model.definitions import Definition, HandlerDefinition
from actors.values.names import is_system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from actors.model.classes import ObjectBase
    from journal.events import Target


class App:
    """The definitions of the classes that a runtime serves, by name: the user's and the built-in ones."""

    def __init__(self, classes: Iterable[type], *, system: Iterable[type[ObjectBase]] = ()) -> None:
        self._definitions: dict[str, Definition] = {}
        self._called: dict[str, Definition] = {}
        for cls in classes:
            definition = definition_of(cls)
            self._definitions[definition.name] = definition
            for name in definition.names:
                self._call(name, definition)
        # A built-in class is checked when it is first used, so that a start does not wait for unused classes.
        self._system = {service_name(cls): cls for cls in system}
        self.handlers = HandlersByName(self.find)

    def _call(self, name: str, definition: Definition) -> None:
        if is_system(name):
            raise DefinitionError(
                f"{name} is built in and always served; do not pass it", reason=DefinitionReason.NAME, name=name
            )
        known = self._called.setdefault(name, definition)
        if known is not definition:
            raise DefinitionError(
                f"two classes are called {name}: {_place(known.cls)} and {_place(definition.cls)}. Rename one, pass "
                "another name=, or remove the name from aliases=",
                reason=DefinitionReason.DUPLICATE,
                name=name,
            )

    def __iter__(self) -> Iterator[Definition]:
        """Iterate over the definitions of the user's classes."""
        return iter(self._definitions.values())

    def __contains__(self, service: object) -> bool:
        """Report whether the name is that of a user's class, or an alias of one."""
        return service in self._called

    def built_in(self) -> Iterator[Definition]:
        """Iterate over the definitions of the classes that every runtime serves."""
        return map(definition_of, self._system.values())

    def find(self, service: str) -> Definition:
        """Return the definition with this name or alias. Raises :class:`NotFoundError`."""
        found = self._called.get(service)
        if found is None and service in self._system:
            return definition_of(self._system[service])
        if found is None:
            known = ", ".join(sorted(self._definitions)) or "none"
            raise NotFoundError(
                f"no service {service!r} is served here; the services are: {known}", kind=ResourceKind.SERVICE
            )
        return found

    def handler_of(self, target: Target) -> tuple[Definition, HandlerDefinition]:
        """Return the class and the handler that the target names. Raises ``NotFoundError``."""
        return self.handlers[target.service, target.handler]


class HandlersByName(dict[tuple[str, str], tuple[Definition, HandlerDefinition]]):
    """Classes and their handlers by the names of both. Each is looked up on first use; raises ``NotFoundError``."""

    def __init__(self, find: Callable[[str], Definition]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, names: tuple[str, str]) -> tuple[Definition, HandlerDefinition]:
        service, handler = names
        definition = self._find(service)
        found = self[names] = definition, definition.handler(handler)
        return found


def _place(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
