"""``actors.sync``: the client for code that blocks, against a server and over a runtime in this process."""

from __future__ import annotations

import inspect
import os
import signal as signals
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Workflow, handler
from actors.control.client import Client as AsyncClient
from actors.model.handles import InvocationHandle as AsyncHandle
from tests.aio.programs import Waiter, Wallet
from tests.http.served import serving
from tests.raising import raises
from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Signup(Workflow):
    @handler
    async def run(self, email: str) -> str:
        return email.upper()


async def with_server(tmp_path: Path, use: Callable[[actors.sync.Client], Any], **options: Any) -> Any:
    """What the function says, which blocks in a thread."""

    def blocking(url: str, token: str) -> Any:
        with actors.sync.connect(url, token=token, **options) as client:
            return use(client)

    async with serving(tmp_path, Wallet, Waiter, Signup) as served:
        with trio.fail_after(30):
            return await trio.to_thread.run_sync(blocking, served.url, served.token, abandon_on_cancel=True)


async def test_calls_return_plain_values(tmp_path: Path) -> None:
    def use(client: actors.sync.Client) -> list[Any]:
        wallet = client.actor(Wallet, "a")
        key = wallet.add.options(idempotency_key="once")
        with pytest.raises(actors.TerminalError, match="empty"):
            wallet.refuse()
        return [
            key(2),
            key(2),
            wallet.add(coins=3, note="why"),
            wallet.count(),
            client.workflow(Signup, "ada").run("a@b"),
        ]

    assert await with_server(tmp_path, use) == [2, 2, 5, 5, "A@B"]


async def test_the_remote_control_blocks_as_well(tmp_path: Path) -> None:
    def use(client: actors.sync.Client) -> list[Any]:
        task = client.service(Waiter).wait.send()
        assert task.pause(reason="look").changed
        assert task.info().status in (actors.Status.PAUSED, actors.Status.RUNNING, actors.Status.QUEUED)
        task.resume()
        assert task.signal("go", "now").changed
        assert task.result() == client.invocation(task.id).result() == "now"
        client.actor(Wallet, "a").add(2)
        client.object(Wallet, "a").edit(set={"coins": 7})
        client.actor(Wallet, "b").add(2)
        assert client.object(Wallet, "b").delete().changed
        client.gates.close("service:Wallet", reason="a pause")
        client.gates.open("service:Wallet")
        job = client.jobs.where("service = 'Waiter'").purge()
        assert job.result().state is actors.types.JobState.DONE
        assert len([*job.items()]) == 1
        return [
            client.object(Wallet, "a").info().fields["coins"],
            [name.key for name in client.objects("Wallet")],
            client.query("select count(*) from sys_invocation where service = ?", ["Waiter"]).rows,
            {service.name for service in client.services()},
            len(client.audit(verb="pause").entries),
        ]

    assert await with_server(tmp_path, use) == [7, ["a"], [[0]], {"Wallet", "Waiter", "Signup"}, 1]


async def test_streams_are_plain_iterators(tmp_path: Path) -> None:
    def use(client: actors.sync.Client) -> list[Any]:
        task = client.service(Waiter).count.send(3)
        followed = [entry.name for entry in task.follow()]
        assert followed == [entry.name for entry in task.events()]
        assert next(task.output()) == 0  # and left half-way
        return [*task.output(), followed[-1], [chunk.value for chunk in task.chunks()]]

    assert await with_server(tmp_path, use) == [0, 1, 2, "InvocationCompleted", [0, 1, 2]]


def test_an_item_that_comes_while_its_wait_is_interrupted_is_given_to_the_next() -> None:
    class Numbers:
        given = 0

        async def __anext__(self) -> int:
            await trio.lowlevel.checkpoint()
            self.given += 1
            if self.given == 1:
                interrupt_the_wait()
            return self.given

    def interrupt_the_wait() -> None:
        waiting = threading.main_thread().ident
        assert waiting is not None
        while sys._current_frames()[waiting].f_code is not threading.Condition.wait.__code__:
            time.sleep(0)
        signals.pthread_kill(waiting, signals.SIGINT)
        is_interrupted.wait(60)

    with actors.sync.open_runtime(Wallet, durability="memory") as runtime:
        numbers, is_interrupted = runtime._loop.iterate(Numbers()), threading.Event()
        with pytest.raises(KeyboardInterrupt):
            next(numbers)
        is_interrupted.set()
        assert [next(numbers), next(numbers)] == [1, 2]


