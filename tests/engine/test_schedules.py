"""Schedules: each nominal time is decided on once, and what became of it is told."""

from __future__ import annotations

import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import actors
from actors import (
    Actor,
    ConflictError,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    Service,
    UnavailableError,
    Workflow,
    handler,
)
from actors.core.schedules import LATE_SECONDS, MAX_BACKFILL, OverlapPolicy, RunCause
from actors.model.schedule_info import ScheduleState
from actors.query.fsck.doctor import examine
from actors.system import schedule as system_schedule
from tests.lab import WORLD, Lab, quiet
from tests.raising import raises
from tests.virtual import EPOCH, on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors import Client
    from actors.types import ScheduleHandle, ScheduleInfo

pytestmark = on_virtual_time

HOUR, DAY = 3600.0, 86_400.0


class Report(Service):
    @handler
    async def run(self) -> str:
        WORLD.note(actors.current_time())
        return "done"

    @handler
    async def of(self, day: datetime.datetime, region: str = "eu") -> str:
        WORLD.note((day.isoformat(), region))
        return region

    @handler
    async def on(self, day: datetime.date) -> None:
        WORLD.note(day.isoformat())

    @handler
    async def at(self, seconds: float) -> None:
        WORLD.note(seconds)

    @handler
    async def text(self, when: str) -> None:
        WORLD.note(when)

    @handler
    async def wait(self) -> str:
        WORLD.note(actors.current_time())
        return await actors.signal("go", str)

    @handler
    async def fail(self) -> None:
        raise actors.TerminalError("no paper")

    @handler
    async def number(self, count: int) -> None: ...


class Once(Workflow):
    @handler
    async def run(self) -> None: ...


class Tally(Actor):
    count: int = 0

    @handler
    async def add(self, by: int = 1) -> int:
        self.count += by
        return self.count


def lab(**options: Any) -> Lab:
    return Lab(Report, Once, Tally, **options)


async def runs_of(schedule: ScheduleHandle) -> ScheduleInfo:
    await quiet()
    return await schedule.info()


async def release(client: Client, info: ScheduleInfo) -> None:
    """Let the oldest open run end."""
    await client.invocation(info.open[0].invocation_id).signal("go", "on")
    await quiet()


# Runs.


async def test_each_run_is_an_ordinary_invocation_at_its_nominal_time() -> None:
    async with lab().running() as runtime:
        client = runtime.client
        schedule = await client.schedules.create("hourly", "Report/run", cron="0 * * * *")
        await trio.sleep(3 * HOUR + 1)
        info = await runs_of(schedule)
        assert WORLD.entries == [EPOCH + HOUR, EPOCH + 2 * HOUR, EPOCH + 3 * HOUR]
        assert [run.nominal for run in info.recent] == [EPOCH + 3 * HOUR, EPOCH + 2 * HOUR, EPOCH + HOUR]
        assert {run.outcome for run in info.recent} == {"succeeded"}
        assert await client.invocation(info.recent[0].invocation_id).result() == "done"
        found = await client.invocations()
        assert {one.target.service for one in found} == {"Report"}
        assert [one.tags for one in found] == [{"schedule": "hourly"}] * 3
        assert info.next[0] == EPOCH + 4 * HOUR
        assert info.state is ScheduleState.ACTIVE


@pytest.mark.parametrize(
    ("target", "parameter", "argument", "expected"),
    [
        ("Report/of", "day", {"region": "us"}, ("2027-01-16T02:30:00+01:00", "us")),
        ("Report/of", "day", None, ("2027-01-16T02:30:00+01:00", "eu")),
        ("Report/on", "day", None, "2027-01-16"),
        ("Report/at", "seconds", None, 1_800_063_000.0),
        ("Report/text", "when", None, "2027-01-16T02:30:00+01:00"),
    ],
)
async def test_a_parameter_gets_the_nominal_time_as_its_handler_declares_it(
    target: str, parameter: str, argument: Any, expected: Any
) -> None:
    async with lab().running() as runtime:
        await runtime.client.schedules.create(
            "nightly", target, argument, cron="30 2 * * *", zone="Europe/Berlin", time_parameter=parameter
        )
        await trio.sleep(DAY)
        assert WORLD.entries == [expected]


