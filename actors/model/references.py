"""References to objects, whose handlers are called with types from their own signatures; the same for handlers and clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from actors.errors import (
    DefinitionError,
    DefinitionReason,
    ErrorCode,
    FieldMisuseError,
    InvalidArgumentError,
    MisuseError,
)
from actors.model.keys import own_key
from actors.model.requests import NO_OPTIONS, CallOptions, Request, no_debounce
from actors.values.amounts import Amount
from actors.values.arguments import Seconds
from journal.events import Mode, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from actors.model.definitions import Definition, HandlerDefinition
    from actors.model.handles import HandleBackend, InvocationHandle

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class BoundHandler(Generic[P, R_co]):
    """A handler of one object: call it, or ``send`` to it without waiting."""

    def __init__(
        self,
        backend: HandleBackend,
        definition: Definition,
        key: str | None,
        handler: HandlerDefinition,
        options: CallOptions,
    ) -> None:
        self._backend = backend
        self._definition = definition
        self._key = key
        self._handler = handler
        self._options = options
        self._target = Target(definition.name, key, handler.name)
        is_once = self._is_once = definition.is_once(handler)
        given = options.idempotency_key
        self._request_key = f"workflow {key}" if is_once else None if given is None else own_key(given)
        self.__qualname__ = handler.function.__qualname__

    def __deepcopy__(self, memo: object) -> BoundHandler[P, R_co]:
        """Return the handler itself, because it is immutable."""
        return self

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]:
        """Call the handler and wait for its result. Raises the terminal error of the handler."""
        if self._options.delay is not None:
            raise DefinitionError(
                f"{self.__qualname__}: a call cannot have a delay; use send()",
                reason=DefinitionReason.OPTION,
                name=self.__qualname__,
            )
        target, definition, handler = self._target, self._definition, self._handler
        return self._backend.call(
            Request(target, definition, handler, args, kwargs, self._options, self._request_key, self._is_once)
        )

    def send(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, InvocationHandle[R_co]]:
        """Send a one-way message: durable on return, without waiting for the result."""
        target, definition, handler = self._target, self._definition, self._handler
        return self._backend.send(
            Request(target, definition, handler, args, kwargs, self._options, self._request_key, self._is_once)
        )

    def options(
        self,
        *,
        delay: Seconds | None = None,
        idempotency_key: str | None = None,
        timeout: Seconds | None = None,
        tags: Mapping[str, str] | None = None,
        max_duration: Seconds | None = None,
        budget: Mapping[str, Amount] | None = None,
        debounce: str | None = None,
        max_delay: Seconds | None = None,
    ) -> BoundHandler[P, R_co]:
        """Return the handler with options for the call.

        ``delay`` is the time in seconds until a sent message arrives. ``idempotency_key`` makes a repeated request find the same
        invocation. ``timeout`` is how long to wait in seconds; after that, a call by a handler is cancelled, and a client's call
        continues. Both may be timedeltas. ``tags`` are short texts by name, by which the invocation can be found; the invocations
        that it calls and sends to inherit them. At most 16, names of at most 64 characters, values of at most 256.
        ``max_duration`` is how long the invocation may take, in seconds or as a timedelta, from its acceptance (or from its scheduled
        time, if it has a delay) to its end, all tries and waits included; then it is cancelled, even if callers wait for it. If the handler
        has a ``max_duration`` too, the smaller one counts. ``budget`` has the amounts that the invocation and those that it calls may
        spend together (:func:`actors.spend`), by the name of the quantity. Once one is used up, all of them pause, until
        ``handle.resume(budget=…)`` gives more. A message with a ``debounce`` key replaces an earlier message to the same
        handler, object and key whose ``delay`` has not ended. The last message runs ``delay`` after it was sent, and at most
        ``max_delay`` (seconds, or a timedelta) after the first. Raises ``InvalidArgumentError`` and ``LimitExceededError``.

        ::

            await actors.actor(Reminder, "bob").ring.options(delay=3600, tags={"user": "bob"}).send("tea")
        """
        options = CallOptions(
            delay=delay,
            idempotency_key=idempotency_key,
            timeout=timeout,
            tags=tags,
            max_duration=max_duration,
            budget=budget,
            debounce=debounce,
            max_delay=max_delay,
        )
        if debounce is not None and self._is_once:
            raise no_debounce(self._target)
        if delay is not None and self._handler.mode is Mode.UPDATE:
            raise InvalidArgumentError(
                f"{self._target}: an update has no delay, because its run may have ended by then; leave it out",
                path="delay",
            )
        if budget is not None and self._handler.mode is Mode.UPDATE:
            raise InvalidArgumentError(
                f"{self._target}: an update has no budget of its own; its amounts count for its run, so give the run a budget",
                path="budget",
            )
        return BoundHandler(self._backend, self._definition, self._key, self._handler, options)


class OwnHandler(BoundHandler[P, R_co]):
    """A handler on its own instance: a call is the plain method; ``send`` goes through the mailbox."""

    def __init__(self, instance: Any, attribute: str, function: Callable[..., Coroutine[Any, Any, R_co]]) -> None:
        own = instance.__dict__
        definition: Definition | None = own.get("_definition")
        if definition is None:
            raise MisuseError(
                f"{type(instance).__name__}() is a plain instance that no runtime manages; get an object with client.actor(), "
                "client.service() or client.workflow()",
                code=ErrorCode.OUTSIDE_HANDLER,
            )
        super().__init__(own["_backend"], definition, own.get("_key"), definition.attributes[attribute], NO_OPTIONS)
        self._instance = instance
        self._function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]:
        return self._function(self._instance, *args, **kwargs)


class Reference:
    """A reference to an object, whose handlers can be called. To the type checker it is an instance of its class."""

    _backend: HandleBackend
    _definition: Definition
    _key: str | None

    def __init__(self, backend: HandleBackend, definition: Definition, key: str | None) -> None:
        self.__dict__.update(_backend=backend, _definition=definition, _key=key)

    def __setattr__(self, name: str, value: Any) -> None:
        raise FieldMisuseError(
            f"{self!r} is only a reference: setting {name!r} here does not change the object; call a handler, or edit "
            "the object through client.object()",
        )

    def __getattr__(self, name: str) -> BoundHandler[Any, Any]:
        handler = self._definition.attributes.get(name)
        if handler is not None:
            bound: BoundHandler[Any, Any] = BoundHandler(
                self._backend, self._definition, self._key, handler, NO_OPTIONS
            )
            self.__dict__[name] = bound  # cached as an attribute from now on
            return bound
        if name in self._definition.fields:
            raise FieldMisuseError(
                f"{name} is a field of {self._definition.name}, and this is only a reference to it; "
                "read it through a @shared handler",
            )
        known = ", ".join(sorted(self._definition.attributes))
        raise AttributeError(f"{self._definition.name} has no handler {name!r}; it has {known}")

    def __delattr__(self, name: str) -> None:
        raise FieldMisuseError(
            f"{self!r} is only a reference: deleting {name!r} here does not change the object; call a handler, or edit "
            "the object through client.object()",
        )

    def __deepcopy__(self, memo: object) -> Reference:
        """Return the reference itself, because it is immutable."""
        return self

    def __repr__(self) -> str:
        return f"<reference to {self._definition.name}{'' if self._key is None else '/' + self._key}>"
