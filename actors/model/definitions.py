"""Classes and handlers as the engine sees them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from actors.errors import (
    UnknownHandlerError,
    deployment_of_module,
    module_of,
)
from actors.model.fields import Field
from actors.model.new_ids import new_id
from actors.values import Signature
from actors.values.failures import is_terminal
from actors.values.names import AS_IN_CODE, Naming
from actors.values.retries import DEFAULT_RETRY, RetryPolicy
from journal.events import Kind, Mode, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from journal.ids import InvocationId


@attrs.frozen(kw_only=True)
class HandlerOptions:
    """How a handler is called and run; see :func:`handler`."""

    naming: Naming = AS_IN_CODE
    retry: RetryPolicy | None = None
    atomic: bool = False
    retention: float | None = None


# With slots, attrs implements cached properties by __getattr__, which makes each access to any attribute slow.
@attrs.frozen(kw_only=True, eq=False, slots=False)
class HandlerDefinition:
    """A handler as the engine sees it, of one class. ``types`` are what the type variables of a generic class stand for."""

    name: str
    mode: Mode
    options: HandlerOptions
    function: Callable[..., Coroutine[Any, Any, Any]]
    types: Mapping[Any, Any] = attrs.field(factory=dict)

    attribute: str = ""
    """What it is in the code."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called, its own name first."""
        return (self.name, *self.options.naming.aliases)

    @functools.cached_property
    def signature(self) -> Signature:
        """Parameters and result as JSON; looked up once every name exists."""
        return Signature(self.function, skip_first=True, name=self.function.__qualname__, types=self.types)

    @functools.cached_property
    def retry(self) -> RetryPolicy:
        """The policy for what it raises."""
        return self.options.retry or DEFAULT_RETRY

    def is_terminal(self, error: BaseException) -> bool:
        """Whether another try is pointless after what it raised."""
        return is_terminal(error, also=self.retry.terminal)


class NameLookup(Protocol):
    """What is kept under which name, as of the last commit. Asked only of classes and handlers with aliases, under which nothing new
    is kept: so what a commit under way creates need not be known."""

    def has_objects(self, service: str) -> bool:
        """Whether there is any object of this name."""
        ...

    def has_object(self, service: str, key: str) -> bool:
        """Whether there is an object of this name and key."""
        ...

    def has_invocation(self, of: InvocationId) -> bool:
        """Whether there is an invocation of this id."""
        ...


class NothingStored:
    """For handlers that nobody obeys."""

    def has_objects(self, service: str) -> bool:
        return False

    def has_object(self, service: str, key: str) -> bool:
        return False

    def has_invocation(self, of: InvocationId) -> bool:
        return False


@attrs.frozen(kw_only=True, slots=False)  # for the cached property, as HandlerDefinition
class Definition:
    """A class as the engine sees it.

    ``aliases`` are what it was called before. An object keeps the name that it was stored under, and is reached under all of them.
    """

    name: str
    aliases: tuple[str, ...] = ()
    kind: Kind
    cls: type[Any]
    handlers: Mapping[str, HandlerDefinition]
    """By their names, without aliases."""
    fields: Mapping[str, Field]
    prepared: tuple[Field, ...]
    """Fields that an object may have to be given before a handler of this class sees it."""
    attributes: Mapping[str, HandlerDefinition]
    """Handlers by what they are in the code."""
    called: Mapping[str, HandlerDefinition]
    """Handlers by all names."""
    built_in: Mapping[str, HandlerDefinition]
    """Those that playhead adds, by name."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called, its own name first."""
        return (self.name, *self.aliases)

    @functools.cached_property
    def deployment(self) -> str:
        """The deployment that its module was loaded for; empty if it was imported as usual."""
        return deployment_of_module(module_of(self.cls))

    def handler(self, name: str) -> HandlerDefinition:
        """The handler of this name, or alias. Raises :class:`UnknownHandlerError`."""
        found = self.called.get(name) or self.built_in.get(name)
        if found is None:
            known = ", ".join(sorted(self.handlers)) or "none"
            raise UnknownHandlerError(f"{self.name} has no handler {name!r}; it has {known}")
        return found

    def home(self, name: str, key: str | None, stored: NameLookup) -> str:
        """The name under which an object is kept that is asked for by this one, of the names of the class.

        It is the first under which there is an object of the key: the name that was given, the class's own, an alias. One that
        is not there yet will be kept under the class's own.
        """
        if key is None or not self.aliases:
            return self.name
        return next((each for each in (name, *self.names) if stored.has_object(each, key)), self.name)

    def resolved(self, target: Target, stored: NameLookup) -> Target:
        """What is asked for, by the names that are kept. Raises :class:`UnknownHandlerError`."""
        service = self.home(target.service, target.key, stored)
        handler = self.handler(target.handler).name
        if service == target.service and handler == target.handler:
            return target
        return Target(service, target.key, handler)

    def request_id(self, target: Target, request_key: str, secret: str, stored: NameLookup) -> InvocationId:
        """The id of a request: that of the invocation that it has been under any name of the class and its handler, or the one that it
        will be. See :func:`actors.model.new_ids.new_id`."""
        names = self.handler(target.handler).names
        services = self.names if target.key is None else (target.service,)
        ids = [
            new_id(target, request_key, 0, secret, asked=Target(service, target.key, name))
            for service in services
            for name in names
        ]
        return ids[0] if len(ids) == 1 else next(filter(stored.has_invocation, ids), ids[0])


def kind_in_words(kind: Kind) -> str:
    """As a sentence has it: "an actor"."""
    return f"{'an' if kind is Kind.ACTOR else 'a'} {kind.value}"