async def test_a_failed_run_is_told_with_its_error_and_the_next_one_comes() -> None:
    async with lab().running() as runtime:
        schedule = await runtime.client.schedules.create("often", "Report/fail", every=60)
        await trio.sleep(121)
        info = await runs_of(schedule)
        assert [run.outcome for run in info.recent] == ["failed", "failed"]
        assert "no paper" in info.recent[0].failure
        assert info.counts.failed == 2


async def test_an_actor_is_scheduled_by_its_key() -> None:
    async with lab().running() as runtime:
        await runtime.client.schedules.create("count", "Tally/a%2Fb/add", 5, every=datetime.timedelta(minutes=1))
        await trio.sleep(181)
        assert await runtime.client.actor(Tally, "a/b").add(0) == 15


async def test_a_schedule_ends_with_its_end() -> None:
    async with lab().running() as runtime:
        schedule = await runtime.client.schedules.create(
            "three", "Report/run", every=60, start_at=EPOCH + 100, end_at=EPOCH + 240
        )
        await trio.sleep(HOUR)
        info = await runs_of(schedule)
        assert WORLD.entries == [EPOCH + 120, EPOCH + 180, EPOCH + 240]
        assert info.state is ScheduleState.ENDED


def over_long_time(test: Callable[[], Awaitable[None]]) -> None:
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_year_of_nights_has_a_run_each_also_when_clocks_change() -> None:
    async def year() -> None:
        async with lab(retention=HOUR).running() as runtime:
            schedule = await runtime.client.schedules.create(
                "nightly", "Report/of", cron="30 2 * * *", zone="Europe/Berlin", time_parameter="day"
            )
            await trio.sleep(366 * DAY)
            counts = (await runs_of(schedule)).counts
            assert (counts.started, counts.succeeded, counts.missed, counts.skipped) == (366, 366, 0, 0)

    over_long_time(year)
    days = [datetime.datetime.fromisoformat(day) for day, _ in WORLD.entries]
    assert [later.date() - earlier.date() for earlier, later in pairwise(days)] == [datetime.timedelta(days=1)] * 365
    assert [day.hour for day in days if (day.hour, day.minute) != (2, 30)] == [3]


# Missed times.


@pytest.mark.parametrize(("missed", "ran", "lost"), [("skip", [], 4), ("one", [4], 3), ("all", [1, 2, 3, 4], 0)])
async def test_times_that_passed_in_a_stop_are_run_as_the_policy_says(missed: str, ran: list[int], lost: int) -> None:
    stopped = lab()
    async with stopped.running() as runtime:
        await runtime.client.schedules.create(
            "hourly", "Report/at", cron="0 * * * *", missed=missed, time_parameter="seconds"
        )
    await trio.sleep(4.5 * HOUR)
    async with stopped.running() as runtime:
        schedule = runtime.client.schedules.schedule("hourly")
        await trio.sleep(1)
        info = await runs_of(schedule)
        assert WORLD.entries == [EPOCH + number * HOUR for number in ran]
        assert {run.cause for run in info.recent} <= {RunCause.MISSED}
        assert info.counts.missed == lost
        await trio.sleep(HOUR)
        assert WORLD.entries[len(ran) :] == [EPOCH + 5 * HOUR]


async def test_a_time_that_is_not_late_yet_is_not_missed() -> None:
    stopped = lab()
    async with stopped.running() as runtime:
        await runtime.client.schedules.create("hourly", "Report/run", cron="0 * * * *", missed="skip")
    await trio.sleep(HOUR + LATE_SECONDS - 1)
    async with stopped.running() as runtime:
        await trio.sleep(1)
        assert len(WORLD.entries) == 1
        assert (await runtime.client.schedules.schedule("hourly").info()).counts.missed == 0


async def test_all_missed_runs_have_a_limit_and_the_others_are_counted() -> None:
    stopped = lab()
    async with stopped.running() as runtime:
        await runtime.client.schedules.create(
            "often", "Report/at", every=60, missed="all", missed_limit=5, time_parameter="seconds"
        )
    await trio.sleep(3_000 * 60 + 30)  # more than one turn looks at
    async with stopped.running() as runtime:
        await trio.sleep(1)
        info = await runs_of(runtime.client.schedules.schedule("often"))
        assert WORLD.entries == [EPOCH + number * 60 for number in range(2_995, 3_001)]
        assert info.counts.missed == 2_994
        assert (info.counts.started, info.waiting) == (6, 0)


