"""The durable verbs: the operations that a handler may await, and the queries that it may make without waiting.

Each is recorded at the place where it was started, and answered from the journal when the handler is replayed. They belong to a
running handler and raise anywhere else.
"""

from __future__ import annotations

import inspect
import math
import random as random_module
import sys
import types
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, TypeVarTuple, cast, overload

import attrs

from actors.core import commands as c
from actors.core.requests import digest_of_values
from actors.errors import (
    DefinitionError,
    ErrorCode,
    InvalidArgumentError,
    MisuseError,
    TooSlowError,
    UnserializableError,
)
from actors.errors.names import name_alone, plain_text
from actors.model.classes import definition_of
from actors.model.contexts import context_of, current_step
from actors.model.definitions import NothingStored, kind_in_words
from actors.model.handles import InvocationHandle, with_successor
from actors.model.keys import checked_key, key_text
from actors.model.payloads import NO_ARGUMENT, argument_of, check_value, json_of
from actors.model.references import BoundHandler, Reference
from actors.model.requests import NO_OPTIONS
from actors.model.step_arguments import encoded, parameter_names
from actors.model.step_copies import StepCall, call_of, with_copies
from actors.model.targets import parse_target
from actors.model.verb_options import ResumeOptions, VerbOptions
from actors.replay.branches import Branch, Operation, current_branch
from actors.replay.collection import is_collecting
from actors.replay.scopes import CancelScope, NurseryManager
from actors.values import (
    Codec,
    ValueProblem,
    check_restored,
    check_result,
    codec_for,
    decode_kept,
    result_codec,
)
from actors.values.arguments import (
    MAX_NAME,
    MAX_WORDS,
    Instant,
    Seconds,
    checked_instant,
    checked_name,
    checked_seconds,
    checked_text,
    is_a,
)
from actors.values.limits import NEVER, within_limit
from actors.values.outcomes import error_of, step_error_of, value_of
from actors.values.retries import RetryPolicy
from actors.values.texts import shown
from journal import events as e
from journal.errors import CorruptRecord
from journal.events import ControlResult, Kind, OutcomeKind
from journal.ids import InvocationId, parse_invocation_id
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from typing_extensions import TypeForm  # read only by type checkers

    from actors.model.classes import Actor, ObjectBase, Service, Workflow
    from actors.model.requests import Request

log = SafeLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")
A = TypeVar("A", bound="Actor")
S = TypeVar("S", bound="Service")
W = TypeVar("W", bound="Workflow")
Object = TypeVar("Object", bound="ObjectBase")


@attrs.define(eq=False)
class StepBody:
    """A side effect as the engine runs it; ``context`` has the context variables of the handler at the time of the request."""

    context: Context
    call: StepCall
    options: StepOptions
    retry: RetryPolicy
    result: Codec[Any]
    name: str


def _branch(verb: str) -> Branch:
    branch = current_branch.get()
    if branch is not None:
        return branch
    step = current_step.get()
    if step is not None:
        raise MisuseError(
            f"actors.{verb}() in step {step.name!r}: a step is one side effect and cannot use a durable "
            "verb. Use it in the handler, and pass the result to the step",
            code=ErrorCode.INSIDE_STEP,
        )
    raise MisuseError(
        f"actors.{verb}() works only in a running handler; elsewhere use the client: 'runtime.client'",
        code=ErrorCode.OUTSIDE_HANDLER,
    )


def _running_branch(verb: str) -> Branch:
    """The running branch, for a verb that takes effect without an await: a finaliser could call it in the middle of any code."""
    branch = _branch(verb)
    if not branch.execution.closed:
        branch.must_run(f"actors.{verb}()")
    return branch


_sources: dict[tuple[Any, int], str] = {}


def _source(depth: int) -> str:
    """The line that made the request, ``file.py:12``; ``depth`` frames above the caller."""
    frame = sys._getframe(depth + 1)
    at = (frame.f_code, frame.f_lineno)
    known = _sources.get(at)
    if known is None:
        if len(_sources) > 10_000:
            _sources.clear()
        file = plain_text(frame.f_code.co_filename.rpartition("/")[2], MAX_NAME)
        known = _sources[at] = f"{file}:{frame.f_lineno}"
    return known


# Time.


