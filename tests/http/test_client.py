"""One contract for a client, in the process of the runtime and over HTTP."""

from __future__ import annotations

import json
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

import actors
from actors import Actor, RetryPolicy, Service, Status, Workflow, handler, shared, step
from actors.control.client import Client
from actors.errors import ErrorCode, ResourceKind
from actors.http.client import opening
from actors.model.requests import CallOptions
from actors.types import OutcomeInfo, OutcomeKind
from journal.events import Target
from tests.http.served import serving
from tests.lab import WORLD
from tests.raising import raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    OpenClient = Callable[[], AbstractAsyncContextManager[Client]]

GONE = "inv_1" + "0" * 33


class NotEnough(actors.TerminalError):
    http_status = 422


@step
async def effect(name: str) -> str:
    WORLD.note(name)
    return name


@step(retry=RetryPolicy(initial_delay=0.01))
async def stutter() -> None:
    WORLD.note("try")
    for word in "ab":
        actors.emit(word)
    if WORLD.count("try") == 1:
        raise ConnectionError("the model hung up")
    actors.emit("c")


class Account(Actor):
    balance: int = 0

    @handler
    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @handler
    async def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise NotEnough(f"balance is {self.balance}, asked for {amount}", details={"balance": self.balance})
        self.balance -= amount
        return self.balance

    @handler
    async def transfer(self, amounts: list[int], to: str = "x") -> dict[str, int]:
        return {to: sum(amounts)}

    @shared
    async def read(self) -> int:
        return self.balance


class Task(Service):
    @handler
    async def work(self, name: str) -> str:
        await effect(f"begin {name}")
        actors.emit(f"{name} begins")
        approved = await actors.signal("approval", bool)
        actors.emit(f"{name} ends")
        return f"{name} {approved}"

    @handler(retry=RetryPolicy(max_attempts=1, on_exhausted="fail"))
    async def stumble(self) -> None:
        raise ValueError("a stone")

    @handler
    async def miss(self) -> None:
        raise actors.NotFoundError("the report was purged", kind=ResourceKind.FILE, code=ErrorCode.GONE)

    @handler
    async def stutter(self) -> None:
        await stutter()
        actors.emit("end")

    @handler
    async def forward(self, to: actors.InvocationId) -> str:
        return str(await actors.invocation(to).result())

    @handler
    async def steer(self) -> None:
        other = actors.invocation((await actors.service(Task).work.send("steered")).id)
        await other.pause(reason="look")
        await other.resume(reason="seen")
        await other.signal("approval", False)
        made = await other.restart(stop="cancel", reason="wrong")
        await actors.invocation(made.successor.invocation_id).kill(reason="enough")


class Once(Workflow):
    @handler
    async def run(self, number: int) -> int:
        await effect("once")
        return number


@pytest.fixture(params=["in the process", "over HTTP"])
def open_client(request: pytest.FixtureRequest, tmp_path: Path) -> OpenClient:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Client]:
        async with serving(tmp_path, Account, Task, Once) as served:
            if request.param == "in the process":
                yield served.runtime.client
                return
            async with served.client() as client:
                yield client

    return opened


async def status(client: Client, of: str, *wanted: Status) -> None:
    with trio.fail_after(20):
        while (await client.invocation(of).info()).status not in wanted:
            await trio.sleep(0.01)


# Calls.


async def test_a_call_gives_what_the_handler_returns(open_client: OpenClient) -> None:
    async with open_client() as client:
        account = client.actor(Account, "a/b ü%")
        assert await account.deposit(5) == 5
        assert await account.read() == 5
        assert await account.transfer([1, 2], to="bob") == {"bob": 3}
        assert await client.actor(Account, "other").read() == 0


async def test_a_typed_error_arrives_as_itself(open_client: OpenClient) -> None:
    async with open_client() as client:
        with raises(NotEnough, details={"balance": 0}) as raised:
            await client.actor(Account, "a").withdraw(5)
        assert raised.value.invocation_id is not None
        info = await client.invocation(raised.value.invocation_id).info()
        assert info.outcome is not None
        assert info.outcome.kind is OutcomeKind.FAILED


