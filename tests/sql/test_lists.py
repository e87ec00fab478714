"""A list reads its page, and not all that there is."""

from __future__ import annotations

from random import Random
from typing import Any

import attrs
import pytest

from actors.model.listing import Listing
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


def expected(rows: list[Any], listing: Listing) -> list[Any]:
    newest = sorted(filter(listing.wants, rows), key=lambda each: each.created_at, reverse=True)
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
