"""Commands of the remote control: cancel, kill, pause, resume, signal, reschedule, purge and restart."""

from __future__ import annotations

import attrs

from journal.events import Caller, Children, InvocationAccepted, Link, PauseMode, Stop
from journal.ids import ROOT_STEP, InvocationId, StepId


@attrs.frozen(kw_only=True)
class CancelInvocation:
    """Cancel the invocation and let its compensations run. It is killed ``kill_after`` seconds later if it has not completed.

    A repeated cancel can only move the kill to an earlier time; everything else stays as first requested. ``spares`` is set when
    the invocation is stopped because its caller is restarted: the calls that it made with an idempotency key then continue.
    """

    invocation_id: InvocationId
    reason: str
    children: Children = Children.CALLED
    kill_after: float | None = None
    reply_to: Caller | None = None
    spares: bool = False


@attrs.frozen(kw_only=True)
class ResolvedCancel:
    """A cancel with the number of completions that a gate has kept from the handler (``held_back``). Only the receiving processor
    knows it."""

    asked: CancelInvocation
    held_back: int = 0

    @property
    def invocation_id(self) -> InvocationId:
        """The invocation to cancel."""
        return self.asked.invocation_id


@attrs.frozen(kw_only=True)
class KillInvocation:
    """End the invocation now, without compensation. ``spares`` is as for a cancel."""

    invocation_id: InvocationId
    reason: str
    reply_to: Caller | None = None
    spares: bool = False


@attrs.frozen(kw_only=True)
class PauseInvocation:
    """Pause the invocation."""

    invocation_id: InvocationId
    reason: str
    mode: PauseMode = PauseMode.DRAIN
    reply_to: Caller | None = None


@attrs.frozen(kw_only=True)
class ResumeInvocation:
    """Continue a paused invocation where it stopped. If it is backing off, retry it now.

    ``deployment`` moves the invocation to other code first; it is an id or ``latest``. ``budget`` are the amounts that are added to its
    budget, as in :class:`journal.events.BudgetRaised`.
    """

    invocation_id: InvocationId
    reason: str
    deployment: str | None = None
    budget: dict[str, str] | None = None
    reply_to: Caller | None = None


@attrs.frozen(kw_only=True)
class ResolvedResume:
    """A resume with the id of the code that the invocation moves to; None if it stays on its code."""

    asked: ResumeInvocation
    deployment: str | None = None

    @property
    def invocation_id(self) -> InvocationId:
        """The invocation to resume."""
        return self.asked.invocation_id


@attrs.frozen(kw_only=True)
class SignalInvocation:
    """Deliver a value to the invocation under a signal name; with ``error``, let the wait fail, with the value as details.
    ``question`` is the question that it answers, by its link."""

    invocation_id: InvocationId
    name: str
    value: bytes
    reply_to: Caller | None = None
    json_loses: str = ""
    error: str | None = None
    question: str = ""


@attrs.frozen(kw_only=True)
class RescheduleInvocation:
    """Move the time of an invocation that is not due: to ``at``, or to ``delay`` seconds from now. Without either, it is
    due now."""

    invocation_id: InvocationId
    reason: str
    at: float | None = None
    delay: float | None = None
    reply_to: Caller | None = None


@attrs.frozen(kw_only=True)
class PurgeInvocations:
    """Delete the histories and results of these invocations, all of which have completed."""

    invocation_ids: list[InvocationId]
    reply_to: Caller | None = None


@attrs.frozen(kw_only=True)
class RestartInvocation:
    """Run the invocation again as ``successor``, from the beginning or from a step, keeping everything before that step's
    outcome.

    ``from_step`` is the name or path of a step, or ``end``; empty means the beginning. ``argument`` replaces the original
    argument; ``json_loses`` names the types in it that its JSON does not preserve. ``stop`` says how to stop the original if it
    has not completed. With ``hand_over``, everything that waits for the original then waits for the successor. With ``dry_run``,
    the command only reports what would be kept. ``deployment`` is the code that the successor runs on; None keeps the original's.
    ``require_compatible`` refuses the restart unless the kept history replays on that code. Without ``again``, an invocation that has been
    restarted before is refused. ``caller`` waits for the successor if
    a call is repeated; ``chain`` is that caller's chain, and ``budgets`` are those that count what it spends.
    """

    invocation_id: InvocationId
    successor: InvocationId
    reason: str
    from_step: str = ""
    argument: bytes | None = None
    json_loses: str = ""
    stop: Stop | None = None
    rewind_state: bool = False
    hand_over: bool = True
    dry_run: bool = False
    again: bool = False
    deployment: str | None = None
    require_compatible: bool = False
    reply_to: Caller | None = None
    caller: Caller | None = None
    chain: list[Link] = attrs.field(factory=list)
    budgets: tuple[InvocationId, ...] = ()


@attrs.frozen(kw_only=True)
class ResolvedRestart:
    """A restart with the values that the receiving processor adds.

    ``original`` is the acceptance of the invocation that is repeated, at ``original_at``, ``deployment`` the id of the code that the
    successor runs on, ``step`` the step that ``from_step`` names. ``parameter`` is the parameter whose value the new
    ``argument`` is (as in :class:`journal.events.InvocationAccepted`), ``held_back`` as in a :class:`ResolvedCancel`.
    """

    asked: RestartInvocation
    original: InvocationAccepted
    original_at: float
    deployment: str
    step: StepId = ROOT_STEP
    parameter: str | None = None
    held_back: int = 0


def needs_code(command: RestartInvocation) -> bool:
    """Report whether the successor's code must be loaded before the restart is accepted, to check its input or to
    replay on it."""
    return command.argument is not None or command.require_compatible


def is_rehearsed(command: RestartInvocation) -> bool:
    """Report whether the kept history is replayed before the restart is accepted."""
    return bool(command.from_step) and needs_code(command)