async def test_another_error_is_named(open_client: OpenClient) -> None:
    async with open_client() as client:
        with pytest.raises(actors.TerminalError, match="a stone") as raised:
            await client.service(Task).stumble()
        assert raised.value.type == "builtins.ValueError"


async def test_what_does_not_fit_is_refused_with_its_place_and_leaves_nothing(open_client: OpenClient) -> None:
    async with open_client() as client:
        with pytest.raises(actors.InvalidArgumentError):
            await client.actor(Account, "a").deposit("five")  # type: ignore[arg-type]
        with pytest.raises(actors.InvalidArgumentError) as raised:
            await client.call_by_name(Target("Account", "a", "transfer"), b'{"amounts": [1, "two"]}')
        assert raised.value.path == "$.amounts[1]"
        with raises(actors.NotFoundError, kind="handler"):
            await client.call_by_name(Target("Account", "a", "nothing"))
        with raises(actors.NotFoundError, kind="service"):
            await client.call_by_name(Target("Nobody", None, "nothing"))
        with raises(actors.LimitExceededError, limit="key_bytes", found=2_000):
            await client.send_by_name(Target("Account", "k" * 2_000, "read"))
        assert await client.invocations() == []


async def test_a_call_by_name_says_how_it_ended(open_client: OpenClient) -> None:
    async with open_client() as client:
        of, outcome = await client.call_by_name(Target("Account", "a", "deposit"), b"5")
        assert (outcome.kind, outcome.value) == (OutcomeKind.SUCCEEDED, 5)
        assert (await client.invocation(of).info()).target == Target("Account", "a", "deposit")
        _, outcome = await client.call_by_name(Target("Account", "a", "withdraw"), b"50")
        assert outcome.kind is OutcomeKind.FAILED
        assert outcome.failure is not None
        assert outcome.failure.message == "balance is 5, asked for 50"


async def test_an_awaited_outcome_is_the_record_that_info_shows(open_client: OpenClient) -> None:
    async with open_client() as client:
        for handle in (
            await client.actor(Account, "a").deposit.send(7),
            await client.actor(Account, "b").withdraw.send(50),
            await client.service(Task).miss.send(),
        ):
            awaited = await handle.outcome()
            recorded = (await handle.info()).outcome
            assert recorded is not None
            assert without_traceback(awaited) == without_traceback(recorded)


def without_traceback(outcome: OutcomeInfo) -> OutcomeInfo:
    """A traceback is not sent to those who wait."""
    failure = outcome.failure
    return outcome if failure is None else attrs.evolve(outcome, failure=attrs.evolve(failure, traceback=""))


async def test_a_failure_has_a_code_if_the_error_is_of_this_package(open_client: OpenClient) -> None:
    async with open_client() as client:
        for handle, code in (
            (await client.service(Task).miss.send(), ErrorCode.GONE),
            (await client.service(Task).stumble.send(), None),
            (await client.actor(Account, "a").withdraw.send(50), None),
        ):
            failure = (await handle.outcome()).failure
            assert failure is not None
            assert failure.code is code


async def test_a_call_is_given_up_in_time_and_goes_on(open_client: OpenClient) -> None:
    async with open_client() as client:
        with pytest.raises(actors.TooSlowError):
            await client.service(Task).work.options(timeout=0.2)("slow")
        (info,) = await client.invocations()
        await client.invocation(info.id).signal("approval", True)
        assert await client.invocation(info.id).result() == "slow True"


# Sends, and doing things once.


async def test_a_message_is_sent_and_its_result_awaited(open_client: OpenClient) -> None:
    async with open_client() as client:
        handle = await client.actor(Account, "a").deposit.send(7)
        assert await handle.result() == 7
        assert (await handle.outcome()).value == 7


