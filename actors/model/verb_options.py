"""The options of each verb, defined once: for the handle's method, the body over HTTP and its schema, the job, and the
command line.

A field has its type, its limits and its description in its annotation, which the schema of the HTTP API and the help of the
command line are made from. Its converter checks the value that a Python caller passes, and accepts its convenient forms
(``"all"`` for an enumeration, a timedelta for seconds). Values from JSON pass the same converters.

Each class names the command that its verb becomes. The ids of an invocation and of a successor are not among the options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeAlias

import attrs
import msgspec

from actors.core import commands as c
from actors.core.jobs import JobVerb
from actors.errors import InvalidArgumentError, UnserializableError
from actors.model.payloads import write_value
from actors.values import Written
from actors.values.amounts import Amount, Amounts, checked_more
from actors.values.arguments import (
    MAX_NAME,
    MAX_SECONDS,
    MAX_WORDS,
    Instant,
    Seconds,
    checked_instant,
    checked_name,
    checked_point,
    checked_text,
    checked_truth,
    one_of,
    seconds_or_none,
)
from journal.events import LAST_DATE, Children, PauseMode, Stop
from journal.ids import InvocationId

MAX_REASON = 1_000
"""Characters of a reason that is sent over HTTP."""

MAX_STEP_NAME = 1_024
"""Characters of a step's name or path that is sent over HTTP."""

KEEP = "keep"
"""The deployment that an invocation is on."""

NOT_YET = InvocationId("")
"""A placeholder for the id of a successor, until the backend that executes the restart has made it."""

ReasonText = Annotated[
    str, msgspec.Meta(max_length=MAX_REASON, description="The reason; recorded in the history and the audit log.")
]
KillAfter = Annotated[
    float, msgspec.Meta(ge=0, le=MAX_SECONDS, description="Kill an invocation that has not ended after this time.")
]
ErrorText = Annotated[
    str,
    msgspec.Meta(
        max_length=MAX_REASON,
        description="Let the wait fail with this text; the value becomes the details of the error.",
    ),
]
StepName = Annotated[str, msgspec.Meta(max_length=MAX_STEP_NAME)]
DeploymentWord = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=MAX_NAME, description="The deployment to run on: keep, latest, or an id."),
]
CodeCheck = Annotated[
    bool,
    msgspec.Meta(description="Replay the history on other code before a move there; refuse it if the code differs."),
]


def checked_reason(value: str) -> str:
    """Check the reason of a verb."""
    return checked_text(value, "reason")


def _children(value: str | Children) -> Children:
    return one_of(Children, value, "children")


def _kill_after(value: Seconds | None) -> float | None:
    return seconds_or_none(value, "kill_after")


def checked_mode(value: str | PauseMode) -> PauseMode:
    """Check the mode of a pause, or of a gate."""
    return one_of(PauseMode, value, "mode")


def _at(value: Instant | None) -> float | None:
    return None if value is None else checked_instant(value, "at")


def _delay(value: Seconds | None) -> float | None:
    return seconds_or_none(value, "delay")


def _stop(value: str | Stop | None) -> Stop | None:
    return None if value is None else one_of(Stop, value, "stop")


def _deployment(value: str) -> str:
    return checked_name(value, "deployment", MAX_WORDS)


def _budget(value: Mapping[str, Amount] | None) -> Amounts | None:
    return checked_more(value)


def _from_step(value: str | None) -> str | None:
    return checked_point(value, "from_step") or None


def _input(value: Any) -> Written | None:
    return None if value is None else write_value(value, "input")


def _json_loses(value: str) -> str:
    return checked_text(value, "json_loses")


def _check(value: bool) -> bool:
    return checked_truth(value, "check")


def _rewind_state(value: bool) -> bool:
    return checked_truth(value, "rewind_state")


def _hand_over(value: bool) -> bool:
    return checked_truth(value, "hand_over")


def _again(value: bool) -> bool:
    return checked_truth(value, "again")


def _dry_run(value: bool) -> bool:
    return checked_truth(value, "dry_run")


def _signal_name(value: str) -> str:
    return checked_name(value, "name", MAX_NAME)


def _signal_value(value: Any) -> Written:
    return write_value(value, "the value of a signal")


def _signal_error(value: str | None) -> str | None:
    return None if value is None else checked_text(value, "error")


