"""Handlers as users declare them."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, Protocol, TypeVar, overload

from actors.errors import DefinitionError, DefinitionReason, InvalidArgumentError
from actors.model.definitions import HandlerDefinition, HandlerOptions
from actors.model.references import BoundHandler, OwnHandler
from actors.model.step_copies import with_own_defaults
from actors.model.webhooks import Webhook, WebhookRequest
from actors.values.arguments import Seconds, checked_name, checked_seconds, checked_truth, is_a, one_of
from actors.values.loops import EventLoop
from actors.values.names import naming
from actors.values.retries import RetryPolicy
from actors.values.signature import check_validator
from actors.values.texts import shown
from journal.events import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from actors.model.blocking_references import BlockingHandler

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Handler(Generic[P, R_co]):
    """A method that becomes invocations. On an object's own instance it is the plain method."""

    def __init__(
        self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]], mode: Mode, options: HandlerOptions
    ) -> None:
        _check_function(function)
        if mode is Mode.UPDATE and options.validate is not None:
            names = [*inspect.signature(function).parameters][1:]
            check_validator(options.validate, names, function.__qualname__, of_object=True)
        _check_defined_once(function.__name__, sys._getframe(2).f_locals)
        self.function = function
        self._call = with_own_defaults(function)
        self.mode = mode
        self.options = options
        self.attributes: set[str] = set()
        """The attribute names under which it is in classes; more than one is a mistake, refused with the class."""
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __set_name__(self, owner: type, name: str) -> None:
        self.attributes.add(checked_name(name, "the name of a handler"))

    @property
    def __isabstractmethod__(self) -> bool:
        return getattr(self.function, "__isabstractmethod__", False)

    def define(self, attribute: str, types: Mapping[Any, Any], *, is_private: bool) -> HandlerDefinition:
        """Return the definition of this handler in a class that has it under this attribute name, and may be private."""
        return HandlerDefinition(
            name=self.options.naming.of(attribute),
            attribute=attribute,
            mode=self.mode,
            options=self.options,
            function=self.function,
            types=types,
            is_private=is_private or self.options.private,
        )

    # To type checkers, a reference of the blocking client is the class itself, so the handlers of a class are typed as
    # blocking ones. Python has no type for "instances of this class, with other results".
    @overload
    def __get__(self, instance: None, owner: type) -> BlockingHandler[P, R_co]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> BoundHandler[P, R_co]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        return OwnHandler(instance, next(iter(self.attributes)), self._call)


def _check_defined_once(name: str, namespace: Mapping[str, Any]) -> None:
    """Refuse a second handler with the same name in a class body, which would silently replace the first."""
    if "__qualname__" in namespace and isinstance(namespace.get(name), Handler):
        raise DefinitionError(
            f"{namespace['__qualname__']}.{name} is defined twice; rename one",
            reason=DefinitionReason.DUPLICATE,
            name=f"{namespace['__qualname__']}.{name}",
        )


def _check_function(function: Any) -> None:
    """Check a handler's function, in any class. Raises :class:`DefinitionError`."""
    name = getattr(function, "__qualname__", function)
    if isinstance(function, Handler):
        raise DefinitionError(
            f"{name} is decorated twice; keep one of @handler, @shared and @update",
            reason=DefinitionReason.DECORATOR,
            name=str(name),
        )
    if not inspect.iscoroutinefunction(function):
        raise DefinitionError(
            f"{name}: a handler is an 'async def' method. @handler, @shared and @update decorate the method itself: put no other decorator "
            "below them",
            reason=DefinitionReason.FUNCTION,
            name=str(name),
        )
    if function.__name__.startswith("__"):
        raise DefinitionError(
            f"{name}: a handler cannot be named {function.__name__}; remove the underscores",
            reason=DefinitionReason.NAME,
            name=name,
        )
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise DefinitionError(
            f"{name}: the first parameter of a handler must be 'self'", reason=DefinitionReason.PARAMETERS, name=name
        )
    for parameter in parameters[1:]:
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise DefinitionError(
                f"{name}: {parameter.name} is positional-only, but arguments are recorded by name; remove the '/'",
                reason=DefinitionReason.PARAMETERS,
                name=name,
            )
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise DefinitionError(
                f"{name}: *{parameter.name} has no name in JSON; name every parameter",
                reason=DefinitionReason.PARAMETERS,
                name=name,
            )