async def test_a_delayed_message_waits(open_client: OpenClient) -> None:
    async with open_client() as client:
        handle = await client.actor(Account, "a").deposit.options(delay=3600).send(7)
        info = await handle.info()
        assert info.status is Status.SCHEDULED
        assert info.scheduled_for is not None
        assert info.scheduled_for - info.created_at == pytest.approx(3600, abs=30)
        assert (await handle.cancel(reason="not today")).after is Status.COMPLETED


async def test_an_idempotency_key_does_it_once(open_client: OpenClient) -> None:
    async with open_client() as client:
        add = client.actor(Account, "a").deposit.options(idempotency_key="k")
        assert (await add(5), await add(5)) == (5, 5)
        first, second = await add.send(5), await add.send(5)
        assert first.id == second.id
        sent = await client.send_by_name(Target("Account", "a", "deposit"), b"5", CallOptions(idempotency_key="k"))
        assert (sent.invocation_id, sent.is_new) == (first.id, False)
        with raises(actors.ConflictError, code="idempotency_conflict"):
            await add(6)
        assert await client.actor(Account, "a").read() == 5


async def test_a_workflow_runs_once(open_client: OpenClient) -> None:
    async with open_client() as client:
        assert [await client.workflow(Once, "w").run(3) for _ in range(2)] == [3, 3]
        assert WORLD.count("once") == 1


# Verbs.


async def test_verbs_say_what_they_changed(open_client: OpenClient) -> None:
    async with open_client() as client:
        handle = await client.service(Task).work.send("a")
        await status(client, handle.id, Status.RUNNING, Status.SUSPENDED)
        paused = await handle.pause(reason="look")
        assert (paused.changed, paused.after) == (True, Status.PAUSED)
        assert not (await handle.pause()).changed
        assert (await handle.info()).pause_reason == "look"
        assert (await handle.resume()).before is Status.PAUSED
        await handle.signal("approval", False)
        assert await handle.result() == "a False"
        with raises(actors.ConflictError, code="already_completed"):
            await handle.cancel()
        assert (await handle.purge()).changed
        with raises(actors.NotFoundError, kind="invocation"):
            await handle.info()


async def test_a_verb_under_a_key_is_done_once(open_client: OpenClient) -> None:
    async with open_client() as client:
        handle = await client.service(Task).work.send("a")
        first = await handle.pause(idempotency_key="p")
        await handle.resume()
        again = await handle.pause(idempotency_key="p")
        assert (first.changed, again.changed) == (True, True)
        assert (await handle.info()).status is not Status.PAUSED


async def test_cancelled_and_killed_are_told_apart(open_client: OpenClient) -> None:
    async with open_client() as client:
        first, second = [await client.service(Task).work.send(name) for name in "ab"]
        await first.cancel(reason="enough")
        await second.kill(reason="at once")
        with raises(actors.InvocationCancelledError, details="enough"):
            await first.result()
        with raises(actors.InvocationCancelledError, code="killed"):
            await second.result()
        assert (await first.outcome()).kind is OutcomeKind.CANCELLED
        assert (await second.outcome()).kind is OutcomeKind.KILLED


async def test_a_failure_of_one_that_awaited_a_cancelled_one_is_a_failure(open_client: OpenClient) -> None:
    async with open_client() as client:
        inner = await client.service(Task).work.send("a")
        outer = await client.service(Task).forward.send(inner.id)
        await inner.cancel(reason="enough")
        assert (await outer.outcome()).kind is OutcomeKind.FAILED
        with pytest.raises(actors.InvocationCancelledError):
            await outer.result()


async def test_a_restart_gives_a_new_one_that_keeps_what_came_before(open_client: OpenClient) -> None:
    async with open_client() as client:
        handle = await client.service(Task).work.send("a")
        await handle.signal("approval", True)
        await handle.result()
        answer = await handle.restart("approval", reason="again")
        assert answer.successor is not None
        again = client.invocation(answer.successor.invocation_id)
        await again.signal("approval", False)
        assert await again.result() == "a False"
        assert WORLD.count("begin a") == 1


