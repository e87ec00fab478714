"""The nominal times of cron lines and intervals, when clocks change and otherwise; and the refusal of what cannot be read."""

from __future__ import annotations

import datetime
from itertools import islice, pairwise

import pytest

from actors import InvalidArgumentError
from actors.core.schedules import Timing
from actors.model.timetable import Timetable, checked_cron, checked_zone
from tests.raising import raises

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def times(cron: str, zone: str, after: str, count: int) -> list[str]:
    table = Timetable(Timing(cron=cron, zone=zone))
    found = islice(table.times_after(datetime.datetime.fromisoformat(after).timestamp()), count)
    return [table.local(at).isoformat(timespec="minutes") for at in found]


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        (BERLIN, "2026-03-28T12:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        (NEW_YORK, "2026-03-07T12:00-05:00", ["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"]),
    ],
)
def test_a_time_that_does_not_exist_is_the_first_minute_after_the_gap(
    zone: str, after: str, expected: list[str]
) -> None:
    assert times("30 2 * * *", zone, after, 2) == expected


@pytest.mark.parametrize(
    ("zone", "hour", "after", "expected"),
    [
        (BERLIN, 2, "2026-10-24T12:00+02:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        (NEW_YORK, 1, "2026-10-31T12:00-04:00", ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]),
    ],
)
def test_a_time_that_occurs_twice_is_the_first(zone: str, hour: int, after: str, expected: list[str]) -> None:
    assert times(f"30 {hour} * * *", zone, after, 2) == expected


@pytest.mark.parametrize("minutes", range(0, 180, 7))
def test_a_time_that_occurs_twice_is_passed_wherever_the_search_begins(minutes: int) -> None:
    after = datetime.datetime.fromisoformat("2026-10-25T02:31+02:00") + datetime.timedelta(minutes=minutes)
    assert times("30 2 * * *", BERLIN, after.isoformat(), 1) == ["2026-10-26T02:30+01:00"]


def test_a_line_with_a_star_runs_by_elapsed_time() -> None:
    assert times("*/30 * * * *", BERLIN, "2026-10-25T01:30+02:00", 5) == [
        "2026-10-25T02:00+02:00",
        "2026-10-25T02:30+02:00",
        "2026-10-25T02:00+01:00",
        "2026-10-25T02:30+01:00",
        "2026-10-25T03:00+01:00",
    ]
    assert times("30 * * * *", BERLIN, "2026-03-29T01:00+01:00", 2) == [
        "2026-03-29T01:30+01:00",
        "2026-03-29T03:30+02:00",
    ]


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, "UTC"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "0 2,3 * * *", "*/15 * * * *", "30 * * * *", "5 1-3 * * *"])
def test_times_grow_and_each_can_be_found_from_the_one_before(zone: str, cron: str) -> None:
    table = Timetable(Timing(cron=cron, zone=zone))
    for month, day in ((3, 7), (3, 28), (10, 24), (10, 31)):  # clocks change in the next two days in some zone
        start = datetime.datetime(2026, month, day, tzinfo=datetime.UTC).timestamp()
        found = [*islice(table.times_after(start), 250)]
        assert all(earlier < later for earlier, later in pairwise(found))
        assert [table.after(earlier) for earlier in found[:-1]] == found[1:]


def test_every_day_has_one_time_all_year() -> None:
    for zone in (BERLIN, NEW_YORK):
        table = Timetable(Timing(cron="30 2 * * *", zone=zone))
        start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp()
        days = [table.local(at).date() for at in islice(table.times_after(start), 365)]
        assert len({*days}) == 365
        assert (days[-1] - days[0]).days == 364


def test_an_interval_is_elapsed_time_from_its_anchor() -> None:
    table = Timetable(Timing(every=90.0, anchor=1_000.0, zone=BERLIN))
    assert [*islice(table.times_after(1_000.0), 3)] == [1_090.0, 1_180.0, 1_270.0]
    assert [*islice(table.times_after(1_179.5), 2)] == [1_180.0, 1_270.0]
    assert [*islice(table.times_after(0.0), 2)] == [10.0, 100.0]


def test_times_are_from_the_start_to_the_end() -> None:
    timing = Timing(every=10.0, anchor=0.0, start_at=100.0, end_at=120.0)
    assert [*Timetable(timing).times_after(5.0)] == [100.0, 110.0, 120.0]
    assert Timetable(timing).after(120.0) is None


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("61 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day-of-month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day-of-week"),
        ("*/0 * * * *", "minute"),
        ("* * * * MON-", "day-of-week"),
        ("* * * FOO *", "month"),
        ("/ * * * *", "minute"),
        ("* * * * MON#2/1", "day-of-week"),
    ],
)
def test_a_line_that_cannot_be_read_names_the_field(line: str, field: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"its {field} is") as caught:
        checked_cron(line)
    assert caught.value.path == "cron"


@pytest.mark.parametrize("line", ["", "* * * *", "* * * * * *", "@sometimes", "0 0 30 2 *"])
def test_a_line_of_another_length_or_without_any_date_is_refused(line: str) -> None:
    with raises(InvalidArgumentError, path="cron"):
        checked_cron(line)


def test_a_line_is_read_as_people_write_it() -> None:
    assert checked_cron("  0 9  * * mon ") == "0 9 * * MON"
    assert checked_cron("@Daily") == "@daily"
    assert times("@weekly", "UTC", "2026-03-04T00:00+00:00", 1) == ["2026-03-08T00:00+00:00"]
    assert times("0 0 L * *", "UTC", "2026-02-04T00:00+00:00", 1) == ["2026-02-28T00:00+00:00"]
    assert times("0 0 * * MON#1", "UTC", "2026-02-04T00:00+00:00", 1) == ["2026-03-02T00:00+00:00"]


@pytest.mark.parametrize("zone", ["", "Mars/Base", "../etc/passwd", "/etc/passwd", "Europe", "europe berlin"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with raises(InvalidArgumentError, path="zone"):
        checked_zone(zone)
