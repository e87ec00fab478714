"""Schedules go on: the same create at each start changes nothing, and neither the end of a run nor an unknown zone stops them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import ConflictError, InvalidArgumentError, Service, handler
from actors.core.schedules import RunCause
from actors.query.fsck.doctor import examine
from journal.events import Status
from tests.lab import WORLD, Lab, quiet
from tests.raising import raises
from tests.virtual import EPOCH, on_virtual_time

if TYPE_CHECKING:
    from actors import Client
    from actors.types import InvocationInfo, ScheduleHandle

pytestmark = on_virtual_time

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


class Report(Service):
    @handler
    async def run(self) -> str:
        WORLD.note(actors.current_time())
        return "done"

    @handler
    async def wait(self) -> str:
        WORLD.note(actors.current_time())
        return await actors.signal("go", str)


# The same create at each start.


@pytest.mark.parametrize("times", [{"every": MINUTE}, {"cron": "* * * * *"}], ids=["every", "cron"])
async def test_the_same_create_changes_nothing_after_the_end(times: dict[str, Any]) -> None:
    async with Lab(Report).running() as runtime:
        schedules = runtime.client.schedules
        schedule = await schedules.create("a", "Report/run", end_at=EPOCH + HOUR, **times)
        await trio.sleep(2 * HOUR)
        await schedules.create("a", "Report/run", end_at=EPOCH + HOUR, **times)
        assert (await schedule.info()).revision == 1


async def test_a_schedule_that_has_ended_takes_a_note_and_no_other_end_in_the_past() -> None:
    async with Lab(Report).running() as runtime:
        schedule = await runtime.client.schedules.create("a", "Report/run", every=MINUTE, end_at=EPOCH + HOUR)
        await trio.sleep(2 * HOUR)
        assert (await schedule.update(note="over")).changed
        with raises(InvalidArgumentError, path="end_at"):
            await schedule.update(end_at=EPOCH + HOUR + 1)


async def test_the_same_create_changes_nothing_when_there_are_as_many_schedules_as_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.control.local.schedules.MAX_SCHEDULES", 2)
    async with Lab(Report).running() as runtime:
        schedules = runtime.client.schedules
        for name in ("a", "b", "a", "b"):
            await schedules.create(name, "Report/run", every=MINUTE)
        with raises(ConflictError, code="already_exists"):
            await schedules.create("a", "Report/wait", every=MINUTE)


def without_option() -> type[Service]:
    class Sales(Service):
        @handler
        async def none(self) -> None:
            WORLD.note("none")

        @handler
        async def of(self, region: str) -> None:
            WORLD.note(region)

        @handler
        async def at(self, when: datetime.datetime) -> None:
            WORLD.note(type(when).__name__)

    return Sales


def with_option() -> type[Service]:
    class Sales(Service):
        @handler
        async def none(self, dry: bool = False) -> None:
            WORLD.note(f"none {dry}")

        @handler
        async def of(self, region: str, dry: bool = False) -> None:
            WORLD.note(f"{region} {dry}")

        @handler
        async def at(self, when: float, dry: bool = False) -> None:
            WORLD.note(f"{type(when).__name__} {dry}")

    return Sales


@pytest.mark.parametrize(
    ("target", "argument", "options", "before", "after"),
    [
        ("none", None, {}, "none", "none False"),
        ("of", "eu", {}, "eu", "eu False"),
        ("of", {"region": "eu"}, {}, "eu", "eu False"),
        ("at", None, {"time_parameter": "when"}, "datetime", "float False"),
    ],
)
async def test_the_same_create_changes_nothing_when_the_handler_has_another_signature(
    target: str, argument: Any, options: dict[str, Any], before: str, after: str
) -> None:
    stopped = Lab(without_option())
    lives = [(without_option(), before), (with_option(), after), (without_option(), before)]
    for number, (sales, expected) in enumerate(lives, 1):
        WORLD.clear()
        async with stopped.running(sales) as runtime:
            schedules = runtime.client.schedules
            schedule = await schedules.create("s", f"Sales/{target}", argument, every=HOUR, **options)
            assert (await schedule.info()).revision == number  # each trigger before this counts as one
            await schedule.trigger()
            await quiet()
            assert WORLD.entries == [expected]


async def test_a_create_with_another_argument_is_still_refused() -> None:
    async with Lab(without_option()).running() as runtime:
        schedules = runtime.client.schedules
        await schedules.create("s", "Sales/of", "eu", every=HOUR)
        await schedules.create("s", "Sales/of", {"region": "eu"}, every=HOUR)
        with raises(ConflictError, code="already_exists"):
            await schedules.create("s", "Sales/of", "us", every=HOUR)


async def test_the_same_create_wakes_a_schedule_whose_wake_was_killed() -> None:
    async with Lab(Report).running() as runtime:
        client = runtime.client
        schedule = await client.schedules.create("hourly", "Report/run", cron="0 * * * *")
        (wake,) = await client.invocations(service="playhead.Schedule", status=[Status.SCHEDULED])
        await client.invocation(wake.id).kill()
        await trio.sleep(3.5 * HOUR)
        await client.schedules.create("hourly", "Report/run", cron="0 * * * *")
        await trio.sleep(HOUR)
        assert WORLD.entries == [EPOCH + 3.5 * HOUR, EPOCH + 4 * HOUR]
        counts = (await schedule.info()).counts
        assert (counts.started, counts.missed) == (2, 2)


# A wake whose time has come.


@pytest.mark.parametrize("happens", ["trigger", "backfill", "end"])
async def test_what_happens_just_before_a_wake_delays_no_run(happens: str) -> None:
    own = Lab(Report)
    async with own.running() as runtime:
        client = runtime.client
        schedule = await client.schedules.create("often", "Report/wait", every=20.0, overlap="allow")
        runs = [await schedule.trigger(), await schedule.trigger()]
        await trio.sleep(10.0)
        own.clock.shift(20.0)  # the message that wakes it does not know this yet
        match happens:
            case "trigger":
                await schedule.trigger()
            case "backfill":
                await schedule.backfill(EPOCH + 20.0, EPOCH + 20.0)
            case "end":
                await client.invocation(runs[0].invocation_id).signal("go", "on")
        await trio.sleep(15.0)
        nominal = [run.nominal for run in (await schedule.info()).open if run.cause is RunCause.TIME]
        assert nominal == [EPOCH + 20.0, EPOCH + 40.0]
    assert examine(own.store, 1).findings == ()


async def test_all_missed_times_are_decided_on_at_once_while_an_earlier_run_is_open() -> None:
    own = Lab(Report)
    async with own.running() as runtime:
        await runtime.client.schedules.create("often", "Report/wait", every=1.0, missed="all", overlap="queue")
        await trio.sleep(1.5)
    own.clock.shift(2_500.0)
    async with own.running() as runtime:
        await trio.sleep(1.0)
        info = await runtime.client.schedules.schedule("often").info()
        assert own.clock.now() - info.reached < 1.0
        assert info.counts.missed > 2_000


# Runs whose end nobody tells.


async def call_of(client: Client) -> InvocationInfo:
    """The invocation that calls the open run."""
    (call,) = await client.invocations(service="playhead.ScheduledCall", handler="run", status=[Status.SUSPENDED])
    return call


@pytest.mark.parametrize("overlap", ["skip", "queue"])
@pytest.mark.parametrize("verb", ["kill", "cancel"])
async def test_a_schedule_goes_on_when_the_call_of_its_run_is_stopped(verb: str, overlap: str) -> None:
    own = Lab(Report)
    async with own.running() as runtime:
        client = runtime.client
        schedule = await client.schedules.create("daily", "Report/wait", every=DAY, overlap=overlap)
        await trio.sleep(DAY + 1)
        call = await call_of(client)
        await getattr(client.invocation(call.id), verb)()
        await client.invocation(call.id).purge()
        await trio.sleep(DAY)
        info = await schedule.info()
        ended = {"kill": "killed", "cancel": "cancelled"}[verb]
        assert [run.outcome for run in info.recent] == [ended]
        assert [run.nominal for run in info.open] == [EPOCH + 2 * DAY]
        assert WORLD.entries == [EPOCH + DAY, EPOCH + 2 * DAY]
    assert examine(own.store, 1).findings == ()


@pytest.mark.parametrize("state", ["active", "paused", "ended"])
async def test_the_end_is_told_within_minutes_whatever_the_state_of_the_schedule(state: str) -> None:
    async with Lab(Report).running() as runtime:
        client = runtime.client
        end = EPOCH + DAY if state == "ended" else None
        schedule = await client.schedules.create("daily", "Report/wait", every=DAY, end_at=end)
        await trio.sleep(DAY + 1)
        if state == "paused":
            await schedule.pause()
        await client.invocation((await call_of(client)).id).kill()
        await trio.sleep(5 * MINUTE)
        info = await schedule.info()
        assert (info.state.value, len(info.open), info.counts.killed) == (state, 0, 1)


async def test_a_run_that_is_purged_before_its_end_was_told_counts_as_failed_and_says_so() -> None:
    async with Lab(Report).running() as runtime:
        client = runtime.client
        schedule = await client.schedules.create("daily", "Report/wait", every=DAY)
        await trio.sleep(DAY + 1)
        await client.invocation((await call_of(client)).id).kill()
        await quiet()
        await client.invocation((await schedule.info()).open[0].invocation_id).purge()
        await trio.sleep(5 * MINUTE)
        info = await schedule.info()
        assert [run.outcome for run in info.recent] == ["failed"]
        assert "there is no invocation" in info.recent[0].failure


async def test_a_long_run_has_one_watch_which_stops_nothing_and_is_replaced_if_it_is_killed() -> None:
    async with Lab(Report).running() as runtime:
        client = runtime.client
        schedule = await client.schedules.create("daily", "Report/wait", every=DAY)
        await trio.sleep(DAY + 5 * HOUR)
        for _ in range(2):
            (watch,) = await client.invocations(service="playhead.ScheduledCall", handler="watch")
            await client.invocation(watch.id).kill()
            await trio.sleep(2 * HOUR)
        await client.invocation((await call_of(client)).id).kill()
        await quiet()
        info = await schedule.info()
        assert (info.counts.started, info.counts.killed, info.open) == (1, 1, ())


async def test_a_short_run_is_not_watched() -> None:
    async with Lab(Report).running() as runtime:
        await runtime.client.schedules.create("hourly", "Report/run", every=HOUR)
        for _ in range(5):
            await trio.sleep(HOUR / 2)
            assert not await runtime.client.invocations(service="playhead.ScheduledCall", handler="watch")


# A zone that is not known here.


def forget_zones(patched: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any) -> Any:
        raise InvalidArgumentError("no such zone", path="zone")

    patched.setattr("actors.model.timetable.zone_named", unknown)


async def queue_of_three(client: Client) -> ScheduleHandle:
    schedule = await client.schedules.create(
        "yearly", "Report/wait", cron="0 0 1 7 *", zone="Europe/Berlin", overlap="queue"
    )
    for _ in range(3):
        await schedule.trigger()
    await quiet()
    return schedule


async def end_open_run(client: Client, schedule: ScheduleHandle) -> None:
    await client.invocation((await schedule.info()).open[0].invocation_id).signal("go", "on")
    await quiet()


async def test_a_run_that_waits_is_not_lost_while_the_zone_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Lab(Report).running() as runtime:
        schedule = await queue_of_three(runtime.client)
        with monkeypatch.context() as patched:
            forget_zones(patched)
            await end_open_run(runtime.client, schedule)
            info = await schedule.info()
            assert (len(info.open), info.waiting, info.trouble) == (0, 2, "no such zone")
        for waiting in (1, 0):
            await trio.sleep(MINUTE + 1)
            info = await schedule.info()
            assert (len(info.open), info.waiting, info.trouble) == (1, waiting, "")
            await end_open_run(runtime.client, schedule)
        assert (await schedule.info()).counts.succeeded == 3


async def test_a_schedule_is_resumed_while_its_zone_is_unknown_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Lab(Report).running() as runtime:
        schedule = await queue_of_three(runtime.client)
        await schedule.pause()
        await end_open_run(runtime.client, schedule)
        with monkeypatch.context() as patched:
            forget_zones(patched)
            assert (await schedule.resume()).changed
            info = await schedule.info()
            assert (len(info.open), info.waiting, info.trouble) == (0, 2, "no such zone")
        await trio.sleep(MINUTE + 1)
        info = await schedule.info()
        assert (len(info.open), info.waiting, info.trouble) == (1, 1, "")


async def test_runs_by_hand_are_refused_and_change_nothing_while_the_zone_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Lab(Report).running() as runtime:
        schedule = await queue_of_three(runtime.client)
        before = await schedule.info()
        with monkeypatch.context() as patched:
            forget_zones(patched)
            with raises(InvalidArgumentError, path="zone"):
                await schedule.trigger()
            with raises(InvalidArgumentError, path="zone"):
                await schedule.backfill(EPOCH - 400 * DAY, EPOCH)
        assert await schedule.info() == before
