"""Steps: side effects whose outcome is recorded."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, Literal, ParamSpec, TypeVar, TypeVarTuple, overload

import attrs

from actors.errors import DefinitionError, DefinitionReason, ErrorCode, MisuseError
from actors.errors.names import name_alone, plain_text
from actors.model.contexts import current_step
from actors.model.step_arguments import check_parameters
from actors.model.step_options import Redactor, StepOptions, step_options
from actors.model.verbs.branches import branch_for, source_line
from actors.model.verbs.step_requests import definition_of, run_step
from actors.values import Codec, check_result, codec_for, result_codec
from actors.values.arguments import MAX_WORDS, Seconds, is_a
from actors.values.loops import EventLoop
from actors.values.retries import RetryPolicy
from actors.values.texts import shown

P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Step(Generic[P, R]):
    """A function whose calls in a handler are steps. Elsewhere it is a plain async function."""

    def __init__(self, function: Callable[P, Any], options: StepOptions) -> None:
        if not callable(function):
            raise DefinitionError(
                f"@step is given {shown(function)}, expected a function; give options by name",
                reason=DefinitionReason.FUNCTION,
                name=shown(function),
            )
        self.function = function
        self.options = options
        self.name = options.name or _name_of(function)
        self.__name__ = getattr(function, "__name__", self.name)  # a partial function has none
        self.__qualname__ = getattr(function, "__qualname__", self.name)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self._result: Codec[Any] | None = None
        self._definition = definition_of(function, options, self.name, self._codec)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        return run_step(self._definition, args, kwargs, source_line(1))

    def _codec(self) -> Codec[Any]:
        if self._result is None:
            self._result = result_codec(self.function, self.name)
        return self._result

    def __get__(self, instance: object, owner: type) -> Any:
        """As a method: bound like a function."""
        if instance is None:
            return self
        bound = self.function.__get__(instance, owner)
        return Step(bound, attrs.evolve(self.options, name=self.name))

    def __repr__(self) -> str:
        return f"<step {self.__qualname__}>"


def _declared(function: Callable[P, Any], options: StepOptions) -> Step[P, Any]:
    """Return the step, unless its result could never be recorded."""
    made: Step[P, Any] = Step(function, options)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(
            f"step {made.name!r} is a generator, which cannot be recorded. Return a list, or emit each value with "
            "actors.emit()",
            reason=DefinitionReason.FUNCTION,
            name=made.name,
        )
    if options.loop is EventLoop.ASYNCIO and type(function) is types.FunctionType and not is_async(function):
        raise not_async(made.name)
    check_result(function, made.name)
    if options.redact:
        check_parameters(function, options.redact, made.name)
    return made


def is_async(function: Callable[..., Any]) -> bool:
    """Report whether the function is an ``async def``."""
    if type(function) is types.FunctionType:
        return bool(function.__code__.co_flags & inspect.CO_COROUTINE)
    return inspect.iscoroutinefunction(function)  # for example a method, or a function of an extension in C


def not_async(step: str) -> DefinitionError:
    """Return the error for a step on asyncio whose function is a plain one."""
    return DefinitionError(
        f"step {step!r} has loop='asyncio', and its function is a plain one; expected 'async def'. Leave out loop='asyncio': a "
        "plain function runs in a thread",
        reason=DefinitionReason.FUNCTION,
        name=step,
    )


class _StepMaker:
    def __init__(self, options: StepOptions) -> None:
        self._options = options

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Step[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> Step[P, R]: ...
    def __call__(self, function: Callable[P, Any]) -> Step[P, Any]:
        return _declared(function, self._options)


@overload
def step(function: Callable[P, Coroutine[Any, Any, R]], /) -> Step[P, R]: ...
@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str | None = None,
    aliases: tuple[str, ...] = (),
    retry: RetryPolicy | None = None,
    timeout: Seconds | None = None,
    at_most_once: bool = False,
    loop: Literal["trio", "asyncio"] = "trio",
    redact: Sequence[str] | Redactor = (),
) -> _StepMaker: ...
def step(
    function: Callable[P, Any] | None = None,
    /,
    *,
    name: str | None = None,
    aliases: tuple[str, ...] = (),
    retry: RetryPolicy | None = None,
    timeout: Seconds | None = None,
    at_most_once: bool = False,
    loop: Literal["trio", "asyncio"] = "trio",
    redact: Sequence[str] | Redactor = (),
) -> Step[P, Any] | _StepMaker:
    """Make a function a side effect: its body runs at least once, and its outcome is recorded exactly once.

    An async function runs as a trio task, a plain one in a worker thread; at most ``Limits.threads`` of these run at a time. Each sees
    the context variables of the handler at that moment; its own changes to them stay in the step. ``retry`` is its policy (by
    default the handler's). ``timeout`` limits one try, in seconds or as a timedelta, without the wait for a thread. A thread
    cannot be stopped: when a plain step times out or is cancelled, that takes effect at once and its thread is abandoned. Call
    ``trio.from_thread.check_cancelled()`` in the function from time to time to end it early; the next try waits for that end.
    With ``loop="asyncio"`` an async function runs as an asyncio task, for libraries that need asyncio. All such steps of a runtime
    share one asyncio loop, in a thread of its own, so they can share a pool or a session. A cancel or a timeout arrives as
    ``asyncio.CancelledError``, once. Under a virtual clock, time stands still while such a body runs: asyncio's own time is real.
    With ``at_most_once`` the body never begins a second time: if it was running when the process died,
    :class:`StepOutcomeUnknownError` is raised. ``name`` is its recorded name, ``aliases`` are former recorded names. For its
    arguments and the objects that it cannot reach, see :func:`run`.

    ``redact`` are the parameters whose values are not recorded: the history has ``[redacted]`` in their place, and a replay does not compare
    them. The body gets the values. If a decorator around the function takes ``*args``, all positional arguments are redacted. A
    function instead of names is called with the name and the value of each argument, and returns the value to record. It gets a copy of the
    value as plain JSON data, and must return the same result for the same value, because a replay compares it. An error that it raises is raised by the
    call, and nothing is recorded. Results cannot be redacted, because a replay gives them to the handler, and neither can errors: do not
    put a secret into either. An argument of the handler itself is recorded as well; pass the name of a secret there.

    ::

        @step(retry=actors.RetryPolicy(max_attempts=5))
        async def charge(card: str, amount: int) -> str:
            return await bank.charge(card, amount, idempotency_key=actors.step_key())
    """
    options = step_options(
        name=name, aliases=aliases, retry=retry, timeout=timeout, at_most_once=at_most_once, loop=loop, redact=redact
    )
    return _StepMaker(options) if function is None else _declared(function, options)


@overload
async def run(
    function: Callable[[*Ts], Coroutine[Any, Any, R]],
    /,
    *args: *Ts,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retry: RetryPolicy | None = None,
    timeout: Seconds | None = None,
    at_most_once: bool = False,
    loop: Literal["trio", "asyncio"] = "trio",
    redact: Sequence[str] | Redactor = (),
    result_type: Any = None,
) -> R: ...
@overload
async def run(
    function: Callable[[*Ts], R],
    /,
    *args: *Ts,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retry: RetryPolicy | None = None,
    timeout: Seconds | None = None,
    at_most_once: bool = False,
    loop: Literal["trio", "asyncio"] = "trio",
    redact: Sequence[str] | Redactor = (),
    result_type: Any = None,
) -> R: ...
async def run(
    function: Callable[[*Ts], Any],
    /,
    *args: *Ts,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retry: RetryPolicy | None = None,
    timeout: Seconds | None = None,
    at_most_once: bool = False,
    loop: Literal["trio", "asyncio"] = "trio",
    redact: Sequence[str] | Redactor = (),
    result_type: Any = None,
) -> Any:
    """Run any function as a step, with the options of :func:`step`.

    If the function is a declared step, it is run with the options given here, and its ``redact`` applies too.

    The step gets copies of its arguments, and its result goes through JSON, by the function's return annotation or by
    ``result_type``. Its changes to the arguments are therefore not visible in the handler, and it cannot reach the fields of the
    object. The variables of a closure, and the object that a method is bound to, are not copied, because they look the same as
    a client or a connection: changes to them are visible in the first run and missing in a replay. Return results from the step
    instead.

    ::

        body = await actors.run(fetch, "https://example.org", retry=actors.RetryPolicy(max_attempts=3))
    """
    branch_for("run")
    options = step_options(
        name=name, aliases=aliases, retry=retry, timeout=timeout, at_most_once=at_most_once, loop=loop, redact=redact
    )
    inner: Callable[..., Any] = function
    if is_a(function, Step):
        inner = function.function
        declared = function.options
        options = attrs.evolve(
            options,
            redact=(*declared.redact, *options.redact),
            redactors=(*declared.redactors, *options.redactors),
        )
    label = options.name or _name_of(function)
    if result_type is None:
        codec = result_codec(inner, label)
    else:
        codec = codec_for(result_type, f"the result of step {label!r}", label)
    return await run_step(definition_of(inner, options, label, lambda: codec), args, {}, source_line(1))


def _name_of(function: Callable[..., Any]) -> str:
    """Return the name of a step without an explicit one."""
    name = getattr(function, "__name__", None)
    return plain_text(name, MAX_WORDS) if is_a(name, str) and name else name_alone(type(function))


def step_key() -> str:
    """In a step: a key that is the same at every try of this step and different for every other step.

    Pass it as the idempotency key to a payment provider, for example. An invocation that reuses the id of a purged one, because it has
    the same idempotency key, gets other step keys.

    ::

        await bank.charge(card, amount, idempotency_key=actors.step_key())
    """
    step = current_step.get()
    if step is None:
        raise MisuseError("actors.step_key() works only in a running step", code=ErrorCode.OUTSIDE_HANDLER)
    return step.step_key
