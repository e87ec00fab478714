"""Lists are read page by page, while others are added and purged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, handler
from actors.model.pages import cursor_of
from tests.lab import Lab
from tests.raising import raises

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.control.client import Client

pytestmark = pytest.mark.virtual_time


class Chat(Actor):
    said: str = ""

    @handler
    async def say(self, text: str) -> None:
        self.said = text


async def test_a_list_that_is_added_to_and_purged_meanwhile_gives_each_of_the_others_once() -> None:
    async with Lab(Chat).running() as runtime:
        client = runtime.client
        sent = []
        for number in range(7):
            sent.append(await client.actor(Chat, f"k{number}").say.send("hello"))
            await sent[-1].result()
            await trio.sleep(1)
        first = await client.invocations(limit=3)
        await sent[4].purge()  # the last of the page: its cursor still leads on
        await sent[3].purge()
        await client.actor(Chat, "later").say("hello")
        rest = [info.id for info in await client.invocations(limit=1_000, after=first.next)]
        assert [info.id for info in first] + rest == [sent[number].id for number in (6, 5, 4, 2, 1, 0)]


async def test_an_iterator_reads_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.control.reads.MAX_PAGE", 2)
    monkeypatch.setattr("actors.control.jobs.MAX_PAGE", 2)
    async with Lab(Chat).running() as runtime:
        client = runtime.client
        for number in range(5):
            await client.actor(Chat, f"k{number}").say("hello")
            await trio.sleep(1)
        jobs = []
        for number in range(3):
            jobs.append(await client.jobs.where("false").pause(reason=str(number)))
            await jobs[-1].result()
            await trio.sleep(1)
        assert [info.target.key async for info in client.all_invocations()] == [
            f"k{number}" for number in range(4, -1, -1)
        ]
        assert [name.key async for name in client.all_objects("Chat", begin="k")] == [
            f"k{number}" for number in range(5)
        ]
        assert [info.id async for info in client.jobs.all()] == [job.id for job in reversed(jobs)]
        assert [entry.reason async for entry in client.audit_entries(verb="start-job")] == ["2", "1", "0"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.invocations(after="inv_1"),
        lambda client: client.invocations(after=""),
        lambda client: client.invocations(after="\N{SNOWMAN}"),
        lambda client: client.invocations(after=cursor_of("objects", "Chat", "k")),
        lambda client: client.invocations(after=cursor_of("invocations", 1.0)),
        lambda client: client.objects(after="Chat/k"),
        lambda client: client.objects(after=cursor_of("objects", "Chat", 1.0)),
        lambda client: client.jobs.list(after=cursor_of("invocations", 1.0, "job_1")),
        lambda client: client.audit(after="none"),
    ],
)
async def test_a_cursor_of_no_such_list_is_refused(ask: Callable[[Client], Awaitable[Any]]) -> None:
    async with Lab(Chat).running() as runtime:
        with raises(actors.InvalidArgumentError, path="after"):
            await ask(runtime.client)


async def test_a_page_has_a_largest_size() -> None:
    async with Lab(Chat).running() as runtime:
        for ask in (runtime.client.invocations, runtime.client.objects, runtime.client.jobs.list, runtime.client.audit):
            with raises(actors.InvalidArgumentError, path="limit"):
                await ask(limit=1_001)