class _Decorator:
    """The decorator of a handler, with its options."""

    def __init__(self, mode: Mode, options: HandlerOptions) -> None:
        self._mode = mode
        self._options = options

    def __call__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]]) -> Handler[P, R_co]:
        return Handler(function, self._mode, self._options)


class _WebhookDecorator(Protocol):
    """The decorator of a handler that takes webhooks."""

    def __call__(
        self, function: Callable[[Any, WebhookRequest], Coroutine[Any, Any, R]]
    ) -> Handler[[WebhookRequest], R]: ...


@overload
def handler(function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]], /) -> Handler[P, R_co]: ...
@overload
def handler(
    *,
    webhook: Webhook,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retry: RetryPolicy | None = None,
    atomic: bool = False,
    retention: Seconds | None = None,
    max_duration: Seconds | None = None,
    loop: Literal["trio", "asyncio"] = "trio",
    private: bool = False,
    validate: Callable[..., object] | None = None,
) -> _WebhookDecorator: ...
@overload
def handler(
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retry: RetryPolicy | None = None,
    atomic: bool = False,
    retention: Seconds | None = None,
    max_duration: Seconds | None = None,
    loop: Literal["trio", "asyncio"] = "trio",
    private: bool = False,
    validate: Callable[..., object] | None = None,
) -> _Decorator: ...
def handler(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]] | None = None,
    /,
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retry: RetryPolicy | None = None,
    atomic: bool = False,
    retention: Seconds | None = None,
    max_duration: Seconds | None = None,
    loop: Literal["trio", "asyncio"] = "trio",
    private: bool = False,
    validate: Callable[..., object] | None = None,
    webhook: Webhook | None = None,
) -> Handler[P, R_co] | _Decorator | _WebhookDecorator:
    """Make a method callable from outside its object, durably; in an actor, one call at a time for each key.

    ``name`` is its public name, if it differs from the code; ``aliases`` are former names, whose calls and histories it accepts. ``retry`` is the policy for its errors, and for steps without a policy of their own. With ``atomic``, its writes
    are dropped unless it succeeds. ``retention`` is how long its history and result are kept after its end, and ``max_duration``
    how long an invocation may take, from its acceptance (or its scheduled time) to its end, all tries and waits included;
    then it is cancelled. Both are in seconds, or timedeltas. With ``loop="asyncio"`` its code runs on a deterministic asyncio event
    loop, as with :func:`actors.aio.host`.

    A ``private`` handler can be called by other handlers and by the program that runs it. Over HTTP, from the command line and from the
    console, a call raises ``AccessDeniedError``. ``class Ledger(Actor, private=True)`` makes all handlers of a class private.

    ``validate`` is a plain function with the parameters of the handler, without ``self``. It runs before a call or a message is accepted:
    if it raises, nothing is recorded. The caller gets its ``TerminalError`` or ``RefusedError``, and for any other exception
    ``InvalidArgumentError`` with its text. It computes from the arguments alone, because a calling handler runs it again in a replay.

    With ``webhook``, an external service may call it by a signed request: see :class:`actors.Webhook`. Its parameter is a
    :class:`actors.WebhookRequest`.

    ::

        class Counter(Actor):
            value: int = 0

            @handler
            async def add(self, amount: int) -> int:
                self.value += amount
                return self.value
    """
    options = _handler_options(
        name,
        aliases,
        retry,
        retention,
        max_duration,
        loop,
        atomic=atomic,
        private=private,
        validate=validate,
        webhook=webhook,
    )
    if function is None:
        return _Decorator(Mode.EXCLUSIVE, options)
    return Handler(function, Mode.EXCLUSIVE, options)


