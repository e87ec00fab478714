"""What other code would make of a history: replayed in memory, with no effect, and held against what is recorded."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import attrs

from actors.errors import IncompatibleError
from actors.model.info import FailureInfo, OutcomeInfo
from actors.values.texts import failure_in_words
from journal.events import Target
from journal.ids import InvocationId, StepId

if TYPE_CHECKING:
    pass

SAMPLES = 10
"""Ids that a cohort names."""

MAX_SKIPPED_NAMED = 100
"""Invocations that could not be checked and are named; all of them are counted."""


class Verdict(enum.Enum):
    """What became of a replay on other code."""

    SAME = "same"
    """It goes through all that is recorded, and comes to the recorded end if there is one. It may do more after that."""
    DIVERGES = "diverges"
    """It does something other than what was recorded: moved there, the invocation would be paused."""
    RAISES = "raises"
    """The handler raises where nothing of the kind is recorded, or a value no longer fits its type."""
    ENDS_OTHERWISE = "ends_otherwise"
    """It goes through all that is recorded, and comes to another end."""


class OperationStatus(enum.Enum):
    """What became of one recorded operation."""

    KEPT = "kept"
    CHANGED = "changed"
    NEW = "new"


@attrs.frozen(kw_only=True)
class OperationCheck:
    """One thing that the handler asked for: as it is ``recorded`` (empty if new), and as the other code asks (``attempted``).

    ``differences`` say what has changed without making it another operation: a new name under its alias, or arguments that are not
    values and therefore are not compared.
    """

    fate: OperationStatus
    step: StepId
    recorded: str
    attempted: str
    differences: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class FieldDifference:
    """A field, or an item of one, that the two codes leave differently at the same place."""

    field: str
    recorded: Any
    attempted: Any


@attrs.frozen(kw_only=True)
class Divergence:
    """Where the code first does something else: after ``position`` kept operations; both in words, with their source lines.
    ``step`` is the path of the recorded operation; empty for what has none."""

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

    ``outcome`` is the end that the code comes to, ``recorded_outcome`` the one that there was. ``failure`` is what it raises.
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
        """Whether the invocation can be moved to this code, and goes on as if it had always been there."""
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
    """Invocations of which the code makes the same. ``example`` is the report of the first, ``samples`` are some of their ids."""

    summary: str
    verdict: Verdict
    count: int
    samples: tuple[InvocationId, ...]
    example: CheckReport


@attrs.frozen(kw_only=True)
class CheckSummary:
    """Many invocations, replayed on other code, the largest cohort first. ``skipped_count`` could not be checked; ``skipped``
    names the first of them, and says why.

    It is over when ``checked`` and ``skipped_count`` come to ``wanted``. ``is_complete``: no more than these fitted.
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
        """Whether all that match can be moved to this code; False if only some of them were replayed."""
        return (
            self.is_complete
            and not self.skipped_count
            and all(cohort.verdict is Verdict.SAME for cohort in self.cohorts)
        )


def refuse_incompatible(report: CheckReport) -> None:
    """Raise :class:`actors.IncompatibleError` unless the code gets through all that is recorded."""
    if not report.is_compatible:
        advice = "'playhead invocations check' shows more, and actors.patched() lets old ones go the old way"
        raise refusal_of(report, advice)


def refusal_of(report: CheckReport, advice: str, of: InvocationId | None = None) -> IncompatibleError:
    """The error for a report that is not the same. ``of`` is the restart's original, if the report is of what it keeps."""
    at = report.divergence
    what = f"{report.invocation_id} cannot go on" if of is None else f"the kept part of {of} cannot be repeated"
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
    """A cohort that grows: the first report, some ids, and how many they are."""

    example: CheckReport
    samples: list[InvocationId]
    count: int = 0


@attrs.define(eq=False)
class CheckTally:
    """Puts reports into cohorts as they come: the same verdict at the same place. It keeps one report of each, so that there may be
    very many of them."""

    deployment: str
    wanted: int
    is_complete: bool
    _cohorts: dict[tuple[object, ...], _Alike] = attrs.field(factory=dict)
    _skipped: list[tuple[InvocationId, str]] = attrs.field(factory=list)
    _skipped_count: int = 0

    def add(self, report: CheckReport) -> None:
        """One more was replayed."""
        alike = self._cohorts.setdefault(_cohort_of(report), _Alike(report, []))
        alike.count += 1
        if len(alike.samples) < SAMPLES:
            alike.samples.append(report.invocation_id)

    def skip(self, of: InvocationId, why: str) -> None:
        """One more could not be."""
        self._skipped_count += 1
        if len(self._skipped) < MAX_SKIPPED_NAMED:
            self._skipped.append((of, why))

    def summary(self) -> CheckSummary:
        """As far as it has come."""
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
