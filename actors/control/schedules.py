"""The client for schedules: a handler that is called at the times of a cron line, or at an interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core.schedules import MissedPolicy, OverlapPolicy
from actors.errors import InvalidArgumentError
from actors.model.schedule_options import BackfillOptions, ScheduleOptions, checked_schedule_name
from actors.values.arguments import checked_count, checked_text, count_or_none
from journal.events import Target

if TYPE_CHECKING:
    from actors.control.backend import Backend
    from actors.core.schedules import ScheduleChange, TriggeredRun
    from actors.model.schedule_info import ScheduleInfo
    from actors.values.arguments import Instant, Seconds

MAX_NEXT = 1_000
"""The most nominal times that are shown at a time."""


class ScheduleClient:
    """The schedules of a runtime: each starts invocations of one handler, at the times of a cron line or at an interval.

    A schedule is durable. Each nominal time is decided on exactly once, even after a crash: it starts a run, or counts as missed or skipped.
    Each run is an ordinary invocation.

    ::

        nightly = await client.schedules.create("nightly", "Report/run", cron="30 2 * * *", zone="Europe/Berlin")
        print((await nightly.info()).next)
        await nightly.pause(reason="the warehouse is down")
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def create(
        self,
        name: str,
        target: str | Target,
        argument: Any = None,
        *,
        cron: str = "",
        every: Seconds | None = None,
        anchor: Instant | None = None,
        zone: str = "UTC",
        start_at: Instant | None = None,
        end_at: Instant | None = None,
        time_parameter: str = "",
        missed: str | MissedPolicy = MissedPolicy.ONE,
        missed_limit: int = 100,
        overlap: str | OverlapPolicy = OverlapPolicy.SKIP,
        note: str = "",
        reason: str = "",
    ) -> ScheduleHandle:
        """Create a schedule that calls ``target`` with a plain JSON ``argument``, or with none; durable on return.

        ``cron`` has five fields (minute, hour, day of the month, month, day of the week), read in ``zone``; or ``every`` is an
        interval, counted in elapsed time from ``anchor``, by default now. ``time_parameter`` names the handler's parameter that gets
        the nominal time: a ``datetime`` in the zone, a ``date``, text, or seconds, as the handler declares it; ``argument`` is then an
        object of the others.

        ``missed`` is what happens to nominal times that passed while no process ran: ``skip``, ``one`` run for the last of them, or
        ``all``, the last ``missed_limit``, one after the other. ``overlap`` is what happens at a nominal time while an earlier run is
        open: ``skip``, ``queue``, ``allow`` or ``cancel_previous``.

        The same call again changes nothing, even after ``end_at`` or a change of the handler's signature, so a program may create its
        schedules at each start. Raises :class:`actors.InvalidArgumentError`, :class:`actors.NotFoundError`,
        :class:`actors.ConflictError` if the name is taken, and :class:`actors.LimitExceededError`.
        """
        handle = self.schedule(name)
        options = ScheduleOptions(
            target=str(target) if isinstance(target, Target) else target,
            argument=argument,
            cron=cron,
            every=every,
            anchor=anchor,
            zone=zone,
            start_at=start_at,
            end_at=end_at,
            time_parameter=time_parameter,
            missed=missed,
            missed_limit=missed_limit,
            overlap=overlap,
            note=note,
            reason=reason,
        )
        await self._backend.create_schedule(handle.name, options)
        return handle

    async def create_with(self, name: str, options: ScheduleOptions) -> ScheduleHandle:
        """Create a schedule with these options; see :meth:`create`."""
        handle = self.schedule(name)
        await self._backend.create_schedule(handle.name, options)
        return handle

    async def list(self) -> tuple[ScheduleInfo, ...]:
        """Return all schedules, by name."""
        return await self._backend.list_schedules()

    def schedule(self, name: str) -> ScheduleHandle:
        """Return a handle to the schedule with this name."""
        return ScheduleHandle(self._backend, checked_schedule_name(name))


