"""The definitions of classes and handlers, which the engine uses."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from actors.errors import NotFoundError, ResourceKind
from actors.errors.names import deployment_of_module, module_of
from actors.model.fields import Field
from actors.model.request_ids import requested_id
from actors.values import Signature
from actors.values.failures import is_terminal
from actors.values.loops import EventLoop
from actors.values.names import AS_IN_CODE, Naming
from actors.values.retries import DEFAULT_RETRY, RetryPolicy
from journal.events import Kind, Mode, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from actors.model.webhooks import Webhook
    from journal.ids import InvocationId


RUN = "run"
"""The handler of a workflow that runs once for each key."""

RUN_RETENTION_SECONDS = 30 * 24 * 3600.0
"""The retention of a workflow's run, unless its handler has another. While the run is kept, its key starts no new run."""


@attrs.frozen(kw_only=True)
class HandlerOptions:
    """The options of a handler; see :func:`handler`."""

    naming: Naming = AS_IN_CODE
    retry: RetryPolicy | None = None
    atomic: bool = False
    retention: float | None = None
    max_duration: float | None = None
    loop: EventLoop = EventLoop.TRIO
    private: bool = False
    validate: Callable[..., object] | None = None
    webhook: Webhook | None = None


# With slots, attrs implements cached properties by __getattr__, which makes every attribute access slow.
@attrs.frozen(kw_only=True, eq=False, slots=False)
class HandlerDefinition:
    """A handler of one class. ``types`` are the types of a generic class's type variables."""

    name: str
    mode: Mode
    options: HandlerOptions
    function: Callable[..., Coroutine[Any, Any, Any]]
    types: Mapping[Any, Any] = attrs.field(factory=dict)

    attribute: str = ""
    """The name of the handler in the code."""

    is_private: bool = False
    """Whether only handlers, and the process that runs it, may call it."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the handler, the current one first."""
        return (self.name, *self.options.naming.aliases)

    @functools.cached_property
    def signature(self) -> Signature:
        """The parameters and the result as JSON. Resolved on first use, when every name exists."""
        return Signature(
            self.function,
            skip_first=True,
            name=self.function.__qualname__,
            types=self.types,
            validator=None if self.mode is Mode.UPDATE else self.options.validate,  # which looks at the object too
        )

    @functools.cached_property
    def retry(self) -> RetryPolicy:
        """The retry policy for errors of the handler."""
        return self.options.retry or DEFAULT_RETRY

    def is_terminal(self, error: BaseException) -> bool:
        """Report whether this error is final, so that a retry is not made."""
        return is_terminal(error, also=self.retry.terminal)


class NameLookup(Protocol):
    """Looks up stored names as of the last commit. Used only for classes and handlers with aliases. New data is never stored
    under an alias, so a commit on its way need not be considered."""

    def has_objects(self, service: str) -> bool:
        """Report whether an object of the service exists."""
        ...

    def has_object(self, service: str, key: str) -> bool:
        """Report whether the object with this service and key exists."""
        ...

    def has_invocation(self, of: InvocationId) -> bool:
        """Report whether the invocation exists."""
        ...


class NothingStored:
    """A lookup that finds nothing, for replays without a store."""

    def has_objects(self, service: str) -> bool:
        return False

    def has_object(self, service: str, key: str) -> bool:
        return False

    def has_invocation(self, of: InvocationId) -> bool:
        return False


@attrs.frozen(kw_only=True, slots=False)  # needed for the cached property, as in HandlerDefinition
class Definition:
    """The definition of a class.

    ``aliases`` are its former names. An object keeps the name under which it was stored, and is found under all of them.
    """

    name: str
    aliases: tuple[str, ...] = ()
    kind: Kind
    cls: type[Any]
    handlers: Mapping[str, HandlerDefinition]
    """By name, without aliases."""
    fields: Mapping[str, Field]
    field_aliases: Mapping[str, tuple[str, ...]]
    """The former names of the fields that have any, by the name of the field."""
    prepared: tuple[Field, ...]
    """Fields that may need a first value before a handler of this class runs."""
    attributes: Mapping[str, HandlerDefinition]
    """Handlers by their names in the code."""
    called: Mapping[str, HandlerDefinition]
    """Handlers by all names."""
    built_in: Mapping[str, HandlerDefinition]
    """Built-in handlers by name."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the class, the current one first."""
        return (self.name, *self.aliases)

    @functools.cached_property
    def deployment(self) -> str:
        """The deployment that the class's module was loaded for. Empty for an imported module."""
        return deployment_of_module(module_of(self.cls))

    def is_once(self, handler: HandlerDefinition) -> bool:
        """Report whether the handler runs once for each key, as the ``run`` of a workflow does."""
        return self.kind is Kind.WORKFLOW and handler.name == RUN

    def handler(self, name: str) -> HandlerDefinition:
        """Return the handler with this name or alias. Raises :class:`NotFoundError`."""
        found = self.called.get(name) or self.built_in.get(name)
        if found is None:
            known = ", ".join(sorted(self.handlers)) or "none"
            raise NotFoundError(f"{self.name} has no handler {name!r}; it has {known}", kind=ResourceKind.HANDLER)
        return found

    def home(self, name: str, key: str | None, stored: NameLookup) -> str:
        """Return the name under which an object with this service name is stored.

        It is the first of these under which the key exists: the given name, the class's own, an alias. An object that does not
        exist yet will be stored under the class's own name.
        """
        if key is None or not self.aliases:
            return self.name
        return next((each for each in (name, *self.names) if stored.has_object(each, key)), self.name)

    def resolved(self, target: Target, stored: NameLookup) -> Target:
        """Return the target with its stored names. Raises :class:`NotFoundError`."""
        service = self.home(target.service, target.key, stored)
        handler = self.handler(target.handler).name
        if service == target.service and handler == target.handler:
            return target
        return Target(service, target.key, handler)

    def request_id(self, target: Target, request_key: str, secret: str, stored: NameLookup) -> InvocationId:
        """Return the id of the invocation that the request made under any name of the class and its handler, or the id
        of a new one. See :func:`actors.model.request_ids.requested_id`.
        """
        names = self.handler(target.handler).names
        services = self.names if target.key is None else (target.service,)
        ids = [
            requested_id(target, request_key, secret, asked=Target(service, target.key, name))
            for service in services
            for name in names
        ]
        return ids[0] if len(ids) == 1 else next(filter(stored.has_invocation, ids), ids[0])


def kind_in_words(kind: Kind) -> str:
    """Return the kind with its article: "an actor"."""
    return f"{'an' if kind is Kind.ACTOR else 'a'} {kind.value}"
