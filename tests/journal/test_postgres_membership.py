"""The beats of nodes in PostgreSQL: a node whose process dies is gone at once, one that is stopped when its beat is old."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from journal.errors import Unavailable
from journal.replicated.membership import DEAD_SECONDS, Member
from journal.replicated.node import Node
from journal.replicated.postgres.log import open_postgres_log
from journal.replicated.postgres.membership import PostgresMembership
from journal.replicated.postgres.storage import PostgresPlace
from journal.replicated.shared import open_shared_journal
from tests.journal.test_contract import all_of, append, values
from tests.journal.test_postgres_log import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def membership(address: str, schema: str) -> AsyncIterator[PostgresMembership]:
    async with open_postgres_log(address, schema=schema) as log:
        opened = PostgresMembership(log)
        try:
            yield opened
        finally:
            opened.close()


async def living(of: PostgresMembership) -> list[str]:
    return sorted(heard.member.name for heard in await of.members() if heard.is_alive)


async def test_what_a_member_says_is_heard_by_the_others(postgres_address: str, schema: str) -> None:
    said = Member(name="one", url="http://one", owned={0: 7, 3: 1}, registry_version=5, is_leaving=True, now=12.5)
    async with membership(postgres_address, schema) as one, membership(postgres_address, schema) as two:
        await one.beat(Member(name="one"))
        await one.beat(said)
        [heard] = await two.members()
        assert heard.member == said
        assert heard.is_alive
        await one.leave("one")
        await one.leave("one")
        assert await two.members() == []


async def test_a_member_whose_session_ends_is_dead_after_a_moment_though_its_beat_is_new(
    postgres_address: str, schema: str
) -> None:
    async with membership(postgres_address, schema) as two:
        async with membership(postgres_address, schema) as one:
            await one.beat(Member(name="one"))
            assert await living(two) == ["one"]
        began = trio.current_time()
        with trio.fail_after(DEAD_SECONDS):
            while await living(two):
                await two.changed()
        assert trio.current_time() - began >= 0.1  # first it may learn of it itself


async def test_a_member_that_is_silent_is_dead_though_it_has_its_session(postgres_address: str, schema: str) -> None:
    async with membership(postgres_address, schema) as one, membership(postgres_address, schema) as two:
        await one.beat(Member(name="one"))
        ask(postgres_address, f"update {schema}.members set at = at - interval '1.2 seconds'")
        assert await living(two) == []
        await one.beat(Member(name="one"))
        assert await living(two) == ["one"]


async def test_a_node_that_loses_its_session_answers_nothing_from_memory_until_it_has_another(
    postgres_address: str, schema: str
) -> None:
    async with membership(postgres_address, schema) as one, trio.open_nursery() as nursery:
        node = Node(one, "one", partitions=1)
        await nursery.start(node.run)
        await node.mine(0)
        node.claimed(0, 1)
        assert node.may_answer(0)
        nursery.start_soon(_end_session, postgres_address, schema)
        with trio.fail_after(5):
            await one.session_lost()
        with pytest.raises(Unavailable):
            await one.beat(Member(name="one"))
        node.announce()
        with trio.fail_after(5):
            while not node.is_fresh:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()


async def _end_session(address: str, schema: str) -> None:
    await trio.lowlevel.checkpoint()
    ask(address, f"select pg_terminate_backend(session) from {schema}.members")


async def test_the_next_node_takes_over_with_everything_once_the_former_one_ends(
    postgres_address: str, tmp_path: Path
) -> None:
    ask(postgres_address, "drop database if exists nodes", "create database nodes")
    address = f"{postgres_address} dbname=nodes"
    has_ended = trio.Event()

    async def stand_by() -> None:
        async with (
            open_shared_journal(tmp_path / "two", PostgresPlace(address)) as (journal, _),
            journal.claim(0, "two") as partition,
        ):
            assert has_ended.is_set()
            assert values(await all_of(journal)) == [1]
            await partition.commit([append(1, 2)])

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(_own_for_a_while, tmp_path / "one", address, has_ended)
            nursery.start_soon(stand_by)
        async with open_shared_journal(tmp_path / "one", PostgresPlace(address)) as (journal, _):
            assert values(await all_of(journal)) == [1, 2]


async def _own_for_a_while(
    path: Path, address: str, has_ended: trio.Event, *, task_status: trio.TaskStatus[None]
) -> None:
    async with open_shared_journal(path, PostgresPlace(address)) as (journal, _), journal.claim(0, "one") as partition:
        await partition.commit([append(0, 1)])
        task_status.started()
        await trio.sleep(0.3)
        has_ended.set()