@attrs.frozen(kw_only=True)
class CancelOptions:
    """The options of a cancel."""

    verb: ClassVar[JobVerb] = JobVerb.CANCEL

    reason: ReasonText = attrs.field(default="", converter=checked_reason)
    children: Annotated[
        Children, msgspec.Meta(description="Also cancel the calls it waits for (called), and its messages (all).")
    ] = attrs.field(default=Children.CALLED, converter=_children)
    kill_after: KillAfter | None = attrs.field(default=None, converter=_kill_after)

    def command(self, of: InvocationId) -> c.CancelInvocation:
        """Return the cancel command for this invocation."""
        return c.CancelInvocation(
            invocation_id=of, reason=self.reason, children=self.children, kill_after=self.kill_after
        )


@attrs.frozen(kw_only=True)
class KillOptions:
    """The options of a kill."""

    verb: ClassVar[JobVerb] = JobVerb.KILL

    reason: ReasonText = attrs.field(default="", converter=checked_reason)

    def command(self, of: InvocationId) -> c.KillInvocation:
        """Return the kill command for this invocation."""
        return c.KillInvocation(invocation_id=of, reason=self.reason)


@attrs.frozen(kw_only=True)
class PauseOptions:
    """The options of a pause."""

    verb: ClassVar[JobVerb] = JobVerb.PAUSE

    reason: ReasonText = attrs.field(default="", converter=checked_reason)
    mode: Annotated[
        PauseMode, msgspec.Meta(description="drain: let a running step end; now: abort and rerun it later.")
    ] = attrs.field(default=PauseMode.DRAIN, converter=checked_mode)

    def command(self, of: InvocationId) -> c.PauseInvocation:
        """Return the pause command for this invocation."""
        return c.PauseInvocation(invocation_id=of, reason=self.reason, mode=self.mode)


@attrs.frozen(kw_only=True)
class ResumeOptions:
    """The options of a resume, including the code to run on, which is checked first. ``budget`` is added to the invocation's own."""

    verb: ClassVar[JobVerb] = JobVerb.RESUME

    reason: ReasonText = attrs.field(default="", converter=checked_reason)
    deployment: DeploymentWord = attrs.field(default=KEEP, converter=_deployment)
    check: CodeCheck = attrs.field(default=True, converter=_check)
    budget: (
        Annotated[
            Mapping[str, int | str],
            msgspec.Meta(description="Add this to its budget, by the name of the quantity."),
        ]
        | None
    ) = attrs.field(default=None, converter=_budget)

    @property
    def moves_checked(self) -> bool:
        """Whether it moves to other code, and only if the history replays there."""
        return self.check and self.deployment != KEEP

    def command(self, of: InvocationId) -> c.ResumeInvocation:
        """Return the resume command for this invocation, without the check for compatibility."""
        more = None if self.budget is None else {name: str(amount) for name, amount in self.budget.items()}
        where = _wanted(self.deployment)
        return c.ResumeInvocation(invocation_id=of, reason=self.reason, deployment=where, budget=more)


@attrs.frozen(kw_only=True)
class RestartOptions:
    """The options of a restart. ``input`` replaces the argument. ``json_loses`` names the types that ``input`` had in
    Python and that JSON does not preserve; clients in Python set it.
    """

    verb: ClassVar[JobVerb] = JobVerb.RESTART

    from_step: (
        Annotated[
            StepName, msgspec.Meta(description="The step to restart at, by name or path; 'end' keeps every step.")
        ]
        | None
    ) = attrs.field(default=None, converter=_from_step)
    input: Annotated[Any, msgspec.Meta(description="Replace the argument (JSON).")] = attrs.field(
        default=None, converter=_input
    )
    json_loses: Annotated[str, msgspec.Meta(max_length=MAX_WORDS)] = attrs.field(default="", converter=_json_loses)
    stop: Annotated[Stop, msgspec.Meta(description="Stop an invocation that has not ended.")] | None = attrs.field(
        default=None, converter=_stop
    )
    rewind_state: Annotated[
        bool, msgspec.Meta(description="Reset the object's fields to their values at the step.")
    ] = attrs.field(default=False, converter=_rewind_state)
    hand_over: Annotated[
        bool, msgspec.Meta(description="Let callers that wait for the original wait for the new invocation.")
    ] = attrs.field(default=True, converter=_hand_over)
    again: Annotated[
        bool,
        msgspec.Meta(
            description="Restart it even if it was restarted before: the effects that follow happen once more."
        ),
    ] = attrs.field(default=False, converter=_again)
    deployment: DeploymentWord = attrs.field(default=KEEP, converter=_deployment)
    check: CodeCheck = attrs.field(default=True, converter=_check)
    dry_run: Annotated[
        bool, msgspec.Meta(description="Report what would be kept and what would run again; change nothing.")
    ] = attrs.field(default=False, converter=_dry_run)
    reason: ReasonText = attrs.field(default="", converter=checked_reason)

    def command(self, of: InvocationId) -> c.RestartInvocation:
        """Return the restart command for this invocation, without the id of the successor."""
        written = self._written()
        return c.RestartInvocation(
            invocation_id=of,
            successor=NOT_YET,
            reason=self.reason,
            from_step=self.from_step or "",
            argument=None if written is None else written.data,
            json_loses="" if written is None else written.json_loses,
            stop=self.stop,
            rewind_state=self.rewind_state,
            hand_over=self.hand_over,
            again=self.again,
            deployment=_wanted(self.deployment),
            dry_run=self.dry_run,
            require_compatible=self.check and self.deployment != KEEP,
        )

    def _written(self) -> Written | None:
        """Return the input as it was in Python. Over HTTP the value and its types arrive separately, and the value may
        be ``null``.
        """
        written: Written | None = self.input
        if not self.json_loses:
            return written
        data = b"null" if written is None else written.data
        return Written(data, self.json_loses)


