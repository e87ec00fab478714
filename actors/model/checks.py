"""Checks of a history against other code: a replay in memory, without effects, compared with the record."""

from __future__ import annotations

import enum
from typing import Any

import attrs

from actors.errors import IncompatibleError
from actors.model.info import FailureInfo, OutcomeInfo
from actors.values.texts import failure_in_words
from journal.events import Target
from journal.ids import InvocationId, StepId

SAMPLES = 10
"""The number of ids that a cohort lists."""

MAX_SKIPPED_NAMED = 100
"""The number of unchecked invocations that are listed; all of them are counted."""


class Verdict(enum.Enum):
    """The result of a replay on other code."""

    SAME = "same"
    """The replay makes all recorded requests, and reaches the recorded end if there is one. It may do more after that."""
    DIVERGES = "diverges"
    """The replay makes a request that differs from the record: moved to this code, the invocation would be paused."""
    RAISES = "raises"
    """The handler raises where the record has no such error, or a value no longer fits its type."""
    ENDS_OTHERWISE = "ends_otherwise"
    """The replay makes all recorded requests and reaches another end."""


class OperationStatus(enum.Enum):
    """The result for one recorded operation."""

    KEPT = "kept"
    CHANGED = "changed"
    NEW = "new"


@attrs.frozen(kw_only=True)
class OperationCheck:
    """A request of the handler: as ``recorded`` (empty if it is new), and as the other code makes it (``attempted``).

    ``differences`` are changes that leave it the same operation: a new name under its alias, or arguments that are not values and
    are therefore not compared.
    """

    fate: OperationStatus
    step: StepId
    recorded: str
    attempted: str
    differences: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class FieldDifference:
    """A field, or an item of a field, whose value at one point of the history depends on the version of the code."""

    field: str
    recorded: Any
    attempted: Any


@attrs.frozen(kw_only=True)
class Divergence:
    """The first request that differs, after ``position`` equal ones: both in words, with their source lines. ``step`` is the path
    of the recorded operation; empty for a request without one."""

    position: int
    recorded: str
    attempted: str
    recorded_source: str = ""
    attempted_source: str = ""
    step: str = ""
    fields: tuple[FieldDifference, ...] = ()


@attrs.frozen(kw_only=True)
class CheckReport:
    """One invocation, replayed on other code. ``kept``, ``changed`` and ``new`` count its ``operations``.

    ``outcome`` is the end that the code reaches, ``recorded_outcome`` the recorded one. ``failure`` is the error that the code
    raises.
    """

    invocation_id: InvocationId
    target: Target
    deployment: str
    verdict: Verdict
    kept: int = 0
    changed: int = 0
    new: int = 0
    operations: tuple[OperationCheck, ...] = ()
    divergence: Divergence | None = None
    failure: FailureInfo | None = None
    outcome: OutcomeInfo | None = None
    recorded_outcome: OutcomeInfo | None = None

    @property
    def is_compatible(self) -> bool:
        """Whether the invocation can be moved to this code and continues as if it had always run there."""
        return self.verdict is Verdict.SAME

    @property
    def summary(self) -> str:
        """The verdict in one line."""
        match self.verdict:
            case Verdict.SAME:
                return f"same: {self.kept} kept, {self.changed} changed, {self.new} new"
            case Verdict.DIVERGES:
                at = self.divergence
                where = (
                    ""
                    if at is None
                    else f" after {at.position} {'operation' if at.position == 1 else 'operations'}: recorded {at.recorded}, attempted {at.attempted}"
                )
                return f"diverges{where}"
            case Verdict.RAISES:
                return "raises" if self.failure is None else f"raises {failure_in_words(self.failure)}"
            case Verdict.ENDS_OTHERWISE:
                return "ends otherwise"


@attrs.frozen(kw_only=True)
class Cohort:
    """Invocations with the same result. ``example`` is the report of the first; ``samples`` are some of their ids."""

    summary: str
    verdict: Verdict
    count: int
    samples: tuple[InvocationId, ...]
    example: CheckReport


