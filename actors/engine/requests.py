"""What arrives for an object: commands, and people who want to know something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from actors.core.commands import Command
    from actors.engine.waiter import Reply
    from actors.model.info import InvocationInfo
    from journal.events import Outcome, Stamp
    from journal.ids import InvocationId, StreamId


@attrs.frozen
class Principal:
    """Who asks, and from where: ``user:ada`` in this ``process``, ``token:ops`` at ``127.0.0.1:5123``.

    ``realm`` keeps the idempotency keys of strangers apart; those of whom the process belongs to are in none.
    """

    by: str
    origin: str
    realm: str = ""


@attrs.frozen(kw_only=True)
class ControlAction:
    """What the audit is to say of something that is asked for."""

    verb: str
    target: str
    detail: str = ""
    reason: str = ""
    request: str | None = None


@attrs.frozen(kw_only=True, eq=False)
class AuditOnly:
    """An audit-only entry for an action, or a denied one, at the API boundary. No object takes part."""

    act: ControlAction
    reply: Reply[None]
    refusal: str = ""
    dropped: int = 0


@attrs.define(eq=False)
class AwaitOutcome:
    """A client outside waits for the end of an invocation."""

    invocation_id: InvocationId
    waiter: Reply[Outcome]


@attrs.define(eq=False)
class Describe:
    """A client outside wants to know how an invocation stands."""

    invocation_id: InvocationId
    reply: Reply[InvocationInfo]


@attrs.frozen(eq=False)
class Accepted:
    """The answer to an invocation that was asked for; ``is_new``: it was not here before."""

    invocation_id: InvocationId
    is_new: bool


@attrs.define(eq=False)
class ObjectRequest:
    """Something for an object.

    ``reply`` and ``outcome`` wait outside: for the answer, and for the end of what is asked for. ``position`` is the letter
    that brought it. ``is_fresh``: its id was made just now, so it cannot have been here before. ``act``: what the audit says of
    it; for a verb that is known without it.
    """

    to: StreamId
    command: Command | AwaitOutcome | Describe | AuditOnly
    stamp: Stamp
    reply: Reply[Any] | None = None
    outcome: Reply[Outcome] | None = None
    position: bytes | None = None
    is_fresh: bool = False
    origin: str = "handler"
    act: ControlAction | None = None

    def fail(self, error: BaseException) -> None:
        """Tell everybody who waits for this."""
        if self.reply is not None:
            self.reply.fail(error)
        if self.outcome is not None:
            self.outcome.fail(error)
        if isinstance(self.command, AwaitOutcome):
            self.command.waiter.fail(error)
        elif isinstance(self.command, (Describe, AuditOnly)):
            self.command.reply.fail(error)
