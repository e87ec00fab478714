"""``actors.aio``: a runtime and clients for asyncio programs."""

from __future__ import annotations

import asyncio
import inspect
import threading
import traceback
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
import actors.aio
from actors.engine.waiter import Reply
from actors.errors import ErrorCode, MisuseError, UnavailableError
from journal.errors import StoreFailed
from journal.kv import rocks, room
from journal.kv.memory import MemoryStore
from journal.log.kv_journal import KvJournal
from tests.aio.programs import LONGEST_SECONDS, LOOPS, WHO, Waiter, Wallet, in_asyncio
from tests.http.served import serving
from tests.raising import raises

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from journal.ids import InvocationId
    from journal.kv.store import Batch

IN_MEMORY: dict[str, Any] = {"durability": "memory"}


def opened() -> AbstractAsyncContextManager[Any]:
    return actors.aio.open_runtime(Wallet, Waiter, **IN_MEMORY)


@pytest.mark.parametrize("run", LOOPS)
def test_a_program_calls_and_controls_what_it_runs(run: Callable[[Any], Any]) -> None:
    async def main() -> list[Any]:
        async with opened() as runtime:
            wallet = runtime.client.actor(Wallet, "a")
            once = wallet.add.options(idempotency_key="once")
            task = await runtime.client.service(Waiter).wait.send()
            assert (await task.pause(reason="look")).changed
            await task.resume()
            await task.signal("go", "now")
            by_name = await runtime.client.call("Wallet/a/add", 3, timeout=60)
            return [await once(2), await once(2), by_name, await wallet.count(), await task.result()]

    assert run(main()) == [5, 5, 3, 5, "now"]


@in_asyncio
async def test_the_clients_are_those_of_trio_programs() -> None:
    async with opened() as runtime:
        task = await runtime.client.service(Waiter).wait.send()
        assert type(runtime.client) is actors.Client
        assert type(task) is actors.InvocationHandle
        assert runtime.client.runtime_limits == actors.Limits()
        assert runtime.unserved == ()
        job = await runtime.client.jobs.where("service = 'Waiter'").cancel()
        assert (await job.result()).done == 1
        assert [item async for item in job.items()] != []


async def test_a_program_calls_a_server(tmp_path: Path) -> None:
    async def main(url: str, token: str) -> list[Any]:
        async with actors.aio.connect(url, token=token) as client:
            task = await client.service(Waiter).count.send(2)
            names = [entry.name async for entry in task.follow()]
            return [await client.actor(Wallet, "a").add(5), names[-1], [value async for value in task.output()]]

    async with serving(tmp_path, Wallet, Waiter) as served:
        program = lambda: asyncio.run(main(served.url, served.token))  # noqa: E731
        assert await trio.to_thread.run_sync(program) == [5, "InvocationCompleted", [0, 1]]


@in_asyncio
async def test_a_runtime_is_served_as_one_of_trio(tmp_path: Path) -> None:
    async with actors.aio.open_runtime(Wallet, path=tmp_path / "data", serve="127.0.0.1:0") as runtime:
        assert runtime.url is not None
        token = (tmp_path / "data" / "token").read_text().strip()
        async with actors.aio.connect(runtime.url, token=token) as client:
            assert await client.actor(Wallet, "a").add(5) == 5
        assert await runtime.client.actor(Wallet, "a").count() == 5


@in_asyncio
async def test_a_directory_at_rest_is_read(tmp_path: Path) -> None:
    for total in (5, 10):
        async with actors.aio.open_runtime(Wallet, path=tmp_path / "data") as runtime:
            assert await runtime.client.actor(Wallet, "a").add(5) == total
    async with actors.aio.open_directory(tmp_path / "data") as client:
        assert (await client.object("Wallet", "a").info()).fields == {"coins": 10}
        assert (await client.examine()).findings == ()
        with pytest.raises(actors.UnavailableError):
            await client.actor(Wallet, "a").add(5)


@in_asyncio
async def test_a_cancelled_task_stops_waiting_and_the_invocation_continues() -> None:
    async with opened() as runtime:
        task = await runtime.client.service(Waiter).wait.send()
        waits = asyncio.create_task(task.result())
        await asyncio.sleep(0)
        waits.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await waits
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await task.result()
        await task.signal("go", "later")
        assert await task.result() == "later"