@overload
def shared(function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]], /) -> Handler[P, R_co]: ...
@overload
def shared(
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retry: RetryPolicy | None = None,
    retention: Seconds | None = None,
    max_duration: Seconds | None = None,
    loop: Literal["trio", "asyncio"] = "trio",
    private: bool = False,
    validate: Callable[..., object] | None = None,
) -> _Decorator: ...
def shared(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]] | None = None,
    /,
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retry: RetryPolicy | None = None,
    retention: Seconds | None = None,
    max_duration: Seconds | None = None,
    loop: Literal["trio", "asyncio"] = "trio",
    private: bool = False,
    validate: Callable[..., object] | None = None,
) -> Handler[P, R_co] | _Decorator:
    """Make a method callable beside the exclusive handlers of its object. It may only read. The options are those of
    :func:`handler`.

    It sees the fields as they were when it started, including the recorded writes of a running handler.

    ::

        class Counter(Actor):
            value: int = 0

            @shared
            async def current(self) -> int:
                return self.value
    """
    options = _handler_options(name, aliases, retry, retention, max_duration, loop, private=private, validate=validate)
    if function is None:
        return _Decorator(Mode.SHARED, options)
    return Handler(function, Mode.SHARED, options)


@overload
def update(function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]], /) -> Handler[P, R_co]: ...
@overload
def update(
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retention: Seconds | None = None,
    max_duration: Seconds | None = None,
    private: bool = False,
    validate: Callable[..., object] | None = None,
) -> _Decorator: ...
def update(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R_co]] | None = None,
    /,
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retention: Seconds | None = None,
    max_duration: Seconds | None = None,
    private: bool = False,
    validate: Callable[..., object] | None = None,
) -> Handler[P, R_co] | _Decorator:
    """Make a method of a workflow callable while its ``run`` is under way, which carries it out and answers.

    It runs inside the run, beside its other code and at its awaits: it reads and writes the same fields, and may use every verb. Its
    steps are in the history of the run. So its caller gets an answer, which a signal does not give, and the answer comes although
    processes of both die. An error that it raises is its answer, and the run continues; it is not retried, but its steps are, with the
    retry policy of the run.

    An update of a run that is paused, or has not begun, is answered later. Without a run, or if the run is being cancelled, it is refused with
    ``ConflictError`` (code ``no_run``), and if the run ends before the answer it fails with ``UpdateLostError``. A restart of the
    run carries its updates out again. A cancelled update gets ``CancelledError`` at an await.

    ``validate`` is a plain function with the same parameters, ``self`` included. It runs before the update is accepted and reads the
    fields as they are then: if it raises, nothing is recorded, and the caller gets the error as from the ``validate`` of
    :func:`handler`. It changes nothing, and may use no verb. The other options are those of :func:`handler`.

    ::

        class Order(Workflow):
            address: str = ""

            @handler
            async def run(self, address: str) -> str:
                self.address = address
                await actors.signal("paid", bool)
                return f"sent to {self.address}"

            @update
            async def change_address(self, address: str) -> str:
                self.address = address
                return f"will be sent to {self.address}"
    """
    options = _handler_options(name, aliases, None, retention, max_duration, "trio", private=private, validate=validate)
    if function is None:
        return _Decorator(Mode.UPDATE, options)
    return Handler(function, Mode.UPDATE, options)


def _handler_options(
    name: str | None,
    aliases: Sequence[str],
    retry: RetryPolicy | None,
    retention: Seconds | None,
    max_duration: Seconds | None,
    loop: Literal["trio", "asyncio"],
    *,
    atomic: bool = False,
    private: bool,
    validate: Callable[..., object] | None,
    webhook: Webhook | None = None,
) -> HandlerOptions:
    if retry is not None and not is_a(retry, RetryPolicy):
        raise InvalidArgumentError(f"retry is {shown(retry)}, expected a RetryPolicy", path="retry")
    if webhook is not None and not is_a(webhook, Webhook):
        raise InvalidArgumentError(f"webhook is {shown(webhook)}, expected a Webhook", path="webhook")
    kept = None if retention is None else checked_seconds(retention, "retention")
    called = naming(name, aliases, "a handler")
    bound = None if max_duration is None else checked_seconds(max_duration, "max_duration", is_above_zero=True)
    on = one_of(EventLoop, loop, "loop")
    hidden = checked_truth(private, "private")
    return HandlerOptions(
        naming=called,
        retry=retry,
        atomic=atomic,
        retention=kept,
        max_duration=bound,
        loop=on,
        private=hidden,
        validate=validate,
        webhook=webhook,
    )