# Clock jumps.


async def test_a_clock_that_is_set_back_repeats_no_time() -> None:
    own = lab()
    async with own.running() as runtime:
        schedule = await runtime.client.schedules.create(
            "hourly", "Report/at", cron="0 * * * *", time_parameter="seconds"
        )
        await trio.sleep(2 * HOUR + 60)
        own.clock.shift(-1.5 * HOUR)
        await trio.sleep(3 * HOUR)
        assert WORLD.entries == [EPOCH + HOUR, EPOCH + 2 * HOUR, EPOCH + 3 * HOUR]
        assert (await schedule.info()).counts.missed == 0


async def test_a_clock_that_is_set_forward_loses_no_time_silently() -> None:
    own = lab()
    async with own.running() as runtime:
        schedule = await runtime.client.schedules.create(
            "hourly", "Report/at", cron="0 * * * *", time_parameter="seconds"
        )
        await trio.sleep(60)
        own.clock.shift(5 * HOUR)
        await trio.sleep(2 * HOUR)
        counts = (await runs_of(schedule)).counts
        assert counts.started + counts.missed == 7
        assert sorted(WORLD.entries) == sorted({*WORLD.entries})


# Overlap.


async def test_skip_starts_no_run_beside_an_open_one() -> None:
    async with lab().running() as runtime:
        schedule = await runtime.client.schedules.create("often", "Report/wait", every=60)
        await trio.sleep(301)
        info = await runs_of(schedule)
        assert (len(info.open), info.counts.started, info.counts.skipped) == (1, 1, 4)
        await release(runtime.client, info)
        await trio.sleep(60)
        assert (await runs_of(schedule)).counts.started == 2


async def test_queue_starts_each_run_after_the_one_before() -> None:
    async with lab().running() as runtime:
        schedule = await runtime.client.schedules.create("often", "Report/wait", every=60, overlap="queue")
        await trio.sleep(181)
        for waiting in (2, 1, 0):
            info = await runs_of(schedule)
            assert (len(info.open), info.waiting) == (1, waiting)
            await release(runtime.client, info)
        info = await runs_of(schedule)
        assert [run.nominal - EPOCH for run in info.recent] == [180, 120, 60]


async def test_allow_starts_runs_side_by_side_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_schedule, "MAX_OPEN_RUNS", 3)
    async with lab().running() as runtime:
        schedule = await runtime.client.schedules.create("often", "Report/wait", every=60, overlap="allow")
        await trio.sleep(301)
        info = await runs_of(schedule)
        assert (len(info.open), info.counts.skipped) == (3, 2)


async def test_cancel_previous_stops_the_run_before_and_then_starts() -> None:
    async with lab().running() as runtime:
        schedule = await runtime.client.schedules.create(
            "often", "Report/wait", every=60, overlap=OverlapPolicy.CANCEL_PREVIOUS
        )
        await trio.sleep(181)
        info = await runs_of(schedule)
        assert [run.outcome for run in info.recent] == ["cancelled", "cancelled"]
        assert [run.nominal - EPOCH for run in info.open] == [180]
        assert info.waiting == 0


# Verbs.


async def test_a_paused_schedule_starts_nothing_and_goes_on_from_the_next_time() -> None:
    async with lab().running() as runtime:
        schedule = await runtime.client.schedules.create("hourly", "Report/run", cron="0 * * * *")
        assert (await schedule.pause(reason="audit")).changed
        assert not (await schedule.pause(reason="again")).changed
        await trio.sleep(3.5 * HOUR)
        info = await schedule.info()
        assert (info.state, info.pause_reason, info.paused_by) == (ScheduleState.PAUSED, "audit", info.created_by)
        assert WORLD.entries == []
        assert (await schedule.resume()).changed
        assert not (await schedule.resume()).changed
        await trio.sleep(HOUR)
        assert WORLD.entries == [EPOCH + 4 * HOUR]