@in_asyncio
async def test_a_wait_that_is_cancelled_ends_in_trio_as_well() -> None:
    left = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow:
        async def __anext__(self) -> int:
            try:
                await trio.sleep_forever()
            finally:
                loop.call_soon_threadsafe(left.set)

    async with opened() as runtime:
        waits = asyncio.create_task(anext(runtime.client._backend._bridge.iterate(Slow())))
        await asyncio.sleep(0)
        waits.cancel()
        await left.wait()
        assert waits.cancelled() or waits.cancelling()


@in_asyncio
async def test_the_timeout_of_a_call_ends_the_wait() -> None:
    async with opened() as runtime:
        with pytest.raises(actors.TooSlowError) as caught:
            await runtime.client.service(Waiter).wait.options(timeout=0.01)()
        assert caught.value.invocation_id is not None
        with pytest.raises(actors.TooSlowError):
            await runtime.client.call("Waiter/wait", timeout=0.01)


@in_asyncio
async def test_errors_keep_their_types_and_tracebacks() -> None:
    async with opened() as runtime:
        with pytest.raises(actors.TerminalError, match="empty") as caught:
            await runtime.client.actor(Wallet, "a").refuse()
        lines = "".join(traceback.format_exception(caught.value))
        assert "test_errors_keep_their_types_and_tracebacks" in lines
        assert "calls.py" in lines, "the frames in trio's thread"
        with pytest.raises(actors.NotFoundError):
            await runtime.client.call("Wallet/a/nothing")


@in_asyncio
async def test_context_variables_are_those_of_the_task() -> None:
    async def who() -> str:
        return WHO.get()

    async def as_ada() -> str:
        WHO.set("ada")
        return await bridge.call(who)

    async with opened() as runtime:
        bridge = runtime.client._backend._bridge
        assert await asyncio.create_task(as_ada()) == "ada"
        assert await bridge.call(who) == "nobody"


@in_asyncio
async def test_an_iterator_is_asked_for_one_item_at_a_time_and_can_be_left() -> None:
    async with opened() as runtime:
        task = await runtime.client.service(Waiter).count.send(3)
        async for value in task.output():
            assert value == 0
            break
        assert [value async for value in task.output()] == [0, 1, 2]
        assert [chunk.value async for chunk in task.chunks()] == [0, 1, 2]
        followed = [entry.name async for entry in task.follow()]
        assert followed == [entry.name async for entry in task.events()]


@in_asyncio
async def test_an_iterator_goes_on_after_a_timeout_of_one_item() -> None:
    """As an event stream does that sends a sign of life now and then."""
    async with opened() as runtime:
        task = await runtime.client.service(Waiter).wait.send()
        entries = task.follow()
        names: list[str] = []
        while "SignalAwaited" not in names:
            names.append((await anext(entries)).name)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(entries), 0.01)
        await task.signal("go", "now")
        names += [entry.name async for entry in entries]
        assert names == [entry.name async for entry in task.events()]


@in_asyncio
async def test_an_item_that_comes_while_its_wait_is_cancelled_is_given_to_the_next() -> None:
    class Numbers:
        given = 0

        async def __anext__(self) -> int:
            await trio.lowlevel.checkpoint()
            self.given += 1
            has_given.set()
            return self.given

    async with opened() as runtime:
        numbers, has_given = runtime.client._backend._bridge.iterate(Numbers()), threading.Event()
        for number in (1, 2, 3):
            has_given.clear()
            waits = asyncio.create_task(anext(numbers))
            await asyncio.sleep(0)
            has_given.wait(LONGEST_SECONDS)  # blocks asyncio's loop
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits
            assert await anext(numbers) == number


@in_asyncio
async def test_the_results_of_a_job_go_on_after_a_wait_that_was_cancelled() -> None:
    async with opened() as runtime:
        task = await runtime.client.service(Waiter).wait.send()
        job = await runtime.client.jobs.where("service = 'Waiter'").cancel()
        await job.result()
        items = job.items()
        waits = asyncio.create_task(anext(items))
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert [item.id async for item in items] == [task.id]


@in_asyncio
async def test_a_wait_ends_with_the_block() -> None:
    async with opened() as runtime:
        client = runtime.client
        task = await client.service(Waiter).wait.send()
        waits = asyncio.create_task(task.result())
        await task.info()
    with pytest.raises(actors.UnavailableError):
        await waits
    with pytest.raises(actors.UnavailableError):
        await client.invocations()


