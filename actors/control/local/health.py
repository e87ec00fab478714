"""The health of a runtime, which is computed without reading from the disk."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actors.engine.engine import Engine


class HealthStatus(enum.Enum):
    """``ok``; ``degraded``: a problem that may pass, or needs a person; ``failing``: the process must be restarted."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILING = "failing"


@attrs.frozen(kw_only=True)
class HealthReason:
    """A problem, with a code for programs and a text for people. ``stops_work`` says that the problem keeps the runtime
    from accepting new work.
    """

    code: str
    message: str
    stops_work: bool = True


@attrs.frozen(kw_only=True)
class Health:
    """The health of a runtime. ``takes_work`` says whether it accepts new work."""

    status: HealthStatus = HealthStatus.OK
    takes_work: bool = True
    reasons: tuple[HealthReason, ...] = ()


def health_of(engine: Engine, others: Iterable[HealthReason] = ()) -> Health:
    """Return the current health. ``others`` are reasons from outside the engine."""
    troubles = engine.journal.troubles()
    reasons = [
        HealthReason(code=trouble.kind.value, message=trouble.text, stops_work=trouble.stops_work)
        for trouble in troubles
    ]
    if not reasons and not engine.has_all_partitions:
        reasons.append(HealthReason(code="store-opening", message="the store is being reopened; try again later"))
    reasons += _of_set_aside(engine.set_aside)
    reasons += others
    if any(trouble.is_final for trouble in troubles):
        status = HealthStatus.FAILING
    else:
        status = HealthStatus.DEGRADED if reasons else HealthStatus.OK
    takes_work = not any(reason.stops_work for reason in reasons)
    return Health(status=status, takes_work=takes_work, reasons=tuple(reasons))


def _of_set_aside(names: Sequence[str]) -> Iterable[HealthReason]:
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield HealthReason(
            code="objects-set-aside",
            message=f"the engine failed on {names[0]}{more}: they stay stopped until the next start. The audit log has the reason",
            stops_work=False,
        )
