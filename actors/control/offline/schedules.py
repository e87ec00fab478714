"""Schedules of a data directory at rest, as of the last stop and read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.control.offline.reader import OfflineReader
from actors.query.schedules import schedule_info, schedule_infos

if TYPE_CHECKING:
    from actors.core.schedules import ScheduleChange, TriggeredRun
    from actors.model.schedule_info import ScheduleInfo
    from actors.model.schedule_options import BackfillOptions, ScheduleOptions


class OfflineSchedules(OfflineReader):
    """Reads schedules."""

    async def list_schedules(self) -> tuple[ScheduleInfo, ...]:
        return await schedule_infos(self.snapshot)

    async def schedule_info(self, name: str, count: int) -> ScheduleInfo:
        await trio.lowlevel.checkpoint()
        return schedule_info(self.snapshot, name, shown=count)

    async def create_schedule(self, name: str, options: ScheduleOptions) -> ScheduleChange:
        self.refuse("creating a schedule")

    async def replace_schedule(self, name: str, options: ScheduleOptions, if_revision: int | None) -> ScheduleChange:
        self.refuse("changing a schedule")

    async def pause_schedule(self, name: str, reason: str) -> ScheduleChange:
        self.refuse("pausing a schedule")

    async def resume_schedule(self, name: str, reason: str) -> ScheduleChange:
        self.refuse("resuming a schedule")

    async def trigger_schedule(self, name: str, reason: str) -> TriggeredRun:
        self.refuse("a run of a schedule")

    async def backfill_schedule(self, name: str, options: BackfillOptions) -> int:
        self.refuse("runs of a schedule")

    async def delete_schedule(self, name: str, reason: str) -> ScheduleChange:
        self.refuse("deleting a schedule")