@attrs.frozen(kw_only=True)
class CheckSummary:
    """Many invocations, replayed on other code, the largest cohort first. ``skipped_count`` is the number that could not be
    checked; ``skipped`` lists the first of them with the reason.

    The check is complete when ``checked`` and ``skipped_count`` add up to ``wanted``. ``is_complete`` says that no more than
    these matched.
    """

    deployment: str
    wanted: int
    checked: int
    cohorts: tuple[Cohort, ...]
    skipped: tuple[tuple[InvocationId, str], ...] = ()
    skipped_count: int = 0
    is_complete: bool = True

    @property
    def is_compatible(self) -> bool:
        """Whether all matching invocations can be moved to this code; False if only some of them were replayed."""
        return (
            self.is_complete
            and not self.skipped_count
            and all(cohort.verdict is Verdict.SAME for cohort in self.cohorts)
        )


def refuse_incompatible(report: CheckReport) -> None:
    """Raise :class:`actors.errors.IncompatibleError` unless the code makes all recorded requests."""
    if not report.is_compatible:
        advice = "'playhead invocations check' shows more; guard the change with actors.patched()"
        raise refusal_of(report, advice)


def refusal_of(report: CheckReport, advice: str, of: InvocationId | None = None) -> IncompatibleError:
    """Return the error to raise for a report that is not compatible. ``of`` is the original of a restart, if the report
    is about the part that the restart keeps.
    """
    at = report.divergence
    what = f"{report.invocation_id} cannot continue" if of is None else f"the kept part of {of} cannot be repeated"
    return IncompatibleError(
        f"{what} on {report.deployment or 'the code that is served'}: it {report.summary}. Nothing was changed. {advice}",
        details={
            "step": "" if at is None else at.step,
            "verdict": report.verdict.value,
            "summary": report.summary,
            "position": None if at is None else at.position,
            "recorded": None if at is None else at.recorded,
            "recorded_source": None if at is None else at.recorded_source,
            "attempted": None if at is None else at.attempted,
            "attempted_source": None if at is None else at.attempted_source,
        },
    )


@attrs.define
class _Alike:
    """A cohort while it grows: the first report, some ids, and their number."""

    example: CheckReport
    samples: list[InvocationId]
    count: int = 0


@attrs.define(eq=False)
class CheckTally:
    """Groups reports by verdict and place as they arrive. It keeps one report of each group, so the number of invocations is not
    limited."""

    deployment: str
    wanted: int
    is_complete: bool
    _cohorts: dict[tuple[object, ...], _Alike] = attrs.field(factory=dict)
    _skipped: list[tuple[InvocationId, str]] = attrs.field(factory=list)
    _skipped_count: int = 0

    def add(self, report: CheckReport) -> None:
        """Add the report of an invocation."""
        alike = self._cohorts.setdefault(_cohort_of(report), _Alike(report, []))
        alike.count += 1
        if len(alike.samples) < SAMPLES:
            alike.samples.append(report.invocation_id)

    def skip(self, of: InvocationId, why: str) -> None:
        """Count an invocation that could not be checked."""
        self._skipped_count += 1
        if len(self._skipped) < MAX_SKIPPED_NAMED:
            self._skipped.append((of, why))

    def summary(self) -> CheckSummary:
        """Return the summary so far."""
        largest_first = sorted(self._cohorts.values(), key=lambda alike: alike.count, reverse=True)
        return CheckSummary(
            deployment=self.deployment,
            wanted=self.wanted,
            checked=sum(alike.count for alike in largest_first),
            cohorts=tuple(map(_cohort, largest_first)),
            skipped=tuple(self._skipped),
            skipped_count=self._skipped_count,
            is_complete=self.is_complete,
        )


def _cohort(alike: _Alike) -> Cohort:
    report = alike.example
    return Cohort(
        summary=report.summary if report.verdict is not Verdict.SAME else "same",
        verdict=report.verdict,
        count=alike.count,
        samples=tuple(alike.samples),
        example=report,
    )


def _cohort_of(report: CheckReport) -> tuple[object, ...]:
    at = report.divergence
    place = None if at is None else (at.position, at.recorded_source, at.attempted_source)
    error = None if report.failure is None else report.failure.type
    return report.target.service, report.target.handler, report.verdict, place, error