@in_asyncio
async def test_a_block_that_is_cancelled_closes_its_runtime(tmp_path: Path) -> None:
    has_opened = asyncio.Event()

    async def program() -> None:
        async with actors.aio.open_runtime(Wallet, path=tmp_path / "data") as runtime:
            await runtime.client.actor(Wallet, "a").add(5)
            has_opened.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(program())
    await has_opened.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with actors.aio.open_runtime(Wallet, path=tmp_path / "data") as runtime:  # nobody holds it
        assert await runtime.client.actor(Wallet, "a").count() == 5


@in_asyncio
async def test_an_opening_that_is_cancelled_leaves_no_thread() -> None:
    before = threading.active_count()
    for turns in range(3):
        task = asyncio.create_task(opened().__aenter__())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not [thread for thread in threading.enumerate() if thread.name == "actors.aio"]
    assert threading.active_count() >= before


@in_asyncio
async def test_a_program_that_ends_by_an_error_closes_its_runtime(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with actors.aio.open_runtime(Wallet, path=tmp_path / "data") as runtime:
            await runtime.client.actor(Wallet, "a").add(5)
            _ = 1 / 0
    async with actors.aio.open_runtime(Wallet, path=tmp_path / "data") as runtime:
        assert await runtime.client.actor(Wallet, "a").count() == 5


class FailingDisk(MemoryStore):
    """A store whose commits fail from some moment on."""

    has_failed = False

    async def commit(self, batch: Batch) -> None:
        if self.has_failed:
            raise StoreFailed("the disk is gone")
        await super().commit(batch)


@in_asyncio
async def test_a_runtime_that_fails_cancels_its_block_and_says_why() -> None:
    disk, ended = FailingDisk(), []
    journal = KvJournal(disk, partitions=1, secret="a")
    with pytest.raises(StoreFailed, match="gone"):
        async with actors.aio.open_runtime(Wallet, journal=journal) as runtime:
            disk.has_failed = True
            with pytest.raises((actors.UnknownOutcomeError, actors.UnavailableError)):
                await runtime.client.actor(Wallet, "a").add(5)
            try:
                await asyncio.wait_for(asyncio.Event().wait(), LONGEST_SECONDS / 2)
            except BaseException as error:
                ended.append(type(error))
                raise
    assert ended == [asyncio.CancelledError]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "the cancel was for the block"


@in_asyncio
async def test_two_runtimes_live_in_one_process(tmp_path: Path) -> None:
    async with (
        actors.aio.open_runtime(Wallet, path=tmp_path / "a") as one,
        actors.aio.open_runtime(Wallet, path=tmp_path / "b") as other,
    ):
        counts = await asyncio.gather(*(each.client.actor(Wallet, "a").add(5) for each in (one, other, one)))
        assert sorted(counts) == [5, 5, 10]


@in_asyncio
async def test_a_runtime_is_closed_by_another_task_than_the_one_that_opened_it() -> None:
    """As fixtures of pytest-asyncio are, and the cells of a notebook."""
    block = opened()
    runtime = await asyncio.create_task(block.__aenter__())
    assert await asyncio.create_task(runtime.client.actor(Wallet, "a").add(5)) == 5
    await asyncio.create_task(block.__aexit__(None, None, None))


def test_a_runtime_that_cannot_open_says_why() -> None:
    async def main() -> None:
        async with actors.aio.open_runtime(Wallet):
            pytest.fail("it has no directory")

    with pytest.raises(actors.errors.DefinitionError):
        asyncio.run(main())


def test_the_parameters_are_those_for_trio() -> None:
    for ours, theirs in (
        (actors.aio.open_runtime, actors.open_runtime),
        (actors.aio.connect, actors.connect),
        (actors.aio.open_directory, actors.open_directory),
    ):
        assert inspect.signature(ours).parameters == inspect.signature(theirs).parameters


# In the wrong event loop.


async def entered(block: AbstractAsyncContextManager[Any]) -> None:
    async with block:
        pytest.fail("this is the wrong event loop")


ENTRIES: dict[str, tuple[Any, ...]] = {"open_runtime": (Wallet,), "connect": (), "open_directory": ("data",)}


@pytest.mark.parametrize("name", ENTRIES)
def test_what_is_for_trio_names_its_other_in_asyncio(name: str) -> None:
    with pytest.raises(MisuseError, match=rf"actors\.aio\.{name}\b") as caught:
        asyncio.run(entered(getattr(actors, name)(*ENTRIES[name])))
    assert caught.value.code is ErrorCode.WRONG_LOOP


@pytest.mark.parametrize("name", ENTRIES)
async def test_what_is_for_asyncio_names_its_other_in_trio(name: str) -> None:
    with pytest.raises(MisuseError, match=rf"actors\.{name}\b") as caught:
        await entered(getattr(actors.aio, name)(*ENTRIES[name]))
    assert caught.value.code is ErrorCode.WRONG_LOOP


@pytest.mark.parametrize("module", [actors, actors.aio])
def test_an_opening_needs_an_event_loop(module: Any) -> None:
    with raises(MisuseError, code="wrong_loop") as caught:
        module.open_runtime(Wallet).__aenter__().send(None)
    assert caught.value.code is ErrorCode.WRONG_LOOP


async def test_a_client_of_trio_is_refused_in_asyncio(tmp_path: Path) -> None:
    async def main(client: actors.Client) -> None:
        for wait in (client.actor(Wallet, "a").add(1), client.actor(Wallet, "a").add.send(1), client.query("select 1")):
            with raises(MisuseError, code="wrong_loop") as caught:
                await wait
            assert caught.value.code is ErrorCode.WRONG_LOOP

    async with serving(tmp_path, Wallet) as served, actors.connect(served.url, token=served.token) as remote:
        for client in (served.runtime.client, remote):
            program = lambda client=client: asyncio.run(main(client))  # noqa: E731
            await trio.to_thread.run_sync(program)
        assert await served.runtime.client.actor(Wallet, "a").count() == 0


async def test_a_client_is_refused_in_another_trio_run_before_anything_is_queued(tmp_path: Path) -> None:
    async def main(client: actors.Client, of: InvocationId) -> None:
        wallet, handle = client.actor(Wallet, "a"), client.invocation(of)
        for wait in (
            wallet.add(1),
            wallet.add.send(1),
            client.query("select 1"),
            client.invocations(),
            client.changes(),
            client.gates.list(),
            client.deployments.list(),
            client.object(Wallet, "a").info(),
            handle.info(),
            handle.cancel(),
            anext(aiter(handle.events())),
        ):
            with raises(MisuseError, code="wrong_loop"):
                await wait

    async with serving(tmp_path, Wallet) as served, actors.connect(served.url, token=served.token) as remote:
        sent = await served.runtime.client.actor(Wallet, "b").add.send(1)
        for client in (served.runtime.client, remote):
            await trio.to_thread.run_sync(trio.run, main, client, sent.id)
        assert await served.runtime.client.actor(Wallet, "a").count() == 0


async def test_an_answer_for_a_task_of_another_loop_does_not_raise_where_it_is_given() -> None:
    reply: Reply[int] = Reply()
    waiting, scope = trio.Event(), trio.CancelScope()
    token, others = trio.lowlevel.current_trio_token(), list[trio.lowlevel.TrioToken]()

    async def wait() -> None:
        others.append(trio.lowlevel.current_trio_token())
        answer = reply.wait()
        token.run_sync_soon(waiting.set)
        with scope:
            await answer

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, trio.run, wait)
        await waiting.wait()
        reply.set(1)
        others[0].run_sync_soon(scope.cancel)


