"""The overview says what there is and what needs attention, and reads no more rows than it may, whatever their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trio.testing

from actors.control.local.shared_answer import SharedAnswer
from actors.query import overview as overviews
from actors.query.overview import InvocationCount, Overview, overview
from journal.events import Failure, Outcome, OutcomeKind, Status
from journal.rows import AwaitedSignal
from tests.sql.kept import NOW, in_memory, row
from tests.sql.test_counts import Watched
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterable

LATE = Failure("shop.Late", "too late")


def paused(number: int, **changes: Any) -> Any:
    return row(number, status=Status.PAUSED, last_failure=LATE, pause_reason=f"reason {number}", **changes)


def failed(number: int, *, seconds_ago: float, **changes: Any) -> Any:
    outcome = Outcome(OutcomeKind.FAILED, failure=Failure("shop.Broken", f"broken {number}"))
    at = NOW - seconds_ago
    return row(number, outcome=outcome, completed_at=at, **changes | {"modified_at": at})


def waiting(number: int, signal: str, *, seconds: float, **changes: Any) -> Any:
    return row(
        number, **{"status": Status.SUSPENDED} | changes, awaited=[AwaitedSignal(signal, NOW - seconds)], handler="ask"
    )


async def seen(rows: Iterable[Any], *, partitions: int = 1) -> tuple[Overview, int]:
    """The overview of these rows, and how many of them were read."""
    snapshot = in_memory(rows, partitions)
    watched = Watched(snapshot.view)
    found = await overview(attrs.evolve(snapshot, view=watched), 7)
    return found, watched.invocations


@on_virtual_time
async def test_the_overview_counts_by_handler_status_and_outcome() -> None:
    found, read = await seen([row(1), row(2), row(3, handler="stop"), row(4, status=Status.RUNNING)], partitions=3)
    assert found.counts == (
        InvocationCount(
            service="Agent", handler="run", status=Status.COMPLETED, outcome=OutcomeKind.SUCCEEDED, count=2
        ),
        InvocationCount(service="Agent", handler="run", status=Status.RUNNING, outcome=None, count=1),
        InvocationCount(
            service="Agent", handler="stop", status=Status.COMPLETED, outcome=OutcomeKind.SUCCEEDED, count=1
        ),
    )
    assert (found.at, found.position, read) == (NOW, 7, 0)


@on_virtual_time
async def test_built_in_objects_are_left_out_of_the_overview() -> None:
    hidden = {"service": "playhead.Job"}
    found, _ = await seen(
        [
            paused(1, **hidden),
            failed(2, seconds_ago=5, **hidden),
            waiting(3, "go", seconds=5, **hidden),
            row(4, **hidden),
        ]
    )
    assert (found.counts, found.paused, found.failed, found.waiting) == ((), (), (), ())


@on_virtual_time
async def test_stuck_invocations_are_grouped_by_their_error() -> None:
    found, _ = await seen([paused(1), paused(2), row(3, status=Status.BACKING_OFF, last_failure=LATE)])
    (group,) = found.paused
    assert (group.service, group.handler, group.error_type, group.count) == ("Agent", "run", "shop.Late", 2)
    assert (group.error, group.reason) == ("too late", "reason 1")
    assert (group.oldest, group.newest) == (NOW - 2, NOW - 1)
    assert [each.count for each in found.backing_off] == [1]


@on_virtual_time
async def test_only_failures_of_the_last_day_are_shown() -> None:
    found, _ = await seen([failed(1, seconds_ago=10), failed(2, seconds_ago=20), failed(3, seconds_ago=90_000)])
    (group,) = found.failed
    assert (group.count, group.error, group.newest) == (2, "broken 1", NOW - 10)
    assert found.failed_since == NOW - overviews.FAILED_SECONDS


@on_virtual_time
async def test_waits_are_grouped_by_signal_and_the_longest_comes_first() -> None:
    rows = [waiting(1, "go", seconds=5), waiting(2, "go", seconds=50), waiting(3, "stay", seconds=20)]
    found, _ = await seen([*rows, waiting(4, "go", seconds=99, status=Status.PAUSED)], partitions=2)
    assert [(group.signal, group.count, group.oldest) for group in found.waiting] == [
        ("go", 2, NOW - 50),
        ("stay", 1, NOW - 20),
    ]
    assert found.waiting[0].id == rows[1].invocation_id


@on_virtual_time
@pytest.mark.parametrize("partitions", [1, 4])
async def test_the_overview_of_many_reads_few_and_counts_all(partitions: int) -> None:
    many = 2 * overviews.EXAMINED
    rows = [paused(n) for n in range(many)]
    rows += [failed(n, seconds_ago=n) for n in range(many, 2 * many)]
    rows += [waiting(n, f"wait {n}", seconds=n) for n in range(2 * many, 3 * many)]
    found, read = await seen(rows, partitions=partitions)
    assert read <= 3 * overviews.EXAMINED
    assert [group.count for group in found.paused] == [many]
    assert (found.paused[0].oldest, found.paused[0].error) == (None, "too late"), "not all were read"
    assert [group.count for group in found.failed] == [overviews.EXAMINED]
    assert found.failed_since == pytest.approx(NOW - many - overviews.EXAMINED + 1)
    assert len(found.waiting) == min(many, overviews.WAITING_GROUPS)
    assert found.waiting[0].oldest == NOW - 3 * many + 1
    assert found.waiting[-1].id is None


# Shared.


@attrs.define
class Question:
    """A question whose answer takes a second, and how often it was computed."""

    position: int = 0
    answers: int = 0

    async def compute(self) -> int:
        self.answers += 1
        await trio.sleep(1.0)
        return self.answers

    def shared(self) -> SharedAnswer[int]:
        return SharedAnswer(self.compute, lambda: self.position, seconds=2.0)


@on_virtual_time
async def test_all_who_ask_at_once_share_one_answer() -> None:
    question = Question()
    shared = question.shared()
    found: list[int] = []

    async def ask() -> None:
        found.append(await shared.get())

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(ask)
    assert (found, question.answers) == ([1] * 10, 1)


@on_virtual_time
async def test_a_shared_answer_is_computed_at_most_once_in_its_time() -> None:
    question = Question()
    shared = question.shared()
    began = trio.current_time()
    for _ in range(100):
        question.position += 1
        await shared.get()
        await trio.sleep(0.1)
    assert 5 <= question.answers <= (trio.current_time() - began) / 2.0 + 1


@on_virtual_time
async def test_a_shared_answer_is_kept_while_nothing_changes() -> None:
    question = Question()
    shared = question.shared()
    for _ in range(20):
        await shared.get()
        await trio.sleep(2.5)
    assert question.answers == 1
    question.position += 1
    assert await shared.get() == 2
