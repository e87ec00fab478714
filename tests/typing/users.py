"""What users write, and the types that the checkers must find for it: read by them, never run."""

from __future__ import annotations

from typing import Literal, assert_type

import actors
from actors import (
    Actor,
    Client,
    InvocationHandle,
    InvocationId,
    Log,
    Map,
    Service,
    Webhook,
    WebhookRequest,
    Workflow,
    handler,
    shared,
    step,
    update,
)


@step
async def fetch(url: str) -> bytes:
    return url.encode()


@step(retry=actors.RetryPolicy(max_attempts=3), timeout=5.0)
def count_words(text: str, *, separator: str = " ") -> int:
    return len(text.split(separator))


async def plain(number: int, text: str) -> float:
    return number / len(text)


class Counter(Actor):
    value: int = 0
    names: list[str] = actors.field(factory=list)
    lines: Log[str]
    prices: Map[str, int]

    @handler
    async def add(self, amount: int, note: str = "") -> int:
        assert_type(self.value, int)
        assert_type(self.names, list[str])
        assert_type(self.lines[0], str)
        assert_type(self.lines[1:], list[str])
        assert_type(self.prices["tea"], int)
        assert_type(self.prices.get("tea"), int | None)
        assert_type(self.key, str)
        self.value += amount
        return self.value

    @handler(atomic=True, retention=3600)
    async def reset(self) -> None:
        self.value = 0

    @shared
    async def current(self) -> int:
        return self.value


class Agent(Service):
    @handler(retry=actors.RetryPolicy(max_attempts=None))
    async def answer(self, question: str) -> list[str]:
        assert_type(await fetch(question), bytes)
        assert_type(await count_words(question, separator=","), int)
        assert_type(await actors.run(plain, 1, "a"), float)
        assert_type(await actors.signal("approved", bool), bool)
        assert_type(await actors.signal("words", list[str]), list[str])
        assert_type(await actors.signal("number", int | None), int | None)
        assert_type(await actors.signal("either", int | str | None), int | str | None)
        assert_type(await actors.signal("word", Literal["yes", "no"]), Literal["yes", "no"])
        anything: object = await actors.signal("anything")
        print(anything)
        counter = actors.actor(Counter, "bob")
        assert_type(await counter.add(1), int)
        assert_type(await counter.add(1, note="why"), int)
        assert_type(await counter.add.send(1), InvocationHandle[int])
        assert_type(await counter.add.options(delay=5).send(1), InvocationHandle[int])
        assert_type(await (await counter.add.send(1)).result(), int)
        assert_type(await actors.service(Agent).answer("why"), list[str])
        with actors.move_on_after(5) as scope:
            assert_type(scope.deadline, float)
            scope.deadline += 5
            await actors.sleep(1)
        assert_type(scope.cancelled_caught, bool)
        async with actors.open_nursery() as nursery:
            nursery.start_soon(fetch, question)
        assert_type(actors.current_invocation(), InvocationId)
        return [question]


def not_empty(signup: Signup, email: str) -> None:
    assert_type(signup.email, str)


class Signup(Workflow):
    email: str = ""

    @handler
    async def run(self, email: str) -> bool:
        return bool(email)

    @update(validate=not_empty)
    async def change_email(self, email: str) -> int:
        return len(email)

    @update
    async def give_up(self) -> None: ...


async def outside(client: Client) -> None:
    counter = client.actor(Counter, "bob")
    assert_type(await counter.add(1), int)
    assert_type(await counter.current(), int)
    assert_type(await counter.reset.send(), InvocationHandle[None])
    assert_type(await counter.add.options(idempotency_key="k", timeout=1.0)(1), int)
    assert_type(await client.service(Agent).answer("why"), list[str])
    signup = client.workflow(Signup, "ada")
    assert_type(await signup.run("ada@example.org"), bool)
    assert_type(await signup.change_email("ada@example.com"), int)
    assert_type(await signup.change_email.send("ada@example.com"), InvocationHandle[int])
    assert_type(await signup.change_email.options(idempotency_key="k", timeout=1.0)("ada@example.com"), int)
    assert_type(await signup.give_up(), None)
    info = await client.invocation("inv_1").info()
    assert_type(info.status, actors.Status)


class Hooks(Service):
    @handler(webhook=Webhook("github", secret="SECRET"), private=True)
    async def pushed(self, request: WebhookRequest) -> bool:
        question = await actors.ask("go", text="Go?")
        assert_type(await question.answer(), bool)
        size = await actors.ask("size", {"small": 1, "large": 2}, text="Which?")
        assert_type(await size.answer(), int)
        return True


async def hooks(client: Client) -> None:
    assert_type(await client.service(Hooks).pushed(WebhookRequest(headers={}, body=b"")), bool)


async def embedded() -> None:
    async with actors.open_runtime(Counter, Agent, Signup, path="data") as runtime:
        await outside(runtime.client)


async def remote() -> None:
    async with actors.connect("http://127.0.0.1:9070", token="t") as client:
        await outside(client)


async def in_asyncio() -> None:
    async with actors.aio.open_runtime(Counter, Agent, Signup, path="data", retention=3600) as runtime:
        await outside(runtime.client)
    async with actors.aio.connect("http://127.0.0.1:9070", token="t") as client:
        await outside(client)
        async for entry in client.invocation("inv_1").follow():
            assert_type(entry, actors.types.JournalEntry)
    async with actors.aio.open_directory("data") as kept:
        assert_type(await kept.examine(), actors.types.FsckReport)


def blocking() -> None:
    with actors.sync.connect("http://127.0.0.1:9070", token="t", timeout=5) as client:
        counter = client.actor(Counter, "bob")
        assert_type(counter.add(1), int)
        assert_type(counter.add(1, note="why"), int)
        assert_type(counter.add.send(1), actors.sync.InvocationHandle[int])
        assert_type(counter.add.options(timeout=5)(1), int)
        assert_type(counter.add.send(1).result(), int)
        assert_type(client.service(Agent).answer("why"), list[str])
        assert_type(client.workflow(Signup, "ada").change_email("ada@example.com"), int)
        assert_type(client.within(5).workflow(Signup, "ada").run("ada@example.org"), bool)
        assert_type(client.invocation("inv_1").info().status, actors.Status)
        for entry in counter.add.send(1).follow():
            assert_type(entry, actors.types.JournalEntry)
        assert_type(client.jobs.where("status = 'failed'").cancel(), actors.sync.JobHandle)
    with actors.sync.open_runtime(Counter, path="data") as runtime:
        assert_type(runtime.client.actor(Counter, "bob").add(1), int)
