"""One question, three backends, one answer: the engine of the process, a server over HTTP, and the directory once nobody runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trio

import actors
from actors import Actor, Log, Map, Service, handler
from actors.control.client import Client
from actors.errors import ActorError, ErrorCode
from actors.http.client.backend import HttpBackend
from actors.http.client.connection import Connection
from actors.http.closing import Closing
from actors.http.server.access import Guard
from actors.http.server.app import Api
from actors.http.server.asgi import AsgiApp
from journal.events import Status
from tests.raising import raises

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Question = Callable[[Client], Awaitable[Any]]


class Basket(Actor):
    total: int = 0
    lines: Log[str]
    prices: Map[str, int]

    @handler
    async def put(self, what: str, price: int) -> int:
        self.total += price
        self.lines.append(what)
        self.prices[what] = price
        return self.total


class Till(Service):
    @handler
    async def pay(self, amount: int) -> int:
        return await actors.signal("card", int) + amount


async def _items(client: Client, field: str, at: int | None = None) -> Any:
    return await client.object("Basket", "ada").items(field, at=at)


async def _history(client: Client) -> Any:
    return await client.object("Basket", "ada").history("total", newest_first=True, limit=2)


async def _state(client: Client) -> Any:
    sql = "SELECT key, field, value FROM sys_state WHERE service = ? ORDER BY 1, 2"
    return (await client.query(sql, ["Basket"])).rows


async def _first(client: Client) -> Any:
    basket = client.object("Basket", "ada")
    return await basket.info(at=(await basket.history("total", limit=1))[0].number)


async def _first_event_with_items(client: Client) -> Any:
    at = (await _first(client)).version
    return await _items(client, "prices", at=at), await _items(client, "lines", at=at)


async def _events(client: Client) -> Any:
    [waiting] = await client.invocations(service="Till")
    return [entry async for entry in client.invocation(waiting.id).events()]


async def _job(client: Client) -> Any:
    [job] = await client.jobs.list()
    handle = client.jobs.job(job.id)
    return job, await handle.info(), [item async for item in handle.items()]


async def _pages(read: Callable[[str | None], Awaitable[actors.types.Page[Any]]]) -> Any:
    """The pages of a list, each with its cursor."""
    pages = [(page := await read(None), page.next)]
    while page.next is not None:
        pages.append((page := await read(page.next), page.next))
    return pages


def _item_pages(client: Client, field: str) -> Any:
    basket = client.object("Basket", "ada")
    return _pages(lambda start: basket.items(field, start=start or "", limit=2))


QUESTIONS: dict[str, Question] = {
    "pages of invocations": lambda client: _pages(lambda after: client.invocations(limit=4, after=after)),
    "pages of a condition": lambda client: _pages(lambda after: client.invocations(where="true", limit=4, after=after)),
    "pages of objects": lambda client: _pages(lambda after: client.objects(limit=2, after=after)),
    "pages of jobs": lambda client: _pages(lambda after: client.jobs.list(limit=1, after=after)),
    "pages of a log": lambda client: _item_pages(client, "lines"),
    "pages of a map": lambda client: _item_pages(client, "prices"),
    "an unknown cursor": lambda client: client.invocations(after="none"),
    "every invocation": lambda client: client.invocations(),
    "those that are paused": lambda client: client.invocations(status=[Status.PAUSED]),
    "those of a condition": lambda client: client.invocations(where="service = 'Basket' and value > 3"),
    "one invocation's history": _events,
    "objects by name": lambda client: client.objects("Basket", limit=2),
    "objects whose keys begin alike": lambda client: client.objects(begin="a"),
    "an object": lambda client: client.object("Basket", "ada").info(),
    "an object as it was": _first,
    "a log": lambda client: _items(client, "lines"),
    "a map": lambda client: _items(client, "prices"),
    "collections as they were": _first_event_with_items,
    "a field's history": _history,
    "the audit": lambda client: client.audit(limit=3),
    "the audit's chain": lambda client: client.verify_audit(),
    "gates": lambda client: client.gates.list(),
    "limits": lambda client: client.limits.list(),
    "a job": _job,
    "SQL": _state,
    "an unknown invocation": lambda client: client.invocation("inv_1000000000050000000000000000000005").info(),
    "an unknown job": lambda client: client.jobs.job("job_none").info(),
    "an unknown deployment": lambda client: client.deployments.get("dep_none"),
    "an event that never was": lambda client: client.object("Basket", "ada").info(at=1_000),
}
REFUSED = {
    "an unknown cursor": ErrorCode.INVALID_ARGUMENT,
    "an unknown invocation": ErrorCode.NOT_FOUND,
    "an unknown job": ErrorCode.NOT_FOUND,
    "an unknown deployment": ErrorCode.NOT_FOUND,
    "an event that never was": ErrorCode.INVALID_ARGUMENT,
}


async def answers_of(client: Client) -> dict[str, Any]:
    """What it says to each question; the code of the error where that is the answer."""
    found: dict[str, Any] = {}
    for name, question in QUESTIONS.items():
        try:
            found[name] = await question(client)
        except ActorError as error:
            found[name] = error.code
    return found


async def _asked(path: Path) -> dict[str, dict[str, Any]]:
    answers: dict[str, dict[str, Any]] = {}
    async with actors.open_runtime(Basket, Till, path=path, code=None) as runtime:
        client = runtime.client
        for key in ("ada", "bob", "alan"):
            for price in (1, 2, 3):
                await client.actor(Basket, key).put(f"{key} {price % 2}", price)
        await client.gates.close("service:Basket", reason="stock-taking")
        await client.limits.set("tag:user=ada", concurrency=2)
        paying = await client.service(Till).pay.send(5)
        job = await client.jobs.where("service = 'Till'").pause(reason="no change")
        await job.result()
        async for entry in paying.follow():
            if entry.name == "InvocationPaused":
                break
        answers["local"] = await answers_of(client)
        closing = Closing()
        transport = httpx2.ASGITransport(app=AsgiApp(Api(client, Guard(tokens=None), closing), closing))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            answers["http"] = await answers_of(Client(HttpBackend(Connection(http))))
    async with actors.open_directory(path) as offline:
        answers["offline"] = await answers_of(offline)
    return answers


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return trio.run(_asked, tmp_path_factory.mktemp("backends"))


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("backend", ["http", "offline"])
def test_each_backend_answers_as_the_process_does(
    answers: dict[str, dict[str, Any]], backend: str, question: str
) -> None:
    answer = answers[backend][question]
    assert answer == answers["local"][question]
    assert answer == REFUSED[question] if question in REFUSED else answer


async def test_what_needs_a_server_says_so_and_changes_nothing(tmp_path: Path) -> None:
    async with actors.open_runtime(Basket, Till, path=tmp_path, code=None) as runtime:
        sent = await runtime.client.service(Till).pay.send(5)
    before = _written(tmp_path)
    async with actors.open_directory(tmp_path) as client:
        asked: list[Callable[[], Awaitable[Any]]] = [
            lambda: client.actor(Basket, "ada").put("soap", 1),
            lambda: client.actor(Basket, "ada").put.send("soap", 1),
            lambda: client.invocation(sent.id).cancel(),
            lambda: client.invocation(sent.id).result(),
            lambda: client.object("Basket", "ada").edit(set={"total": 0}),
            lambda: client.gates.close("everything"),
            lambda: client.gates.open("everything"),
            lambda: client.jobs.where("true").cancel(),
            lambda: client.changes(),
        ]
        for ask in asked:
            with raises(actors.UnavailableError, code="offline") as refused:
                await ask()
            assert refused.value.code is ErrorCode.OFFLINE
    assert _written(tmp_path) == before


def _written(path: Path) -> dict[Path, int]:
    # rocksdict writes its own file whenever it opens a store.
    files = [file for file in path.rglob("*") if file.is_file() and file.name != "rocksdict-config.json"]
    return {file: file.stat().st_mtime_ns for file in files}


async def test_code_is_checked_on_a_directory_that_no_process_runs(tmp_path: Path) -> None:
    path, same, other = tmp_path / "data", tmp_path / "same.py", tmp_path / "other.py"
    await trio.Path(same).write_text(SHOP)
    await trio.Path(other).write_text(SHOP.replace("+= price", "+= 2 * price"))
    async with actors.open_runtime(Basket, Till, path=path, code=None) as runtime:
        for price in (1, 2):
            await runtime.client.actor(Basket, "ada").put("soap", price)
    async with actors.open_directory(path) as client:
        [last, first] = await client.invocations()
        assert (await client.invocation(first.id).check(app=same)).is_compatible
        assert not (await client.invocation(last.id).check(app=other)).is_compatible
        summary = await client.check(app=other)
        assert (summary.checked, summary.is_compatible) == (2, False)


SHOP = """
from actors import Actor, Log, Map, handler


class Basket(Actor):
    total: int = 0
    lines: Log[str]
    prices: Map[str, int]

    @handler
    async def put(self, what: str, price: int) -> int:
        self.total += price
        self.lines.append(what)
        self.prices[what] = price
        return self.total
"""


async def test_a_directory_that_no_process_runs_is_examined(tmp_path: Path) -> None:
    async with actors.open_runtime(Basket, path=tmp_path, code=None) as runtime:
        await runtime.client.actor(Basket, "ada").put("soap", 1)
    async with actors.open_directory(tmp_path) as client:
        report = await client.examine()
    assert report.is_sound
    assert report.invocations >= 1