async def test_an_unknown_invocation_and_no_invocation_at_all(open_client: OpenClient) -> None:
    async with open_client() as client:
        nobody = client.invocation(GONE)
        for ask in (nobody.info, nobody.result, nobody.cancel, nobody.kill, nobody.purge):
            with raises(actors.NotFoundError, kind="invocation"):
                await ask()
        with raises(actors.NotFoundError, kind="invocation"):
            async for _ in nobody.events():
                pass
        with pytest.raises(actors.errors.MalformedIdError):
            client.invocation("hello")


# Looking.


async def test_the_history_is_read_and_followed_to_its_end(open_client: OpenClient) -> None:
    async with open_client() as client:
        handle = await client.service(Task).work.send("a")
        await status(client, handle.id, Status.RUNNING, Status.SUSPENDED)
        so_far = [entry async for entry in handle.events()]
        assert so_far[0].name == "InvocationAccepted"
        heard: list[str] = []

        async def follow() -> None:
            heard.extend([entry.name async for entry in handle.follow(after=so_far[0].number)])

        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                await handle.signal("approval", True)
        assert heard[-1] == "InvocationCompleted"
        assert "InvocationAccepted" not in heard
        assert heard == [entry.name async for entry in handle.events(after=so_far[0].number)]


async def test_following_may_be_left_half_way(open_client: OpenClient) -> None:
    async with open_client() as client:
        handle = await client.service(Task).work.send("a")
        async for entry in handle.follow():
            assert entry.name == "InvocationAccepted"
            break
        async for word in handle.output():
            assert word == "a begins"
            break


async def test_output_comes_as_it_is_emitted_and_ends(open_client: OpenClient) -> None:
    async with open_client() as client:
        handle = await client.service(Task).work.send("a")
        words: list[str] = []
        with trio.fail_after(20):
            async for word in handle.output():
                words.append(word)
                if len(words) == 1:
                    await handle.signal("approval", True)
        assert words == ["a begins", "a ends"]
        assert [word async for word in handle.output()] == words


async def test_every_piece_of_output_says_its_step_its_try_and_its_offset(open_client: OpenClient) -> None:
    async with open_client() as client:
        handle = await client.service(Task).stutter.send()
        with trio.fail_after(20):
            live = [chunk async for chunk in handle.chunks(live=True)]
            settled = [chunk async for chunk in handle.chunks()]
        told = [(chunk.value, chunk.step, chunk.attempt, chunk.offset) for chunk in settled]
        assert told == [("a", "1", 2, 0), ("b", "1", 2, 1), ("c", "1", 2, 2), ("end", "", 0, 0)]
        first = next(n for n, chunk in enumerate(live) if chunk.is_reset)
        assert [chunk.value for chunk in live[:first]] == ["a", "b"]
        assert live[first + 1 :] == settled
        assert [word async for word in handle.output()] == ["a", "b", "c", "end"]
        rest = [chunk async for chunk in handle.chunks(after=settled[0].number)]
        assert rest == settled[1:]


async def test_following_ends_when_it_is_purged(open_client: OpenClient) -> None:
    async with open_client() as client:
        handle = await client.service(Task).work.send("a")
        entries = handle.follow()
        await anext(entries)
        await handle.kill()
        await handle.purge()
        with trio.fail_after(20):
            async for _ in entries:
                pass


async def test_invocations_are_listed_by_what_they_are(open_client: OpenClient) -> None:
    async with open_client() as client:
        for key in "abc":
            await client.actor(Account, key).deposit(1)
        task = await client.service(Task).work.send("a")
        assert len(await client.invocations()) == 4
        assert [info.target.key for info in await client.invocations(service="Account", limit=2)] == ["c", "b"]
        assert [info.target.key for info in await client.invocations(key="a")] == ["a"]
        open_ones = await client.invocations(status=[Status.RUNNING, Status.SUSPENDED])
        assert [info.id for info in open_ones] == [task.id]


