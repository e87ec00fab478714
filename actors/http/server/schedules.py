"""Schedules: create, list, show, change, trigger, delete."""

from __future__ import annotations

from actors.control.schedules import ScheduleHandle
from actors.core.schedules import ScheduleChange, TriggeredRun
from actors.http.models import PlannedModel, ScheduleList
from actors.http.requests import CreateScheduleBody, ReasonBody, ReplaceScheduleBody, ScheduleQuery
from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.model.schedule_info import ScheduleInfo
from actors.model.schedule_options import BackfillOptions


async def list_schedules(exchange: Exchange) -> ScheduleList:
    """List all schedules, by name."""
    return ScheduleList(schedules=list(await exchange.client.schedules.list()))


async def create_schedule(exchange: Exchange, body: CreateScheduleBody) -> ScheduleInfo:
    """Create a schedule; returns once it is durable. The same request again changes nothing."""
    return await (await exchange.client.schedules.create_with(body.name, body)).info()


async def get_schedule(exchange: Exchange, query: ScheduleQuery) -> ScheduleInfo:
    """Show a schedule with its next times and its runs."""
    return await _named(exchange).info(count=query.count)


async def replace_schedule(exchange: Exchange, body: ReplaceScheduleBody) -> ScheduleChange:
    """Replace the options of a schedule. Open runs continue."""
    return await _named(exchange).replace(body, if_revision=body.if_revision)


async def pause_schedule(exchange: Exchange, body: ReasonBody) -> ScheduleChange:
    """Start no run until the schedule is resumed. Open runs continue."""
    return await _named(exchange).pause(reason=body.reason)


async def resume_schedule(exchange: Exchange, body: ReasonBody) -> ScheduleChange:
    """Start runs again, from the next nominal time on."""
    return await _named(exchange).resume(reason=body.reason)


async def trigger_schedule(exchange: Exchange, body: ReasonBody) -> TriggeredRun:
    """Start a run now. If an earlier one is open, the overlap policy applies."""
    return await _named(exchange).trigger(reason=body.reason)


async def backfill_schedule(exchange: Exchange, body: BackfillOptions) -> PlannedModel:
    """Plan a run for each nominal time of a past range, both ends included."""
    return PlannedModel(runs=await _named(exchange).backfill(body.start, body.end, reason=body.reason))


async def delete_schedule(exchange: Exchange, body: ReasonBody) -> ScheduleChange:
    """Delete a schedule. Open runs continue; waiting runs are dropped."""
    return await _named(exchange).delete(reason=body.reason)


def _named(exchange: Exchange) -> ScheduleHandle:
    return exchange.client.schedules.schedule(exchange.path["schedule"])


_ONE = "/schedules/{schedule}"

# A schedule runs its target for years without a person, so it needs the same scope as a change of the served code.
ROUTES = (
    Route("GET", "/schedules", TokenScope.READ, list_schedules),
    Route("POST", "/schedules", TokenScope.ADMIN, create_schedule, status=201, holds_values=True),
    Route("GET", _ONE, TokenScope.READ, get_schedule),
    Route("PATCH", _ONE + "/replace", TokenScope.ADMIN, replace_schedule, holds_values=True),
    Route("PATCH", _ONE + "/pause", TokenScope.CONTROL, pause_schedule),
    Route("PATCH", _ONE + "/resume", TokenScope.CONTROL, resume_schedule),
    Route("PATCH", _ONE + "/trigger", TokenScope.CONTROL, trigger_schedule),
    Route("PATCH", _ONE + "/backfill", TokenScope.CONTROL, backfill_schedule),
    Route("PATCH", _ONE + "/delete", TokenScope.ADMIN, delete_schedule),
)