async def sleep(seconds: Seconds) -> None:
    """Wait durably: the process may stop meanwhile. Never returns early.

    A date after the year 9999 never comes. Raises :class:`InvalidArgumentError` for a duration that is not finite, or negative.

    ::

        await actors.sleep(3600)
    """
    span = checked_seconds(seconds, "seconds", at_most=math.inf)
    branch = _branch("sleep")
    await _sleep_until(branch, branch.execution.live_now + span, _source(1))


async def sleep_until(at: Instant) -> None:
    """Wait for a date, durably: seconds since 1970 UTC, or a datetime with a zone.

    A date in the past ends the wait at once, and one after the year 9999 never comes. Raises :class:`InvalidArgumentError` for a
    number that is not finite.

    ::

        await actors.sleep_until(actors.current_time() + 60)
    """
    await _sleep_until(_branch("sleep_until"), checked_instant(at, "at"), _source(1))


async def _sleep_until(branch: Branch, at: float, source: str) -> None:
    await Operation(
        branch,
        e.SleepScheduled(
            invocation_id=branch.execution.invocation_id,
            step=branch.following_step,
            wake_at=min(at, NEVER),
            source=source,
        ),
    )


def current_time() -> float:
    """Wall time as the handler may know it, in seconds since 1970 UTC: the time of the last completion, or of its start.

    The time is recorded with that event, so every replay sees the same.

    ::

        self.lines.append((actors.current_time(), text))
    """
    return _branch("current_time").execution.now


# Structure.


def open_nursery() -> NurseryManager:
    """Open a block that runs children side by side and is left when all have ended; a durable ``trio.open_nursery``.

    ::

        async with actors.open_nursery() as nursery:
            nursery.start_soon(search, "a")
            nursery.start_soon(search, "b")
    """
    _branch("open_nursery")
    return NurseryManager()


def move_on_after(seconds: Seconds, *, shield: bool = False) -> CancelScope:
    """Open a block that is cancelled after this many seconds, durably; ``cancelled_caught`` says whether it was.

    Raises :class:`InvalidArgumentError` for a duration that is not finite, or negative.

    ::

        with actors.move_on_after(60) as scope:
            await actors.signal("approval", bool)
        if scope.cancelled_caught:
            ...
    """
    span = checked_seconds(seconds, "seconds", at_most=math.inf)
    _branch("move_on_after")
    return CancelScope(relative=span, shield=shield)


def move_on_at(deadline: Instant, *, shield: bool = False) -> CancelScope:
    """As :func:`move_on_after`, with a date: seconds since 1970 UTC, or a datetime with a zone.

    Raises :class:`InvalidArgumentError` if the argument is not a date.

    ::

        with actors.move_on_at(order.expires_at) as scope:
            await actors.signal("payment")
    """
    _branch("move_on_at")
    return CancelScope(deadline=deadline, shield=shield)


def fail_after(seconds: Seconds, *, shield: bool = False) -> FailingBlock:
    """As :func:`move_on_after`, but raises :class:`TooSlowError`.

    ::

        with actors.fail_after(5):
            await actors.actor(Price, "gold").quote()
    """
    span = checked_seconds(seconds, "seconds", at_most=math.inf)
    return FailingBlock(move_on_after(span, shield=shield), span)


def fail_at(deadline: Instant, *, shield: bool = False) -> FailingBlock:
    """As :func:`move_on_at`, but raises :class:`TooSlowError`.

    ::

        with actors.fail_at(datetime(2030, 1, 1, tzinfo=UTC)):
            await actors.actor(Price, "gold").quote()
    """
    return FailingBlock(move_on_at(deadline, shield=shield), None)


class FailingBlock:
    """The block of :func:`fail_after` and :func:`fail_at`.

    Not a generator: ``contextlib`` assigns the traceback of a passing error, which a frozen class of errors may refuse.
    """

    def __init__(self, scope: CancelScope, seconds: float | None) -> None:
        self._scope = scope
        self._seconds = seconds

    def __enter__(self) -> CancelScope:
        return self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> bool:
        is_caught = self._scope.__exit__(kind, error, traceback)
        if self._scope.cancelled_caught:
            if self._seconds is None:
                raise TooSlowError("not done before the deadline")
            raise TooSlowError(f"not done within {self._seconds} seconds")
        return is_caught


# Side effects.