async def test_several_threads_wait_with_one_client(tmp_path: Path) -> None:
    def use(client: actors.sync.Client) -> int:
        tasks = [client.service(Waiter).wait.send() for _ in range(4)]
        found: list[str] = []
        threads = [threading.Thread(target=lambda task=task: found.append(task.result())) for task in tasks]
        for thread in threads:
            thread.start()
        for task in tasks:
            task.signal("go", "now")
        for thread in threads:
            thread.join()
        return found.count("now")

    assert await with_server(tmp_path, use) == 4


async def test_a_wait_ends_at_its_timeout_and_the_invocation_continues(tmp_path: Path) -> None:
    def use(client: actors.sync.Client) -> str:
        task = client.service(Waiter).wait.send()
        with pytest.raises(actors.TooSlowError):
            task.result()
        with pytest.raises(actors.TooSlowError):
            client.within(0.02).service(Waiter).wait()
        task.signal("go", "now")
        return client.within(None).invocation(task.id).result()

    assert await with_server(tmp_path, use, timeout=0.3) == "now"


def test_what_is_closed_says_so_also_to_those_who_wait() -> None:
    raised: list[BaseException] = []
    with actors.sync.open_runtime(Waiter, durability="memory") as runtime:
        client = runtime.client
        task = client.service(Waiter).wait.send()

        def wait() -> None:
            try:
                task.result()
            except actors.ActorError as error:
                raised.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        task.info()
    thread.join()
    with pytest.raises(actors.UnavailableError):
        client.invocations()
    assert [type(error) for error in raised] == [actors.UnavailableError]


def test_a_runtime_keeps_what_it_did(tmp_path: Path) -> None:
    for total in (5, 10):
        with actors.sync.open_runtime(Wallet, path=tmp_path / "data") as runtime:
            assert runtime.client.actor(Wallet, "a").add(5) == total
            assert runtime.unserved == ()


def test_a_runtime_that_cannot_open_says_why() -> None:
    with pytest.raises(actors.errors.DefinitionError):
        actors.sync.open_runtime(Wallet)
    with pytest.raises(actors.InvalidArgumentError):
        actors.sync.connect("http://127.0.0.1:1", token="t\n")


async def test_it_is_refused_where_it_would_stop_the_event_loop() -> None:
    with pytest.raises(actors.errors.MisuseError):
        actors.sync.connect("http://127.0.0.1:1")


def test_a_client_is_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with actors.sync.open_runtime(Wallet, durability="memory") as runtime:
        with monkeypatch.context() as forked:
            forked.setattr(os, "getpid", lambda: 0)
            with raises(actors.UnavailableError, code="unavailable"):
                runtime.client.actor(Wallet, "a").add(1)
        assert runtime.client.actor(Wallet, "a").add(1) == 1


def test_a_reference_has_no_fields() -> None:
    with actors.sync.open_runtime(Wallet, durability="memory") as runtime:
        wallet = runtime.client.actor(Wallet, "a")
        with pytest.raises(actors.errors.MisuseError):
            _ = wallet.coins
        with pytest.raises(actors.errors.MisuseError):
            wallet.coins = 5


@pytest.mark.parametrize(
    ("ours", "theirs"), [(actors.sync.Client, AsyncClient), (actors.sync.InvocationHandle, AsyncHandle)]
)
def test_each_method_is_there_with_its_words(ours: type, theirs: type) -> None:
    for name, method in inspect.getmembers(theirs):
        if not name.startswith("_"):
            assert inspect.getdoc(getattr(ours, name)) == inspect.getdoc(method)


WAITS = """
import sys
import actors.sync

with actors.sync.connect(sys.argv[1], token=sys.argv[2]) as client:
    task = client.invocation(sys.argv[3])
    print("waits", flush=True)
    task.result()
"""


async def test_an_interrupt_ends_the_wait_and_not_the_invocation(tmp_path: Path) -> None:
    def interrupt(url: str, token: str, task: str) -> str:
        command = [sys.executable, "-c", WAITS, url, token, task]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "waits\n"
            process.send_signal(signals.SIGINT)
            _, said = process.communicate(timeout=60)
        return said

    async with serving(tmp_path, Waiter) as served:
        task = await served.runtime.client.service(Waiter).wait.send()
        said = await trio.to_thread.run_sync(interrupt, served.url, served.token, task.id)
        assert said.splitlines()[-1] == "KeyboardInterrupt"
        await task.signal("go", "later")
        assert await task.result() == "later"
