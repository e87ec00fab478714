"""Schedules of a server, over a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from actors.core.schedules import ScheduleChange, TriggeredRun
from actors.http.client.connection import Connection, path_of
from actors.http.models import PlannedModel, ScheduleList
from actors.model.schedule_info import ScheduleInfo

if TYPE_CHECKING:
    from actors.model.schedule_options import BackfillOptions, ScheduleOptions


M = TypeVar("M")


class RemoteSchedules:
    """Controls and shows schedules."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create_schedule(self, name: str, options: ScheduleOptions) -> ScheduleChange:
        info = await self._connection.post("/schedules", ScheduleInfo, {"name": name, **_body(options)})
        return ScheduleChange(changed=True, revision=info.revision)

    async def replace_schedule(self, name: str, options: ScheduleOptions, if_revision: int | None) -> ScheduleChange:
        return await self._patch(name, "replace", ScheduleChange, {"if_revision": if_revision, **_body(options)})

    async def list_schedules(self) -> tuple[ScheduleInfo, ...]:
        return tuple((await self._connection.get("/schedules", ScheduleList)).schedules)

    async def schedule_info(self, name: str, count: int) -> ScheduleInfo:
        return await self._connection.get(path_of("schedules", name), ScheduleInfo, count=count)

    async def pause_schedule(self, name: str, reason: str) -> ScheduleChange:
        return await self._patch(name, "pause", ScheduleChange, {"reason": reason})

    async def resume_schedule(self, name: str, reason: str) -> ScheduleChange:
        return await self._patch(name, "resume", ScheduleChange, {"reason": reason})

    async def trigger_schedule(self, name: str, reason: str) -> TriggeredRun:
        return await self._patch(name, "trigger", TriggeredRun, {"reason": reason})

    async def backfill_schedule(self, name: str, options: BackfillOptions) -> int:
        return (await self._patch(name, "backfill", PlannedModel, _body(options))).runs

    async def delete_schedule(self, name: str, reason: str) -> ScheduleChange:
        return await self._patch(name, "delete", ScheduleChange, {"reason": reason})

    async def _patch(self, name: str, verb: str, kind: type[M], body: dict[str, Any]) -> M:
        return await self._connection.patch(path_of("schedules", name, verb), kind, body)


def _body(options: ScheduleOptions | BackfillOptions) -> dict[str, Any]:
    return attrs.asdict(options, recurse=False)
