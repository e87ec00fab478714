"""The operations of a handler on other invocations: calls, messages and verbs. See :class:`actors.replay.branches.Operation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.model.contexts import context_of
from actors.model.keys import own_key
from actors.replay.branches import Operation
from journal import events as e

if TYPE_CHECKING:
    from actors.core.commands import Command
    from actors.model.requests import Request
    from journal.ids import InvocationId


class _Asked(Operation, kw_only=True):
    """A call or a message. ``target`` is the target of the request under its stored name, ``argument`` its arguments,
    ``tags`` all its tags, ``trace`` the span of the caller."""

    asked: Request
    target: e.Target
    argument: bytes
    tags: dict[str, str] | None
    trace: e.TraceContext | None
    source: str

    def is_recorded_as(self, recorded: e.CallScheduled | e.SendScheduled) -> bool:
        return (
            recorded.argument == self.argument
            and recorded.parameter == self.asked.handler.signature.parameter
            and recorded.target == self.target
        )

    @property
    def also_known_as(self) -> tuple[str, ...]:
        return self.asked.other_targets


class CallOperation(_Asked):
    """A handler awaits a call."""

    request = e.CallScheduled
    completion = e.CallCompleted

    def schedule(self) -> None:
        asked, branch = self.asked, self.branch
        self.event = e.CallScheduled(
            invocation_id=branch.execution.invocation_id,
            step=self.step,
            callee=context_of(branch).id_of(asked, self.target),
            target=self.target,
            argument=self.argument,
            parameter=asked.handler.signature.parameter,
            request=asked.request_key,
            tags=self.tags,
            trace=self.trace,
            max_duration=asked.options.max_duration,
            budget=asked.options.budget,
            source=self.source,
        )


class SendOperation(_Asked):
    """A handler sends a message, and does not wait."""

    request = e.SendScheduled

    def schedule(self) -> None:
        asked, branch = self.asked, self.branch
        delay = asked.options.delay
        self.event = e.SendScheduled(
            invocation_id=branch.execution.invocation_id,
            step=self.step,
            callee=context_of(branch).id_of(asked, self.target),
            target=self.target,
            argument=self.argument,
            parameter=asked.handler.signature.parameter,
            scheduled_for=None if delay is None else branch.execution.live_now + delay,
            request=asked.request_key,
            tags=self.tags,
            trace=self.trace,
            max_duration=asked.options.max_duration,
            budget=asked.options.budget,
            debounce=None if asked.options.debounce is None else own_key(asked.options.debounce),
            max_delay=asked.options.max_delay,
            source=self.source,
        )


class AttachOperation(Operation, kw_only=True):
    """A handler awaits the result of an invocation that it did not call. ``lock``, ``after`` and ``stays`` are as in
    the event."""

    callee: InvocationId
    source: str
    lock: str = ""
    after: InvocationId | None = None
    stays: bool = False

    request = e.AttachScheduled
    completion = e.CallCompleted

    def is_recorded_as(self, recorded: e.AttachScheduled) -> bool:
        return recorded.callee == self.callee

    def schedule(self) -> None:
        self.event = e.AttachScheduled(
            invocation_id=self.branch.execution.invocation_id,
            step=self.step,
            callee=self.callee,
            source=self.source,
            lock=self.lock,
            after=self.after,
            stays=self.stays,
        )


class VerbOperation(Operation, kw_only=True):
    """A handler awaits the answer to a verb on the invocation ``of``."""

    command: Command
    of: InvocationId
    source: str

    request = e.VerbScheduled
    completion = e.VerbAnswered

    def is_recorded_as(self, recorded: e.VerbScheduled) -> bool:
        from actors.core.commands import VERB_OF_COMMAND

        return recorded.of == self.of and recorded.verb is VERB_OF_COMMAND[type(self.command)]

    def schedule(self) -> None:
        from actors.core.commands import VERB_OF_COMMAND, encode_verb

        self.event = e.VerbScheduled(
            invocation_id=self.branch.execution.invocation_id,
            step=self.step,
            verb=VERB_OF_COMMAND[type(self.command)],
            of=self.of,
            argument=encode_verb(self.command),
            source=self.source,
        )
