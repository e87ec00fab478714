"""Values over HTTP: what a Python client sends and gets, and what others write by hand."""

from __future__ import annotations

import decimal
import enum
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from pydantic import BaseModel, Field

import actors
from actors import Actor, handler
from journal.events import Target
from tests.http.served import serving
from tests.raising import raises
from tests.values.promise import same

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.control.client import Client


class Status(enum.StrEnum):
    NEW = "new"


class Line(BaseModel):
    name: str
    price: decimal.Decimal = Field(alias="unitPrice")


class Order(BaseModel):
    lines: list[Line]


@attrs.define
class Receipt:
    by_number: dict[int, Status]
    order: Order


class Shop(Actor):
    @handler
    async def buy(self, order: Order, status: Status) -> Receipt:
        return Receipt({1: status}, order)

    anything: Any = None
    point: tuple[int, int] = (0, 0)

    @handler
    async def wait(self) -> Line:
        return await actors.signal("line", Line)

    @handler
    async def move(self, to: tuple[int, int], why: Any = None) -> tuple[int, int]:
        return to

    @handler
    async def wait_untyped(self) -> Any:
        return await actors.signal("anything")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(tmp_path, Shop) as served, served.client() as connected:
        yield connected


ORDER = Order(lines=[Line(name="tea", unitPrice=decimal.Decimal("1.50"))])


async def test_a_model_and_a_member_come_back_to_a_client_elsewhere(client: Client) -> None:
    receipt = await client.actor(Shop, "a").buy(ORDER, Status.NEW)
    assert same(receipt.by_number, {1: Status.NEW})
    assert receipt.order == ORDER


async def test_a_signal_carries_a_model_from_a_client_elsewhere(client: Client) -> None:
    task = await client.actor(Shop, "a").wait.send()
    await task.signal("line", ORDER.lines[0])
    assert await task.result() == ORDER.lines[0]


async def test_the_place_that_a_model_refuses_reaches_those_who_wrote_it(client: Client) -> None:
    with pytest.raises(actors.InvalidArgumentError) as refusal:
        await client.call_by_name(
            Target("Shop", "a", "buy"), b'{"order": {"lines": [{"name": "tea"}]}, "status": "new"}'
        )
    assert refusal.value.path == "$.order['lines'][0]['unitPrice']"
    with pytest.raises(actors.InvalidArgumentError) as refusal:
        await client.call_by_name(Target("Shop", "a", "buy"), b'{"order": {"lines": []}, "status": "gone"}')
    assert refusal.value.path == "$.status"
    assert await client.invocations() == []


async def test_a_tuple_for_a_signal_without_a_type_is_refused_from_elsewhere(client: Client) -> None:
    task = await client.actor(Shop, "a").wait_untyped.send()
    await task.signal("anything", (1, "é"))
    with raises(actors.errors.UnserializableError, path="$"):
        await task.result()


async def test_an_edit_from_elsewhere_refuses_what_a_field_would_bend(client: Client) -> None:
    handle = client.object(Shop, "a")
    await handle.edit(set={"point": (1, 2), "anything": [1, 2]})
    with pytest.raises(actors.InvalidArgumentError) as refusal:
        await handle.edit(set={"anything": (1, 2)})
    assert refusal.value.path == "anything"


async def test_json_that_others_write_is_taken_as_it_is(tmp_path: Path) -> None:
    async with serving(tmp_path, Shop) as served, served.client() as client:
        task = await client.actor(Shop, "a").wait_untyped.send()
        assert (await served.http.post(f"/invocations/{task.id}/signals/anything", json=[1, 2])).is_success
        assert await task.result() == [1, 2]
        task = await client.actor(Shop, "a").wait_untyped.send()
        await client.invocation(task.id).signal("anything", {"left": 3}, error="gone, 50 % off")
        with pytest.raises(actors.SignalFailedError) as failed:
            await task.result()
        assert (str(failed.value), failed.value.signal, failed.value.details) == (
            "gone, 50 % off",
            "anything",
            {"left": 3},
        )
        assert (await served.http.patch("/objects/Shop/a/fields", json={"set": {"point": [3, 4]}})).is_success


async def test_a_restart_from_elsewhere_takes_the_types_of_the_handler(client: Client) -> None:
    task = await client.actor(Shop, "a").move.send((1, 2))
    await task.result()
    again = (await task.restart(input={"to": (3, 4), "why": ["x"]})).successor
    assert same(await client.invocation(again.invocation_id).result(), [3, 4])
    with raises(actors.InvalidArgumentError, path="$['to']"):
        await task.restart(input={"to": (3, 4), "why": ("x",)}, again=True)