@attrs.frozen(kw_only=True)
class SignalOptions:
    """The options of a signal: its name and its value, either plain JSON or already encoded. With ``error`` the value, which must
    then be plain JSON, are the details of the error.
    """

    verb: ClassVar[JobVerb] = JobVerb.SIGNAL

    name: str = attrs.field(converter=_signal_name)
    value: Any = attrs.field(default=None, converter=_signal_value)
    error: ErrorText | None = attrs.field(default=None, converter=_signal_error)

    def __attrs_post_init__(self) -> None:
        if self.error is not None and isinstance(self.value, Written) and self.value.json_loses:
            raise UnserializableError(
                f"the details of the error of signal {self.name!r}: JSON has no {self.value.json_loses}; pass lists, "
                "dictionaries, texts and numbers"
            )

    def command(self, of: InvocationId) -> c.SignalInvocation:
        """Return the signal command for this invocation."""
        return c.SignalInvocation(
            invocation_id=of,
            name=self.name,
            value=self.value.data,
            json_loses=self.value.json_loses,
            error=self.error,
        )


@attrs.frozen(kw_only=True)
class RescheduleOptions:
    """The options of a reschedule: ``at`` in wall seconds or ``delay`` in seconds, not both. Without either, now."""

    verb: ClassVar[JobVerb] = JobVerb.RESCHEDULE

    at: Annotated[float, msgspec.Meta(ge=0, le=LAST_DATE, description="The new time; by default now.")] | None = (
        attrs.field(default=None, converter=_at)
    )
    delay: (
        Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS, description="The new time, counted from now.")] | None
    ) = attrs.field(default=None, converter=_delay)
    reason: ReasonText = attrs.field(default="", converter=checked_reason)

    def __attrs_post_init__(self) -> None:
        if self.at is not None and self.delay is not None:
            raise InvalidArgumentError("at and delay were both given; pass one of them, or neither for now", path="at")

    def command(self, of: InvocationId) -> c.RescheduleInvocation:
        """Return the reschedule command for this invocation."""
        return c.RescheduleInvocation(invocation_id=of, at=self.at, delay=self.delay, reason=self.reason)


@attrs.frozen(kw_only=True)
class PurgeOptions:
    """The options of a purge. There are none."""

    verb: ClassVar[JobVerb] = JobVerb.PURGE

    def command(self, of: InvocationId) -> c.PurgeInvocations:
        """Return the purge command for this invocation."""
        return c.PurgeInvocations(invocation_ids=[of])


VerbOptions: TypeAlias = (
    CancelOptions
    | KillOptions
    | PauseOptions
    | ResumeOptions
    | RestartOptions
    | SignalOptions
    | RescheduleOptions
    | PurgeOptions
)

OPTIONS_OF: dict[JobVerb, type[VerbOptions]] = {
    kind.verb: kind
    for kind in (
        CancelOptions,
        KillOptions,
        PauseOptions,
        ResumeOptions,
        RestartOptions,
        SignalOptions,
        RescheduleOptions,
        PurgeOptions,
    )
}


def _wanted(deployment: str) -> str | None:
    """Return the deployment as a command names it: None for the invocation's own."""
    return None if deployment == KEEP else deployment