class ScheduleHandle:
    """One schedule.

    ::

        nightly = client.schedules.schedule("nightly")
        print(await nightly.next(3))
        await nightly.update(cron="0 3 * * *")
        run = await nightly.trigger()
        print(await client.invocation(run.invocation_id).result())
    """

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend = backend
        self.name = name

    def __repr__(self) -> str:
        return f"<ScheduleHandle {self.name}>"

    async def info(self, *, count: int = 5) -> ScheduleInfo:
        """Return the schedule with its next ``count`` times and its runs. Raises ``NotFoundError``."""
        return await self._backend.schedule_info(self.name, checked_count(count, "count", at_most=MAX_NEXT))

    async def next(self, count: int = 10) -> tuple[float, ...]:
        """Return the next nominal times, in wall seconds. Raises ``NotFoundError``."""
        return (await self.info(count=count)).next

    async def pause(self, *, reason: str = "") -> ScheduleChange:
        """Start no run until :meth:`resume`. Open runs continue; nominal times during the pause are not counted as missed."""
        return await self._backend.pause_schedule(self.name, checked_text(reason, "reason"))

    async def resume(self, *, reason: str = "") -> ScheduleChange:
        """Start runs again, from the next nominal time on."""
        return await self._backend.resume_schedule(self.name, checked_text(reason, "reason"))

    async def trigger(self, *, reason: str = "") -> TriggeredRun:
        """Start a run now. If an earlier one is open, the overlap policy applies; ``skip`` raises ``ConflictError``."""
        return await self._backend.trigger_schedule(self.name, checked_text(reason, "reason"))

    async def backfill(self, start: Instant, end: Instant, *, reason: str = "") -> int:
        """Plan a run for each nominal time of a past range, both ends included, and return their number. A date alone is its midnight.

        They run one after the other, or together if the overlap policy is ``allow``. Raises :class:`actors.LimitExceededError` for
        more than a thousand.
        """
        return await self._backend.backfill_schedule(self.name, BackfillOptions(start=start, end=end, reason=reason))

    async def update(self, *, reason: str = "", **changes: Any) -> ScheduleChange:
        """Change options of :meth:`ScheduleClient.create`; the others stay the same. ``None`` removes an option such as ``end_at``.

        Raises :class:`actors.ConflictError` if the schedule is changed by another client meanwhile.
        """
        info = await self.info()
        options = changed_options(info, changes, reason)
        return await self._backend.replace_schedule(self.name, options, info.revision)

    async def replace(self, options: ScheduleOptions, *, if_revision: int | None = None) -> ScheduleChange:
        """Replace all options, if the schedule still has this revision."""
        revision = count_or_none(if_revision, "if_revision")
        return await self._backend.replace_schedule(self.name, options, revision)

    async def delete(self, *, reason: str = "") -> ScheduleChange:
        """Delete the schedule. Open runs continue; waiting runs are dropped."""
        return await self._backend.delete_schedule(self.name, checked_text(reason, "reason"))


def changed_options(info: ScheduleInfo, changes: dict[str, Any], reason: str) -> ScheduleOptions:
    """Return the options of a schedule with changes. An interval takes the place of a cron line, and the reverse."""
    known = attrs.fields_dict(ScheduleOptions)
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise InvalidArgumentError(
            f"a schedule has no option {unknown[0]!r}; it has {', '.join(known)}", path=unknown[0]
        )
    options = {name: getattr(info, name) for name in known if hasattr(info, name)}
    options["target"] = str(info.target)
    if changes.get("cron"):
        options.update(every=None, anchor=None)
    if changes.get("every") is not None:
        options.update(cron="")
    dropped = {name: known[name].default for name, value in changes.items() if value is None and name in known}
    return ScheduleOptions(**{**options, **changes, **dropped, "reason": reason})