@attrs.frozen(kw_only=True)
class StepOptions:
    """The options of a step; see :func:`step`."""

    name: str | None = None
    aliases: tuple[str, ...] = ()
    retry: RetryPolicy | None = None
    timeout: float | None = None
    at_most_once: bool = False


def _step_options(
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retry: RetryPolicy | None = None,
    timeout: Seconds | None = None,
    at_most_once: bool = False,
) -> StepOptions:
    """Check the options that a user gives. Raises :class:`InvalidArgumentError` or :class:`LimitExceededError`."""
    if retry is not None and not is_a(retry, RetryPolicy):
        raise InvalidArgumentError(f"retry is {shown(retry)}, expected a RetryPolicy", path="retry")
    if isinstance(aliases, str):
        raise InvalidArgumentError(f"aliases is {aliases!r}, expected a tuple of names: ({aliases!r},)", path="aliases")
    return StepOptions(
        name=None if name is None else checked_name(name, "name", MAX_WORDS),
        aliases=tuple(checked_name(alias, "aliases", MAX_WORDS) for alias in aliases) if aliases else (),
        retry=retry,
        timeout=None if timeout is None else checked_seconds(timeout, "timeout"),
        at_most_once=at_most_once,
    )


class Step(Generic[P, R]):
    """A function whose calls in a handler are steps. Elsewhere it is a plain async function."""

    def __init__(self, function: Callable[P, Any], options: StepOptions) -> None:
        if not callable(function):
            raise DefinitionError(f"@step is given {shown(function)}, expected a function; give options by name")
        self.function = function
        self.options = options
        self.name = options.name or _name_of(function)
        self.__name__ = getattr(function, "__name__", self.name)  # a partial function has none
        self.__qualname__ = getattr(function, "__qualname__", self.name)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self._result: Codec[Any] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        return _run_step(self.function, args, kwargs, self.options, self.name, self._codec, _source(1))

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
    """The step, unless its result could never be recorded."""
    made: Step[P, Any] = Step(function, options)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(
            f"step {made.name!r} is a generator, which cannot be recorded. Return a list, or emit each value with "
            "actors.emit()"
        )
    check_result(function, made.name)
    return made


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
) -> Step[P, Any] | _StepMaker:
    """Make a function a side effect: its body runs at least once, and its outcome is recorded exactly once.

    An async function runs as a trio task, a plain one in a worker thread, of which ``Limits.threads`` run at a time. Each sees
    the context variables of the handler at that moment; its own changes to them stay in the step. ``retry`` is its policy (by
    default the handler's). ``timeout`` limits one try, in seconds or as a timedelta, without the wait for a thread. A thread
    cannot be stopped: when a plain step times out or is cancelled, that takes effect at once and its thread is abandoned. Call
    ``trio.from_thread.check_cancelled()`` in the function from time to time to end it early; the next try waits for that end.
    With ``at_most_once`` the body never begins a second time: if it was running when the process died,
    :class:`StepOutcomeUnknownError` is raised. ``name`` is its recorded name, ``aliases`` are former recorded names. For its
    arguments and the objects that it cannot reach, see :func:`run`.

    ::

        @step(retry=actors.RetryPolicy(max_attempts=5))
        async def charge(card: str, amount: int) -> str:
            return await bank.charge(card, amount, idempotency_key=actors.step_key())
    """
    options = _step_options(name=name, aliases=aliases, retry=retry, timeout=timeout, at_most_once=at_most_once)
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
    result_type: Any = None,
) -> Any:
    """Run any function as a step, with the options of :func:`step`.

    The step gets copies of its arguments, and its result goes through JSON, by the function's return annotation or by
    ``result_type``. Its changes to the arguments are therefore not visible in the handler, and it cannot reach the fields of the
    object. The variables of a closure, and the object that a method is bound to, are not copied, because they cannot be told from
    a client or a connection: changes to them are visible in the first run and missing in a replay. Return results from the step
    instead.

    ::

        body = await actors.run(fetch, "https://example.org", retry=actors.RetryPolicy(max_attempts=3))
    """
    _branch("run")
    options = _step_options(name=name, aliases=aliases, retry=retry, timeout=timeout, at_most_once=at_most_once)
    inner = function.function if is_a(function, Step) else function
    label = options.name or _name_of(function)
    if result_type is None:
        codec = result_codec(inner, label)
    else:
        codec = codec_for(result_type, f"the result of step {label!r}")
    return await _run_step(inner, args, {}, options, label, lambda: codec, _source(1))