async def test_a_trigger_runs_now_also_while_the_schedule_is_paused() -> None:
    async with lab().running() as runtime:
        schedule = await runtime.client.schedules.create("hourly", "Report/run", cron="0 * * * *")
        await schedule.pause()
        run = await schedule.trigger(reason="now")
        assert await runtime.client.invocation(run.invocation_id).result() == "done"
        assert WORLD.entries == [EPOCH]


async def test_a_trigger_beside_an_open_run_obeys_the_overlap_policy() -> None:
    async with lab().running() as runtime:
        skipping = await runtime.client.schedules.create("skip", "Report/wait", every=HOUR)
        await skipping.trigger()
        with raises(ConflictError, code="still_open"):
            await skipping.trigger()
        queueing = await runtime.client.schedules.create("queue", "Report/wait", every=HOUR, overlap="queue")
        assert not (await queueing.trigger()).waits
        second = await queueing.trigger()
        assert second.waits
        await release(runtime.client, await queueing.info())
        assert [run.invocation_id for run in (await queueing.info()).open] == [second.invocation_id]


async def test_a_backfill_runs_each_time_of_the_range_in_order() -> None:
    async with lab().running() as runtime:
        schedule = await runtime.client.schedules.create(
            "hourly", "Report/at", cron="0 * * * *", time_parameter="seconds"
        )
        assert await schedule.backfill(EPOCH - 3 * HOUR, EPOCH) == 4
        await quiet()
        assert WORLD.entries == [EPOCH - 3 * HOUR, EPOCH - 2 * HOUR, EPOCH - HOUR, EPOCH]
        assert {run.cause for run in (await schedule.info()).recent} == {RunCause.BACKFILL}


async def test_a_backfill_has_a_limit_and_a_range_in_the_past() -> None:
    async with lab().running() as runtime:
        schedule = await runtime.client.schedules.create("often", "Report/run", every=60)
        with raises(LimitExceededError, limit="backfill_runs"):
            await schedule.backfill(EPOCH - 60 * (MAX_BACKFILL + 1), EPOCH)
        with raises(InvalidArgumentError, path="end"):
            await schedule.backfill(EPOCH, EPOCH + DAY)
        with raises(InvalidArgumentError, path="end"):
            await schedule.backfill(EPOCH, EPOCH - DAY)
        with raises(InvalidArgumentError, path="start"):
            await schedule.backfill(EPOCH - 10, EPOCH - 5)


async def test_an_update_changes_what_is_given_and_nothing_else() -> None:
    async with lab().running() as runtime:
        schedule = await runtime.client.schedules.create(
            "nightly",
            "Report/of",
            {"region": "us"},
            cron="30 2 * * *",
            zone="Europe/Berlin",
            time_parameter="day",
            note="n",
        )
        assert (await schedule.update(cron="0 3 * * *")).changed
        assert not (await schedule.update(cron="0 3 * * *")).changed
        info = await schedule.info()
        assert (info.cron, info.zone, info.note, info.argument) == ("0 3 * * *", "Europe/Berlin", "n", {"region": "us"})
        await schedule.update(every=HOUR, end_at=EPOCH + DAY)
        await trio.sleep(60)
        await schedule.update(end_at=None, note="m")
        info = await schedule.info()
        assert (info.cron, info.every, info.anchor, info.end_at) == ("", HOUR, EPOCH, None)
        with raises(ConflictError, code="version_conflict"):
            await runtime.client._backend.replace_schedule("nightly", _options(info), info.revision - 1)
        with raises(InvalidArgumentError, path="colour"):
            await schedule.update(colour="red")


def _options(info: ScheduleInfo) -> Any:
    from actors.control.schedules import changed_options

    return changed_options(info, {"note": "other"}, "")


async def test_a_schedule_that_is_created_again_is_the_same_or_refused() -> None:
    async with lab().running() as runtime:
        schedules = runtime.client.schedules
        await schedules.create("hourly", "Report/run", every=HOUR)
        await trio.sleep(60)
        await schedules.create("hourly", "Report/run", every=HOUR)
        assert (await schedules.schedule("hourly").info()).revision == 1
        with raises(ConflictError, code="already_exists"):
            await schedules.create("hourly", "Report/run", every=2 * HOUR)


