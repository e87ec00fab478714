"""Commands that start an invocation, deliver the result of a wait, or change the callee of a call."""

from __future__ import annotations

import attrs
import msgspec

from journal.events import Caller, ControlResult, Failure, Kind, Link, Mode, Outcome, Target, TraceContext
from journal.ids import InvocationId, StepId


class Invoke(msgspec.Struct, frozen=True, kw_only=True):
    """Run a handler. The sender chooses the id, so a repeated request is harmless.

    ``if_free`` refuses the invocation instead of queueing it. ``repeats`` is set when a
    restarted caller makes its calls again: it names the caller's earlier invocation, and a call that was stopped with that
    invocation is repeated as well. ``parameter``, ``tags``, ``trace``, ``max_duration``, ``debounce``, ``budget`` and ``budgets`` are as in
    :class:`journal.events.InvocationAccepted`, ``max_delay`` as in :class:`journal.events.SendScheduled`.
    """

    invocation_id: InvocationId
    target: Target
    argument: bytes
    caller: Caller | None = None
    chain: list[Link] = []
    scheduled_for: float | None = None
    request: str | None = None
    if_free: bool = False
    repeats: InvocationId | None = None
    parameter: str | None = None
    tags: dict[str, str] | None = None
    trace: TraceContext | None = None
    max_duration: float | None = None
    debounce: str | None = None
    max_delay: float | None = None
    budget: dict[str, str] | None = None
    budgets: tuple[InvocationId, ...] = ()


class ResolvedInvoke(msgspec.Struct, frozen=True, kw_only=True):
    """An invocation with the values that the receiving processor adds: ``kind``, ``mode`` and ``atomic`` come from the
    class, ``deployment`` is the code that new work runs on, and ``max_duration`` is the smaller one of the caller's and
    the handler's."""

    asked: Invoke
    kind: Kind = Kind.ACTOR
    mode: Mode = Mode.EXCLUSIVE
    atomic: bool = False
    deployment: str = ""
    max_duration: float | None = None


@attrs.frozen(kw_only=True)
class StartDue:
    """The scheduled time of an invocation has come: queue it, or start it."""

    invocation_id: InvocationId


@attrs.frozen(kw_only=True)
class ExpireInvocation:
    """The ``max_duration`` of an invocation is over: cancel it. The processor adds ``held_back``, the completions that its
    handler has not received because of a gate."""

    invocation_id: InvocationId
    held_back: int = 0


@attrs.frozen(kw_only=True)
class StartWaiting:
    """A gate has opened: start every invocation of this object that waits only for its turn."""


@attrs.frozen(kw_only=True)
class FireTimer:
    """A sleep, deadline or step retry is due."""

    invocation_id: InvocationId
    step: StepId


@attrs.frozen(kw_only=True)
class RetryAttempt:
    """Retry a failed attempt: its delay is over."""

    invocation_id: InvocationId


@attrs.frozen(kw_only=True)
class CompleteCall:
    """Deliver the outcome of a call that the invocation made, or of an invocation that it attached to."""

    invocation_id: InvocationId
    step: StepId
    outcome: Outcome


@attrs.frozen(kw_only=True)
class CompleteVerb:
    """Deliver the result of a verb (cancel, restart, …) that the invocation requested."""

    invocation_id: InvocationId
    step: StepId
    answer: ControlResult | None
    refusal: Failure | None = None


@attrs.frozen(kw_only=True)
class Attach:
    """Send the outcome of this invocation to ``by`` when it completes. ``stays`` is as in :class:`journal.events.AttachRequested`."""

    invocation_id: InvocationId
    by: Caller
    stays: bool = False


@attrs.frozen(kw_only=True)
class Detach:
    """Forget that ``by`` waits for the outcome of this invocation."""

    invocation_id: InvocationId
    by: Caller


@attrs.frozen(kw_only=True)
class TransferCall:
    """Another invocation will answer the call."""

    invocation_id: InvocationId
    step: StepId
    callee: InvocationId


@attrs.frozen(kw_only=True)
class WithdrawCall:
    """Complete a call with this outcome before it has started. It could never start, because its caller holds the key
    that it waits for."""

    invocation_id: InvocationId
    outcome: Outcome
