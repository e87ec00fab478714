"""Of the messages under a debounce key whose delay is not over, only the last one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, Service, Workflow, handler
from actors.errors import DefinitionError, InvalidArgumentError, InvocationCancelledError
from actors.query.fsck.doctor import examine
from journal.events import OutcomeKind, Status
from tests.lab import WORLD, Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors import Client

pytestmark = on_virtual_time


class Index(Actor):
    pages: int = 0

    @handler
    async def refresh(self, page: int) -> int:
        self.pages += 1
        return page

    @handler
    async def forget(self, page: int) -> int:
        return -page

    @handler
    async def take_time(self, page: int) -> int:
        await actors.sleep(100)
        return page


class Mail(Service):
    @handler
    async def post(self, text: str) -> str:
        await actors.sleep(10)
        WORLD.note(text)
        return text


class Editor(Actor):
    @handler
    async def change(self, page: int) -> str:
        first = await actors.actor(Index, "docs").refresh.options(delay=30, debounce="page").send(page)
        return first.id

    @handler
    async def change_and_wait(self, page: int) -> int:
        first = await actors.actor(Index, "docs").refresh.options(delay=30, debounce="page").send(page)
        return await first.result()


class Order(Workflow):
    @handler
    async def run(self) -> None: ...


def refresh(client: Client, key: str = "page", *, delay: float = 30, max_delay: float | None = None) -> Any:
    return client.actor(Index, "docs").refresh.options(delay=delay, debounce=key, max_delay=max_delay)


async def runs(client: Client) -> list[Any]:
    found = await client.invocations(service="Index", status=[Status.COMPLETED])
    return [info for info in found if info.outcome is not None and info.outcome.kind is OutcomeKind.SUCCEEDED]


async def test_the_last_message_runs_once_after_its_own_delay() -> None:
    lab = Lab(Index)
    async with lab.running() as runtime:
        handles = []
        for page in (1, 2, 3):
            handles.append(await refresh(runtime.client).send(page))
            await trio.sleep(20)
        started = trio.current_time()
        assert [await handle.result() for handle in handles[2:]] == [3]
        assert trio.current_time() - started == pytest.approx(10, abs=0.1)
        (ran,) = await runs(runtime.client)
        assert ran.id == handles[2].id
        first = await handles[0].info()
        assert first.outcome.kind is OutcomeKind.CANCELLED
        assert first.successors == (handles[1].id,)
        assert handles[1].id in first.outcome.reason
        with pytest.raises(InvocationCancelledError):
            await handles[0].result()


async def test_clients_and_callers_that_wait_get_the_result_of_the_last() -> None:
    async with Lab(Index, Editor).running() as runtime:
        got: list[int] = []

        async def wait_for(handle: Any) -> None:
            got.append(await handle.result())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_for, await refresh(runtime.client).send(0))
            await trio.sleep(1)
            nursery.start_soon(wait_for, await runtime.client.actor(Editor, "ann").change_and_wait.send(1))
            await trio.sleep(1)
            nursery.start_soon(wait_for, await runtime.client.actor(Editor, "bob").change_and_wait.send(2))
            await trio.sleep(1)
            await runtime.client.actor(Editor, "cay").change(3)
        assert got == [3, 3, 3]
        assert len(await runs(runtime.client)) == 1


async def test_a_message_is_put_off_no_longer_than_its_max_delay() -> None:
    async with Lab(Index).running() as runtime:
        began = trio.current_time()
        for page in range(4):
            await refresh(runtime.client, max_delay=60).send(page)
            await trio.sleep(12)
        last = await refresh(runtime.client, max_delay=60).send(4)
        assert await last.result() == 4
        assert trio.current_time() - began == pytest.approx(60, abs=0.1)


async def test_the_key_is_free_once_the_delay_is_over() -> None:
    async with Lab(Index).running() as runtime:
        slow = runtime.client.actor(Index, "docs").take_time.options(delay=1, debounce="page")
        first = await slow.send(1)
        await trio.sleep(2)
        second = await slow.send(2)  # the first one still runs
        assert [await first.result(), await second.result()] == [1, 2]


async def test_another_key_handler_or_object_is_left_alone() -> None:
    async with Lab(Index).running() as runtime:
        docs, blog = runtime.client.actor(Index, "docs"), runtime.client.actor(Index, "blog")
        sent = [
            await refresh(runtime.client).send(1),
            await refresh(runtime.client, "other").send(2),
            await docs.forget.options(delay=30, debounce="page").send(3),
            await blog.refresh.options(delay=30, debounce="page").send(4),
            await docs.refresh.options(delay=30).send(5),
        ]
        assert [await handle.result() for handle in sent] == [1, 2, -3, 4, 5]


async def test_messages_to_a_service_are_debounced_and_run_in_parallel() -> None:
    async with Lab(Mail).running() as runtime:
        post = runtime.client.service(Mail).post.options(delay=1, debounce="ann")
        await post.send("a draft")
        first = await post.send("a letter")
        await trio.sleep(2)
        second = await post.send("another")
        began = trio.current_time()
        assert [await first.result(), await second.result()] == ["a letter", "another"]
        assert trio.current_time() - began == pytest.approx(11, abs=0.1)
        assert WORLD.entries == ["a letter", "another"]


async def test_a_crash_keeps_the_last_message_and_its_time() -> None:
    lab = Lab(Index)
    async with lab.running() as runtime:
        await refresh(runtime.client, max_delay=40).send(1)
        await trio.sleep(20)
        last = await refresh(runtime.client, max_delay=40).send(2)
    await trio.sleep(5)
    async with lab.running() as runtime:
        await trio.sleep(5)
        last = await refresh(runtime.client, max_delay=40).send(3)
        began = trio.current_time()
        assert await last.result() == 3
        assert trio.current_time() - began == pytest.approx(10, abs=0.1)
    assert examine(lab.store, 1).is_sound


async def test_a_paused_message_is_not_replaced() -> None:
    async with Lab(Index).running() as runtime:
        first = await refresh(runtime.client).send(1)
        await first.pause(reason="a look first")
        second = await refresh(runtime.client).send(2)
        await first.resume()
        assert [await first.result(), await second.result()] == [1, 2]


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"debounce": "page"}, "delay"),
        ({"debounce": "", "delay": 1}, "debounce"),
        ({"debounce": "page", "delay": 1, "idempotency_key": "k"}, "debounce"),
        ({"debounce": "page", "delay": 10, "max_delay": 5}, "max_delay"),
        ({"delay": 1, "max_delay": 5}, "max_delay"),
    ],
)
async def test_options_that_contradict_are_refused(options: dict[str, Any], path: str) -> None:
    async with Lab(Index).running() as runtime:
        with pytest.raises(InvalidArgumentError) as refused:
            runtime.client.actor(Index, "docs").refresh.options(**options)
        assert refused.value.path == path


async def test_a_call_and_the_run_of_a_workflow_have_none() -> None:
    async with Lab(Index, Order).running() as runtime:
        with pytest.raises(DefinitionError):
            await refresh(runtime.client)(1)
        with pytest.raises(InvalidArgumentError):
            runtime.client.workflow(Order, "7").run.options(delay=1, debounce="page")
        with pytest.raises(InvalidArgumentError):
            await runtime.client.send("Order/7/run", delay=1, debounce="page")