async def test_a_deleted_schedule_is_gone_and_its_name_is_free() -> None:
    async with lab().running() as runtime:
        schedules = runtime.client.schedules
        schedule = await schedules.create("often", "Report/wait", every=60, overlap="queue")
        await trio.sleep(181)
        open_run = (await schedule.info()).open[0].invocation_id
        await schedule.delete(reason="done with")
        assert await schedules.list() == ()
        with raises(NotFoundError, kind="schedule"):
            await schedule.info()
        with raises(NotFoundError, kind="schedule"):
            await schedule.trigger()
        await runtime.client.invocation(open_run).signal("go", "on")
        assert await runtime.client.invocation(open_run).result() == "on"
        again = await schedules.create("often", "Report/run", every=60)
        WORLD.clear()
        await trio.sleep(61)
        assert len(WORLD.entries) == 1
        assert (await runs_of(again)).counts.started == 1


async def test_each_verb_has_an_entry_in_the_audit_log() -> None:
    async with lab().running() as runtime:
        client = runtime.client.acting_as("user:ada", "here")
        schedule = await client.schedules.create("hourly", "Report/run", every=HOUR, reason="why not")
        await schedule.pause(reason="a")
        await schedule.resume()
        await schedule.trigger()
        await trio.sleep(2 * HOUR)
        await schedule.backfill(EPOCH, EPOCH + HOUR)
        await schedule.update(note="x")
        await schedule.delete()
        with raises(NotFoundError, kind="service"):
            await client.schedules.create("other", "Nothing/run", every=HOUR)
        entries = (await client.audit()).entries
        assert [entry.verb for entry in entries] == [
            "create-schedule",
            "delete-schedule",
            "update-schedule",
            "backfill-schedule",
            "trigger-schedule",
            "resume-schedule",
            "pause-schedule",
            "create-schedule",
        ]
        assert {entry.by for entry in entries} == {"user:ada"}
        assert entries[-1].reason == "why not"


# Bad input.


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({}, "cron"),
        ({"cron": "0 * * * *", "every": 60}, "cron"),
        ({"every": 0.5}, "every"),
        ({"every": -1}, "every"),
        ({"every": 1e10}, "every"),
        ({"cron": "0 * * * *", "zone": "Mars/Base"}, "zone"),
        ({"cron": "0 * * * *", "anchor": EPOCH}, "anchor"),
        ({"cron": "0 * * * *", "end_at": EPOCH - 1}, "end_at"),
        ({"every": 60, "missed": "some"}, "missed"),
        ({"every": 60, "missed_limit": 0}, "missed_limit"),
        ({"every": 60, "overlap": "maybe"}, "overlap"),
        ({"every": 60, "time_parameter": "when"}, "time_parameter"),
        ({"every": 60, "argument": 5}, "argument"),
        ({"every": 60, "start_at": datetime.datetime(2026, 1, 1)}, "start_at"),
    ],
)
async def test_a_wrong_option_is_refused_by_its_name(options: dict[str, Any], path: str) -> None:
    async with lab().running() as runtime:
        with raises(InvalidArgumentError, path=path):
            await runtime.client.schedules.create("x", "Report/run", **options)
        assert await runtime.client.schedules.list() == ()


@pytest.mark.parametrize(
    ("target", "argument", "options", "path"),
    [
        ("Report", None, {}, "target"),
        ("Once/a/run", None, {}, "target"),
        ("Report/number", "five", {}, "argument"),
        ("Report/number", None, {}, "argument"),
        ("Report/number", None, {"time_parameter": "count"}, "time_parameter"),
        ("Report/of", {"region": 5}, {"time_parameter": "day"}, "argument.region"),
        ("Report/of", {"day": "x"}, {"time_parameter": "day"}, "argument"),
        ("Report/of", ["x"], {"time_parameter": "day"}, "argument"),
    ],
)
async def test_the_argument_is_checked_against_the_handler_at_the_creation(
    target: str, argument: Any, options: dict[str, Any], path: str
) -> None:
    async with lab().running() as runtime:
        with raises(InvalidArgumentError, path=path):
            await runtime.client.schedules.create("x", target, argument, every=60, **options)