async def test_a_client_is_refused_once_its_runtime_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CHECK_SECONDS", 0.0)
    async with actors.open_runtime(Wallet, path=tmp_path / "data") as runtime:
        client = runtime.client
    for wait in (client.actor(Wallet, "a").add(1), client.gates.list(), client.invocations(), client.changes()):
        with raises(UnavailableError):
            await wait


async def test_a_refusal_by_a_full_disk_names_the_directory_and_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(rocks.shutil, "disk_usage", lambda _: SimpleNamespace(free=12_345))
    async with actors.open_runtime(Wallet, path=tmp_path / "data") as runtime:
        with raises(UnavailableError) as caught:
            await runtime.client.actor(Wallet, "a").add(1)
        assert all(found in str(caught.value) for found in (str(tmp_path / "data"), "12345", str(rocks.RESERVE_BYTES)))
        assert await runtime.client.invocations() == []


async def test_a_client_of_asyncio_is_refused_in_trio() -> None:
    kept: list[actors.Client] = []

    async def main() -> None:
        async with opened() as runtime:
            kept.append(runtime.client)

    await trio.to_thread.run_sync(asyncio.run, main())
    with pytest.raises(MisuseError) as caught:
        await kept[0].actor(Wallet, "a").add(1)
    assert caught.value.code is ErrorCode.WRONG_LOOP
