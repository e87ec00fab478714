"""The requests that a processor receives: commands, and questions of clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.core.commands import Command
    from actors.engine.waiter import Reply
    from actors.model.info import InvocationInfo
    from actors.rows.audit import ControlAction
    from journal.events import Outcome, Stamp
    from journal.ids import StreamId
    from journal.log.protocol import Message


@attrs.frozen(kw_only=True, eq=False)
class AuditOnly:
    """An audit-only entry for an action, or a denied one, at the API boundary. No object takes part."""

    act: ControlAction
    reply: Reply[None]
    refusal: str = ""
    dropped: int = 0


@attrs.define(eq=False)
class AwaitOutcome:
    """A client waits for the outcome of an invocation."""

    invocation_id: InvocationId
    waiter: Reply[Outcome]


@attrs.define(eq=False)
class Describe:
    """A client asks for the state of an invocation."""

    invocation_id: InvocationId
    reply: Reply[InvocationInfo]


@attrs.frozen(kw_only=True, eq=False)
class DeleteObject:
    """A client asks for the deletion of an object."""

    service: str
    key: str


@attrs.frozen(eq=False)
class TakeMessages:
    """Another node has messages for objects of one partition; the answer, None, comes once they are durable."""

    messages: Sequence[Message]


class Accepted(msgspec.Struct, frozen=True, eq=False):
    """The answer to a request for an invocation; ``is_new`` says that it did not exist before."""

    invocation_id: InvocationId
    is_new: bool


class ObjectRequest(msgspec.Struct, eq=False):
    """A command or question for an object.

    ``reply`` receives the answer and ``outcome`` the outcome of the invocation. ``position`` is the position of the message that
    carried the request. ``is_fresh`` says that its id was just created, so it cannot exist already. ``act`` is the audit entry,
    for requests from which it cannot be derived. ``is_second`` says that it was postponed once, until an earlier invocation of its key was
    purged. ``code_error`` is why the code that it waited for could not be loaded.
    """

    to: StreamId
    command: Command | AwaitOutcome | Describe | AuditOnly | DeleteObject | TakeMessages
    stamp: Stamp
    reply: Reply[Any] | None = None
    outcome: Reply[Outcome] | None = None
    position: bytes | None = None
    is_fresh: bool = False
    source: str = "handler"
    act: ControlAction | None = None
    is_second: bool = False
    code_error: BaseException | None = None

    @property
    def leaves_at_pause(self) -> bool:
        """Whether a pause of the invocation answers the client that waits for its outcome."""
        if isinstance(self.command, AwaitOutcome):
            return self.command.waiter.leaves_at_pause
        return self.outcome is not None and self.outcome.leaves_at_pause

    def fail(self, error: BaseException) -> None:
        """Answer every waiting client with the error."""
        if self.reply is not None:
            self.reply.fail(error)
        if self.outcome is not None:
            self.outcome.fail(error)
        if isinstance(self.command, AwaitOutcome):
            self.command.waiter.fail(error)
        elif isinstance(self.command, (Describe, AuditOnly)):
            self.command.reply.fail(error)
