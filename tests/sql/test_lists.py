"""A list reads its page, and not all that there is."""

from __future__ import annotations

from random import Random
from typing import Any

import attrs
import msgspec
import pytest

from actors.model.listing import Listing, page_of_rows, place_in, place_of
from actors.query.invocations import list_invocations
from journal.events import Status
from tests.sql.kept import in_memory, row
from tests.sql.test_counts import Watched, some_row

COUNT = 2_000


def found(rows: list[Any], listing: Listing, partitions: int) -> tuple[list[Any], int]:
    """The ids of a list, and how many invocations were read for it."""
    snapshot = in_memory(rows, partitions)
    watched = Watched(snapshot.view)
    listed = list_invocations(attrs.evolve(snapshot, view=watched), listing)
    return [each.invocation_id for each in listed], watched.invocations


def paged(rows: list[Any], listing: Listing, partitions: int) -> list[Any]:
    """The ids of a list that is read page by page."""
    snapshot, ids = in_memory(rows, partitions), list[Any]()
    while True:
        page = page_of_rows(list_invocations(snapshot, listing.with_one_more()), listing.limit)
        ids += [each.invocation_id for each in page]
        if page.next is None:
            return ids
        listing = attrs.evolve(listing, after=place_in(page.next))


def expected(rows: list[Any], listing: Listing) -> list[Any]:
    newest = sorted(filter(listing.wants, rows), key=place_of, reverse=True)
    return [each.invocation_id for each in newest[: listing.limit]]


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize(
    "listing",
    [
        Listing(limit=20),
        Listing(limit=20, system=True),
        Listing(limit=0),
        Listing(limit=20, status=frozenset({Status.PAUSED})),
        Listing(limit=20, status=frozenset({Status.PAUSED, Status.RUNNING}), handler="stop"),
        Listing(limit=20, status=frozenset({Status.PAUSED, Status.COMPLETED})),
        Listing(limit=20, service="Chat", key="a"),
        Listing(limit=5_000, service="Agent"),
    ],
)
def test_a_list_gives_the_newest_that_match(listing: Listing, partitions: int) -> None:
    random = Random(3)
    rows = [some_row(random, number) for number in range(500)]
    assert found(rows, listing, partitions)[0] == expected(rows, listing)


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize(
    "listing",
    [
        Listing(limit=7, system=True),
        Listing(limit=7, status=frozenset({Status.PAUSED, Status.RUNNING})),
        Listing(limit=7, service="Chat", key="a"),
        Listing(limit=7, tags={"user": "ada"}),
    ],
)
def test_the_pages_of_a_list_are_the_whole_list(listing: Listing, partitions: int) -> None:
    random = Random(5)
    rows = [some_row(random, number) for number in range(300)]
    # Several were accepted in the same microsecond, some at exactly the same time: only the id tells these apart.
    rows = [
        msgspec.structs.replace(
            each, created_at=1e9 + number // 9 + number % 3 * 1.2e-7, tags={"user": "ada"} if number % 2 else None
        )
        for number, each in enumerate(rows)
    ]
    assert paged(rows, listing, partitions) == expected(rows, attrs.evolve(listing, limit=300))


def test_a_later_page_reads_no_more_than_the_first() -> None:
    rows = [row(number) for number in range(COUNT)]
    ids, _ = found(rows, Listing(limit=COUNT // 2), 1)
    middle = next(place_of(each) for each in rows if each.invocation_id == ids[-1])
    following, read = found(rows, Listing(limit=20, after=middle), 1)
    assert following == expected(rows, Listing(limit=COUNT))[COUNT // 2 :][:20]
    assert read <= 21


@pytest.mark.parametrize(
    ("listing", "reads_at_most"),
    [
        (Listing(limit=20), 20),
        (Listing(limit=20, status=frozenset({Status.PAUSED})), 60),
        (Listing(limit=20, status=frozenset({Status.QUEUED})), 20),
        (Listing(limit=20, status=frozenset({Status.RUNNING})), 0),
        (Listing(limit=20, service="Chat", key="a"), 100),
    ],
)
def test_a_page_of_a_list_reads_few_of_many(listing: Listing, reads_at_most: int) -> None:
    rows = [row(number, status=Status.PAUSED if number % 2 else Status.COMPLETED) for number in range(COUNT)]
    rows += [row(COUNT + number, status=Status.QUEUED) for number in range(10)]
    rows += [row(2 * COUNT + number, service="Chat", key="a") for number in range(100)]
    ids, read = found(rows, listing, 1)
    assert ids == expected(rows, listing)
    assert read <= reads_at_most


def test_a_status_of_old_invocations_is_found_by_its_index() -> None:
    rows = [row(number, status=Status.COMPLETED) for number in range(COUNT)]
    rows += [row(COUNT + number, status=Status.PAUSED) for number in range(100)]
    ids, read = found(rows, listing := Listing(limit=20, status=frozenset({Status.PAUSED})), 1)
    assert ids == expected(rows, listing)
    assert read <= 200