async def test_names_and_numbers_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.control.local.schedules.MAX_SCHEDULES", 2)
    async with lab().running() as runtime:
        schedules = runtime.client.schedules
        for name in ("", "a\nb", "\x1b[2J", "a\u202eb"):
            with raises(InvalidArgumentError, path="name"):
                await schedules.create(name, "Report/run", every=60)
        with pytest.raises(LimitExceededError):
            await schedules.create("n" * 300, "Report/run", every=60)
        first = await schedules.create("1", "Report/run", every=60)
        await schedules.create("2", "Report/run", every=60)
        with raises(LimitExceededError, limit="schedules", code="too_many"):
            await schedules.create("3", "Report/run", every=60)
        await first.delete()
        await schedules.create("3", "Report/run", every=60)
        assert [info.name for info in await schedules.list()] == ["2", "3"]


# Over years.


def test_a_schedule_of_years_does_not_fill_its_own_history() -> None:
    async def long() -> None:
        own = lab(retention=60.0)
        async with own.running() as runtime:
            await runtime.client.schedules.create("often", "Report/run", every=60)
            sizes: list[int] = []
            for _ in range(4):
                await trio.sleep(100 * 60)
                sizes.append(sum(len(key) + len(value) for key, value in own.store.contents()))
            assert max(sizes) <= 1.2 * sizes[0]
            assert len(await runtime.client.invocations(system=True)) <= 20
        assert examine(own.store, 1).findings == ()

    over_long_time(long)


async def test_a_zone_that_is_not_known_any_more_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = lab()
    async with stopped.running() as runtime:
        schedule = await runtime.client.schedules.create("hourly", "Report/run", cron="0 * * * *", zone="Europe/Berlin")

        def unknown(*_: Any) -> Any:
            raise InvalidArgumentError("no such zone", path="zone")

        with monkeypatch.context() as patched:
            patched.setattr("actors.model.timetable.zone_named", unknown)
            await trio.sleep(HOUR + 30)
            info = await schedule.info()
            assert (info.trouble, info.next, info.state) == ("no such zone", (), ScheduleState.ACTIVE)
        await trio.sleep(60)
        assert len(WORLD.entries) == 1
        assert (await schedule.info()).trouble == ""


async def test_a_directory_at_rest_shows_its_schedules_and_changes_none() -> None:
    from actors.control.client import Client as AnyClient
    from actors.control.offline.backend import OfflineBackend
    from actors.query.snapshot import JournalSnapshot

    stopped = lab()
    async with stopped.running() as runtime:
        schedule = await runtime.client.schedules.create("hourly", "Report/run", cron="0 * * * *")
        served = await schedule.info()
        environment = runtime.client._backend.environment
    snapshot = JournalSnapshot(view=stopped.store, partitions=1, now=stopped.clock.now())
    resting = AnyClient(OfflineBackend(snapshot, "here", environment))
    assert await resting.schedules.list() == (served,)
    with raises(UnavailableError, code="offline"):
        await resting.schedules.schedule("hourly").pause()


async def test_schedules_are_rows_in_sql() -> None:
    async with lab().running() as runtime:
        client = runtime.client
        asked = "SELECT name, state, handler, cron, next_at, last_outcome, open, succeeded, skipped FROM sys_schedule"
        assert (await client.query(asked)).rows == []
        await client.schedules.create("hourly", "Report/run", cron="0 * * * *")
        waits = await client.schedules.create("waits", "Report/wait", every=HOUR)
        await trio.sleep(2 * HOUR + 1)
        await waits.pause()
        assert [list(row) for row in (await client.query(f"{asked} ORDER BY name")).rows] == [
            ["hourly", "active", "run", "0 * * * *", EPOCH + 3 * HOUR, "succeeded", 0, 2, 0],
            ["waits", "paused", "wait", None, EPOCH + 3 * HOUR, None, 1, 0, 1],
        ]


async def test_a_schedule_that_was_changed_often_has_one_wake() -> None:
    async with lab().running() as runtime:
        client = runtime.client
        schedule = await client.schedules.create("often", "Report/run", every=HOUR)
        for number in range(1, 11):
            await schedule.update(every=HOUR - number * 60)
        await trio.sleep(2 * HOUR)
        wakes = await client.invocations(service="playhead.Schedule", handler="wake", status=["scheduled"])
        assert len(wakes) == 1
