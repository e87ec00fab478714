"""Calls and messages to other objects, and the handles of invocations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from actors.errors import DefinitionError, DefinitionReason, InvalidArgumentError
from actors.model.classes import definition_of
from actors.model.contexts import context_of
from actors.model.definitions import NothingStored, kind_in_words
from actors.model.handles import InvocationHandle
from actors.model.keys import checked_key, key_text
from actors.model.payloads import NO_ARGUMENT, argument_of
from actors.model.references import BoundHandler, Reference
from actors.model.requests import NO_OPTIONS
from actors.model.targets import parse_target
from actors.model.verbs.backend import HandlerBackend
from actors.model.verbs.branches import branch_for
from actors.replay.branches import current_branch
from actors.values import ValueProblem
from actors.values.amounts import Amount
from actors.values.arguments import Seconds, checked_text
from journal import events as e
from journal.events import Kind
from journal.ids import InvocationId, parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.model.classes import Actor, ObjectBase, Service, Workflow


A = TypeVar("A", bound="Actor")
S = TypeVar("S", bound="Service")
W = TypeVar("W", bound="Workflow")
Object = TypeVar("Object", bound="ObjectBase")


def actor(cls: type[A], key: str) -> A:
    """Return a keyed object, for calls and messages from a handler.

    ::

        total = await actors.actor(Counter, "bob").add(5)
    """
    return _reference(cls, key, Kind.ACTOR, "actor")


def service(cls: type[S]) -> S:
    """Return a service, for calls and messages from a handler.

    ::

        task = await actors.service(Agent).run_task.send("hello")
    """
    return _reference(cls, None, Kind.SERVICE, "service")


def workflow(cls: type[W], key: str) -> W:
    """Return a workflow, for calls and messages from a handler.

    ::

        await actors.workflow(Signup, "bob").run.send("bob@example.org")
    """
    return _reference(cls, key, Kind.WORKFLOW, "workflow")


def _reference(cls: type[Object], key: str | None, kind: Kind, verb: str) -> Object:
    branch = branch_for(verb)
    definition = definition_of(cls)
    if definition.kind is not kind:
        raise DefinitionError(
            f"actors.{verb}({definition.name}): {definition.name} is {kind_in_words(definition.kind)}; "
            f"use actors.{definition.kind.value}()",
            reason=DefinitionReason.KIND,
            name=definition.name,
        )
    limits = context_of(branch).limits
    return cast("Object", Reference(HandlerBackend(), definition, checked_key(definition, key, limits.key_bytes)))


async def call(
    target: str | e.Target,
    argument: Any = NO_ARGUMENT,
    *,
    idempotency_key: str | None = None,
    timeout: Seconds | None = None,
    tags: Mapping[str, str] | None = None,
    max_duration: Seconds | None = None,
    budget: Mapping[str, Amount] | None = None,
) -> Any:
    """Call a handler by its name, ``Service/key/handler`` or ``Service/handler``; see :meth:`Client.call`.

    The class is one that is served beside this one, and the result has the type that its handler declares. Raises the
    final error of the handler, :class:`NotFoundError`, :class:`InvalidArgumentError`, :class:`TooSlowError`.

    ::

        total = await actors.call("Counter/bob/add", 5)
    """
    handler, arguments = _by_name("call", target, argument)
    options = handler.options(
        idempotency_key=idempotency_key, timeout=timeout, tags=tags, max_duration=max_duration, budget=budget
    )
    return await options(**arguments)


async def send(
    target: str | e.Target,
    argument: Any = NO_ARGUMENT,
    *,
    idempotency_key: str | None = None,
    delay: Seconds | None = None,
    tags: Mapping[str, str] | None = None,
    max_duration: Seconds | None = None,
    budget: Mapping[str, Amount] | None = None,
    debounce: str | None = None,
    max_delay: Seconds | None = None,
) -> InvocationHandle[Any]:
    """Send a message to a handler by its name, as :func:`call`.

    ::

        task = await actors.send("Agent/run_task", "hello")
    """
    handler, arguments = _by_name("send", target, argument)
    options = handler.options(
        idempotency_key=idempotency_key,
        delay=delay,
        tags=tags,
        max_duration=max_duration,
        budget=budget,
        debounce=debounce,
        max_delay=max_delay,
    )
    return await options.send(**arguments)


def _by_name(verb: str, target: str | e.Target, argument: Any) -> tuple[BoundHandler[..., Any], dict[str, Any]]:
    """Return the handler of a name, with its arguments by name."""
    context = context_of(branch_for(verb))
    asked = parse_target(target)
    definition = context.find(asked.service)
    handler, key = definition.handler(asked.handler), checked_key(definition, asked.key, context.limits.key_bytes)
    try:
        arguments, _ = handler.signature.read(argument_of(argument, asked))
    except ValueProblem as error:
        raise InvalidArgumentError(f"{asked}: {error.path}: {error.problem}", path=error.path) from error
    return BoundHandler(HandlerBackend(), definition, key, handler, NO_OPTIONS), arguments


def invocation(of: InvocationId | str) -> InvocationHandle[Any]:
    """Return the handle of another invocation, for use in a handler: await, signal, cancel, pause, …

    ::

        await actors.invocation(self.current_task).cancel(reason="superseded")
    """
    branch_for("invocation")
    return InvocationHandle(HandlerBackend(), parse_invocation_id(checked_text(of, "of")))


def workflow_id(cls: type[Workflow], key: str) -> InvocationId:
    """Return the id of a workflow's run, which its key determines. Works anywhere. For a class with aliases, call it in
    a handler: elsewhere it is unknown which workflows are stored under an older name, and the id is the one under the
    class's own.

    ::

        await actors.invocation(actors.workflow_id(Signup, "bob")).signal("clicked", True)
    """
    definition = definition_of(cls)
    if definition.kind is not Kind.WORKFLOW:
        raise DefinitionError(
            f"{definition.name} is {kind_in_words(definition.kind)}, only a workflow's key determines an id",
            reason=DefinitionReason.KIND,
            name=definition.name,
        )
    text = key_text(key, definition.name)
    branch = current_branch.get()
    stored = NothingStored() if branch is None else context_of(branch).stored
    target = definition.resolved(e.Target(definition.name, text, "run"), stored)
    return definition.request_id(target, f"workflow {text}", "", stored)