async def test_services_and_the_audit_are_the_same_from_everywhere(open_client: OpenClient) -> None:
    async with open_client() as client:
        assert [info.name for info in await client.services()] == ["Account", "Task", "Once"]
        handle = await client.service(Task).work.send("a")
        for reason in "abc":
            await handle.pause(reason=reason)
        page = await client.audit(target=handle.id, limit=2)
        assert [row.reason for row in page.entries] == ["c", "b"]
        rest = await client.audit(target=handle.id, after=page.next)
        assert [row.reason for row in rest.entries] == ["a"]
        assert (await client.verify_audit()).is_whole
        with raises(actors.InvalidArgumentError, path="after"):
            await client.audit(after="nonsense")


# What only a connection can do wrong.


async def test_a_wrong_token_and_a_short_one_are_told_so(tmp_path: Path) -> None:
    from actors.http.routes import TokenScope

    async with serving(tmp_path, Account) as served:
        async with served.client("wrong") as client:
            with raises(actors.errors.AccessDeniedError, code="unauthenticated"):
                await client.services()
        async with served.client(served.tokens.create("reader", TokenScope.READ)) as client:
            assert await client.services()
            with raises(actors.errors.AccessDeniedError, code="forbidden"):
                await client.invocation(GONE).kill()


async def test_nobody_there_is_unavailable() -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    async with actors.connect(f"http://127.0.0.1:{port}", token="x") as client:
        with raises(actors.UnavailableError, code="unavailable"):
            await client.services()
    async with actors.connect("ftp://127.0.0.1", token="x") as client:
        with pytest.raises(actors.InvalidArgumentError):
            await client.services()


async def test_certificates_are_read_once_and_only_for_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda context, *_, **__: read.append(context))
    opening._trusted.cache_clear()
    for url, contexts in (("http://127.0.0.1:1", 0), ("https://127.0.0.1:1", 1), ("https://127.0.0.1:2", 1)):
        async with actors.connect(url, token="x"):
            assert len({*map(id, read)}) == contexts
    opening._trusted.cache_clear()


async def test_a_connection_that_breaks_leaves_the_outcome_unknown() -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(trio.serve_tcp, hang_up, 0)
        port = listeners[0].socket.getsockname()[1]
        async with actors.connect(f"http://127.0.0.1:{port}", token="x") as client:
            with raises(actors.UnknownOutcomeError, code="outcome_unknown"):
                await client.actor(Account, "a").deposit(1)
        nursery.cancel_scope.cancel()


async def test_what_stands_between_may_say_no_in_its_own_words() -> None:
    async def proxy(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\nconnection: close\r\n\r\noops!")
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(trio.serve_tcp, proxy, 0)
        port = listeners[0].socket.getsockname()[1]
        async with actors.connect(f"http://127.0.0.1:{port}", token="x") as client:
            with pytest.raises(actors.UnavailableError, match="502: oops!"):
                await client.services()
        nursery.cancel_scope.cancel()


async def test_the_history_of_a_handler_that_steers_another_says_what_it_asked_for(open_client: OpenClient) -> None:
    async with open_client() as client:
        handle = await client.service(Task).steer.send()
        await handle.result()
        asked = [entry.details async for entry in handle.events() if entry.name == "VerbScheduled"]
        verbs = ["pause", "resume", "signal", "restart", "kill"]
        assert [details["verb"] for details in asked] == verbs
        assert [details["argument"]["reason"] for details in asked if details["verb"] != "signal"] == [
            "look", "seen", "wrong", "enough"
        ]  # fmt: skip
        assert asked[2]["argument"] == {"name": "approval", "value": False, "error": None}
        rows = await client.query("SELECT details FROM sys_journal WHERE name = 'VerbScheduled' ORDER BY number")
        assert [json.loads(str(details)) for (details,) in rows.rows] == asked