def _name_of(function: Callable[..., Any]) -> str:
    """The name of a step without an explicit one."""
    name = getattr(function, "__name__", None)
    return plain_text(name, MAX_WORDS) if is_a(name, str) and name else name_alone(type(function))


async def _run_step(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: StepOptions,
    name: str,
    codec: Callable[[], Codec[Any]],
    source: str,
) -> Any:
    # Whether this is a step, and of which branch, is known only when it is awaited: it may have been made elsewhere.
    branch = current_branch.get()
    if branch is None:
        result = function(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result
    execution = branch.execution
    context = context_of(branch)
    call = call_of(function, args, kwargs)
    argument, opaque = encoded(call.args, call.kwargs)
    is_kept = len(argument) <= context.limits.payload_bytes
    asked = e.StepScheduled(
        invocation_id=execution.invocation_id,
        step=branch.following_step,
        name=name,
        source=source,
        argument=argument if is_kept else b"",
        at_most_once=options.at_most_once,
        argument_bytes=0 if is_kept else len(argument),
        is_compared=True,
        argument_digest="" if is_kept else digest_of_values(argument, opaque),
        opaque=opaque,
    )
    returns = codec()
    if asked.step not in context.ended_steps:
        call = with_copies(call, name)
    body = StepBody(copy_context(), call, options, options.retry or context.retry, returns, name)
    names = partial(parameter_names, call.function)
    completed: e.StepCompleted = await Operation(branch, asked, options.aliases, names, body)
    outcome = completed.outcome
    if outcome.kind is OutcomeKind.FAILED:
        if outcome.failure is None:
            raise CorruptRecord("an outcome says that it failed, but it has no failure")
        raise step_error_of(outcome.failure, name, deployment=context.deployment)
    return decode_kept(returns, outcome.value, f"the result of step {name!r}")


def step_key() -> str:
    """In a step: a key that is the same at every try of this step and different for every other step.

    Pass it as the idempotency key to a payment provider, for example.

    ::

        await bank.charge(card, amount, idempotency_key=actors.step_key())
    """
    step = current_step.get()
    if step is None:
        raise MisuseError("actors.step_key() works only in a running step", code=ErrorCode.OUTSIDE_HANDLER)
    return step.key


def emit(value: Any) -> None:
    """Add a piece to the invocation's output, in a handler or in a step.

    A step that is retried emits again: each piece is stored with its try and its offset. ``handle.output()`` gives the values of
    the try that did not fail, once the step has ended; ``handle.chunks(live=True)`` gives every piece at once, and reports when
    the pieces of a step are void. Readers have no type to decode it with, so ``value`` is a plain JSON value: a text, a number,
    ``True``, ``False``, ``None``, a list, or a dictionary with texts as keys. Any other value raises
    :class:`UnserializableError`.

    ::

        async for token in model.stream(prompt):
            actors.emit(token)
    """
    step = current_step.get()
    data = json_of(value, "emit()")
    if step is not None and current_branch.get() is None:
        if is_collecting():
            raise MisuseError(
                f"actors.emit() in a finaliser that the garbage collector runs in step {step.name!r}",
                code=ErrorCode.OUTSIDE_HANDLER,
            )
        step.emit(data)
        return
    branch = _running_branch("emit")
    if branch.execution.closed:
        return
    within_limit(data, context_of(branch).limits.payload_bytes, "emit()")
    of, step_id = branch.execution.invocation_id, branch.next_step()
    event = e.OutputEmitted(invocation_id=of, step=step_id, value=data, offset=0)
    branch.execution.request(branch, event, "actors.emit()")


# Others.


def actor(cls: type[A], key: str) -> A:
    """A keyed object, for calls and messages from a handler.

    ::

        total = await actors.actor(Counter, "bob").add(5)
    """
    return _reference(cls, key, Kind.ACTOR, "actor")


def service(cls: type[S]) -> S:
    """A service, for calls and messages from a handler.

    ::

        task = await actors.service(Agent).run_task.send("hello")
    """
    return _reference(cls, None, Kind.SERVICE, "service")


def workflow(cls: type[W], key: str) -> W:
    """A workflow, for calls and messages from a handler.

    ::

        await actors.workflow(Signup, "bob").run.send("bob@example.org")
    """
    return _reference(cls, key, Kind.WORKFLOW, "workflow")


def _reference(cls: type[Object], key: str | None, kind: Kind, verb: str) -> Object:
    branch = _branch(verb)
    definition = definition_of(cls)
    if definition.kind is not kind:
        raise DefinitionError(
            f"actors.{verb}({definition.name}): {definition.name} is {kind_in_words(definition.kind)}; "
            f"use actors.{definition.kind.value}()"
        )
    limits = context_of(branch).limits
    return cast("Object", Reference(HandlerBackend(), definition, checked_key(definition, key, limits.key_bytes)))


async def call(
    target: str | e.Target,
    argument: Any = NO_ARGUMENT,
    *,
    idempotency_key: str | None = None,
    timeout: Seconds | None = None,
) -> Any:
    """Call a handler by its name, ``Service/key/handler`` or ``Service/handler``; see :meth:`Client.call`.

    The class is one that is served beside this one, and the result has the type that its handler declares. Raises what the handler
    raised for good, :class:`NotFoundError`, :class:`InvalidArgumentError`, :class:`TooSlowError`.

    ::

        total = await actors.call("Counter/bob/add", 5)
    """
    handler, arguments = _by_name("call", target, argument)
    return await handler.options(idempotency_key=idempotency_key, timeout=timeout)(**arguments)


async def send(
    target: str | e.Target,
    argument: Any = NO_ARGUMENT,
    *,
    idempotency_key: str | None = None,
    delay: Seconds | None = None,
) -> InvocationHandle[Any]:
    """Send a message to a handler by its name, as :func:`call`.

    ::

        task = await actors.send("Agent/run_task", "hello")
    """
    handler, arguments = _by_name("send", target, argument)
    return await handler.options(idempotency_key=idempotency_key, delay=delay).send(**arguments)


def _by_name(verb: str, target: str | e.Target, argument: Any) -> tuple[BoundHandler[..., Any], dict[str, Any]]:
    """The handler of a name, with its arguments by name."""
    context = context_of(_branch(verb))
    asked = parse_target(target)
    definition = context.find(asked.service)
    handler, key = definition.handler(asked.handler), checked_key(definition, asked.key, context.limits.key_bytes)
    try:
        arguments, _ = handler.signature.read(argument_of(argument, asked))
    except ValueProblem as error:
        raise InvalidArgumentError(f"{asked}: {error.path}: {error.problem}", path=error.path) from error
    return BoundHandler(HandlerBackend(), definition, key, handler, NO_OPTIONS), arguments


def invocation(of: InvocationId | str) -> InvocationHandle[Any]:
    """The handle of another invocation, for use in a handler: await, signal, cancel, pause, …

    ::

        await actors.invocation(self.current_task).cancel(reason="superseded")
    """
    _branch("invocation")
    return InvocationHandle(HandlerBackend(), parse_invocation_id(checked_text(of, "of")))


def current_invocation() -> InvocationId:
    """The id of the invocation that runs this handler.

    ::

        await actors.actor(Account, "alice").book(actors.current_invocation(), -30)
    """
    return _branch("current_invocation").execution.invocation_id


def workflow_id(cls: type[Workflow], key: str) -> InvocationId:
    """The id of a workflow's run, which its key determines. Works anywhere. For a class with aliases, call it in a handler:
    elsewhere it is unknown which workflows are stored under an older name, and the id is the one under the class's own.

    ::

        await actors.invocation(actors.workflow_id(Signup, "bob")).signal("clicked", True)
    """
    definition = definition_of(cls)
    if definition.kind is not Kind.WORKFLOW:
        raise DefinitionError(
            f"{definition.name} is {kind_in_words(definition.kind)}, only a workflow's key determines an id"
        )
    text = key_text(key, definition.name)
    branch = current_branch.get()
    stored = NothingStored() if branch is None else context_of(branch).stored
    target = definition.resolved(e.Target(definition.name, text, "run"), stored)
    return definition.request_id(target, f"workflow {text}", "", stored)


@overload
async def signal(name: str, kind: type[T]) -> T: ...
@overload
async def signal(name: str, kind: TypeForm[T]) -> T: ...
@overload
async def signal(name: str) -> Any: ...
async def signal(name: str, kind: Any = Any) -> Any:
    """Wait for a value that a client sends with ``handle.signal(name, value)``. The values of a name arrive in order.

    A value that does not fit the type is skipped, and the next one awaited, so a mistyped approval blocks nothing. Without a
    type, or with ``Any``, only plain JSON values are accepted: to receive a tuple, for example, name its type, or
    :class:`UnserializableError` is raised.

    ::

        approved = await actors.signal("approval", bool)
    """
    branch = _branch("signal")
    name = checked_name(name, "name", MAX_NAME)
    codec, source = codec_for(kind, f"signal {name!r}"), _source(1)
    while True:
        received = await _next_signal(branch, name, source, codec.schema)
        try:
            value = codec.decode(received.value)
        except ValueProblem as error:
            if not branch.execution.is_repeating:
                log.warning(
                    "%s: signal %r is skipped: %s: %s",
                    branch.execution.invocation_id,
                    name,
                    error.path,
                    error.problem,
                )
            continue
        _check_signal(name, value, codec, received)
        return value


def _check_signal(name: str, value: Any, codec: Codec[Any], received: e.SignalReceived) -> None:
    """Raise :class:`UnserializableError` for a value that differs from the sent one because the handler names no type for it."""
    try:
        check_restored(value, codec, received.json_loses)
    except ValueProblem as error:
        raise UnserializableError(
            f"signal {name!r}: {error.path}: {error.problem}; name it: actors.signal({name!r}, <type>)", path=error.path
        ) from error


async def _next_signal(branch: Branch, name: str, source: str, schema: bytes) -> e.SignalReceived:
    received: e.SignalReceived = await Operation(
        branch,
        e.SignalAwaited(
            invocation_id=branch.execution.invocation_id,
            step=branch.following_step,
            name=name,
            source=source,
            schema=schema,
        ),
    )
    return received


class HandlerBackend:
    """The calls and verbs of a running handler."""

    async def call(self, request: Request) -> Any:
        if request.options.timeout is not None:
            with fail_after(request.options.timeout):
                return await self._call(request)
        return await self._call(request)

    async def _call(self, request: Request) -> Any:
        branch = _branch("actor")
        context = context_of(branch)
        target = context.target_of(request)
        operation = Operation(
            branch,
            e.CallScheduled(
                invocation_id=branch.execution.invocation_id,
                step=branch.following_step,
                callee=context.id_of(request, target),
                target=target,
                argument=request.encode_arguments(context.limits),
                parameter=request.handler.signature.parameter,
                request=request.request_key,
                source=_source_of_await(),
            ),
            request.other_targets,
        )
        completed: e.CallCompleted = await operation
        data = value_of(completed.outcome, operation.event.callee, deployment=context.deployment)
        return decode_kept(request.handler.signature.returns, data, request)

    async def send(self, request: Request) -> InvocationHandle[Any]:
        branch = _branch("actor")
        execution, context = branch.execution, context_of(branch)
        delay = request.options.delay
        target = context.target_of(request)
        sent: e.SendScheduled = await Operation(
            branch,
            e.SendScheduled(
                invocation_id=execution.invocation_id,
                step=branch.following_step,
                callee=context.id_of(request, target),
                target=target,
                argument=request.encode_arguments(context.limits),
                parameter=request.handler.signature.parameter,
                scheduled_for=None if delay is None else execution.live_now + delay,
                request=request.request_key,
                source=_source_of_await(),
            ),
            request.other_targets,
        )
        return InvocationHandle(self, sent.callee, request.handler.signature.returns)

    async def attach(self, of: InvocationId, returns: Codec[Any] | None) -> Any:
        branch = _branch("invocation")
        completed: e.CallCompleted = await Operation(
            branch,
            e.AttachScheduled(
                invocation_id=branch.execution.invocation_id,
                step=branch.following_step,
                callee=of,
                source=_source_of_await(),
            ),
        )
        data = value_of(completed.outcome, of, deployment=context_of(branch).deployment)
        return decode_kept(returns or codec_for(Any), data, f"the result of {of}")

    async def execute(
        self, of: InvocationId, options: VerbOptions, idempotency_key: str | None = None
    ) -> ControlResult:
        # The verb is sent once, with the event that records it, so only the id of a restart needs an idempotency key.
        branch = _branch("invocation")
        if isinstance(options, ResumeOptions) and options.require_compatible:
            raise MisuseError(
                "resume(require_compatible=True) reads code and history; use it from a client",
                code=ErrorCode.OUTSIDE_HANDLER,
            )
        command: c.Command = options.command(of)
        check_value(command, context_of(branch).limits)
        command = with_successor(command, context_of(branch).unique, idempotency_key)
        answered: e.VerbAnswered = await Operation(
            branch,
            e.VerbScheduled(
                invocation_id=branch.execution.invocation_id,
                step=branch.following_step,
                verb=c.VERB_OF_COMMAND[type(command)],
                of=of,
                argument=c.encode_verb(command),
                source=_source_of_await(),
            ),
        )
        if answered.refusal is not None:
            raise error_of(answered.refusal, deployment=context_of(branch).deployment)
        if answered.answer is None:
            raise CorruptRecord(f"the verb at step {answered.step} has neither an answer nor a refusal")
        return answered.answer

    async def outcome(self, of: InvocationId) -> Any:
        raise MisuseError(
            "outcome() is for clients; in a handler await result(), which raises the error of another outcome",
            code=ErrorCode.OUTSIDE_HANDLER,
        )

    async def info(self, of: InvocationId) -> Any:
        raise MisuseError(
            "info() changes with time and would not replay; read it from a client",
            code=ErrorCode.OUTSIDE_HANDLER,
        )

    async def check(self, of: InvocationId, deployment: str, code: Any) -> Any:
        raise MisuseError("check() reads code and history; use it from a client", code=ErrorCode.OUTSIDE_HANDLER)

    def events(self, of: InvocationId, after: int, *, follow: bool) -> Any:
        raise MisuseError(
            "events() change with time and would not replay; read them from a client",
            code=ErrorCode.OUTSIDE_HANDLER,
        )

    def marks(self, of: InvocationId, after: int, *, follow: bool) -> Any:
        raise MisuseError(
            "output() changes with time and would not replay; read it from a client",
            code=ErrorCode.OUTSIDE_HANDLER,
        )


def _source_of_await() -> str:
    """The line of the handler's own code that awaits: the first frame above that is not of this package."""
    depth = 1
    while sys._getframe(depth).f_globals.get("__name__", "").startswith(_OWN_MODULES):
        depth += 1
    return _source(depth)


_OWN_MODULES = ("actors.model.verbs", "actors.model.handles", "actors.model.references", "actors.core.", "contextlib")


# Values that must be the same in every replay.


def random() -> random_module.Random:
    """Random numbers that every replay repeats; each branch of a handler has its own.

    ::

        winner = actors.random().choice(names)
    """
    branch = _running_branch("random")
    if branch.random is None:
        branch.random = random_module.Random(f"{context_of(branch).seed} {branch.path}")  # noqa: S311 - must repeat
    return branch.random


def uuid4() -> uuid.UUID:
    """A random UUID that every replay repeats.

    ::

        order_id = actors.uuid4()
    """
    return uuid.UUID(int=random().getrandbits(128), version=4)


def suspending() -> bool:
    """Whether the handler is being taken out of memory, so that its code runs only because Python leaves its blocks.

    A handler leaves memory when it waits for long, when it is paused or retried, and when the process stops; when it continues,
    it is replayed into the same blocks. Python cannot drop a coroutine without leaving its blocks, so each time ``finally``, the
    ends of ``with`` and ``except BaseException`` run at the current await. That is right for resources of the process (a file, a
    lock), and wrong for code that belongs to the end of the work. Durable verbs do not work there, and nothing is recorded. False
    anywhere else.

    ::

        try:
            await actors.signal("done")
        finally:
            if not actors.suspending():
                metrics.count("finished")
    """
    branch = current_branch.get()
    return branch is not None and branch.execution.closed


def patched(name: str) -> bool:
    """Whether to run new code: True in new invocations, False in a replay that passed this point before the code was there.

    ::

        if actors.patched("fraud check"):
            await check_fraud(order)
    """
    return _running_branch("patched").execution.is_patched(checked_name(name, "name", MAX_NAME))
