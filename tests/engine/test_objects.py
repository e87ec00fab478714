"""Objects from outside: what their fields are and were, and changes to them that wait their turn."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import Actor, Log, Map, Service, handler, shared, step
from actors.types import OutcomeKind
from tests.lab import Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def wait(seconds: float) -> None:
    await trio.sleep(seconds)


class Shop(Actor):
    owner: str = "nobody"
    tags: list[str] = actors.field(factory=list)
    sales: Log[int]
    stock: Map[str, int]

    @handler
    async def sell(self, article: str, count: int) -> int:
        self.stock[article] = self.stock.get(article, 10) - count
        self.sales.append(count)
        self.tags.append(article)
        return self.stock[article]

    @handler
    async def close(self, seconds: float) -> None:
        self.owner = "the cleaner"
        await wait(seconds)

    @handler(atomic=True)
    async def fail(self) -> None:
        self.owner = "a thief"
        raise actors.TerminalError("caught")

    @shared
    async def show(self) -> tuple[str, list[str]]:
        return self.owner, self.tags


class Plain(Service):
    @handler
    async def go(self) -> None: ...


async def test_a_key_that_was_never_used_has_its_defaults() -> None:
    async with Lab(Shop).running() as runtime:
        info = await runtime.client.object(Shop, "a").info()
        assert (info.version, info.fields, info.maps) == (0, {"owner": "nobody", "tags": []}, ("stock",))
        assert await runtime.client.objects() == []


async def test_an_object_shows_its_fields_its_mailbox_and_who_holds_it() -> None:
    async with Lab(Shop).running() as runtime:
        shop = runtime.client.actor(Shop, "a")
        await shop.sell("tea", 3)
        closing = await shop.close.send(10.0)
        waiting = await shop.sell.send("tea", 1)
        info = await runtime.client.object("Shop", "a").info()
        assert info.fields == {"owner": "nobody", "tags": ["tea"]}
        assert (info.logs, info.holder, info.waiting) == ({"sales": 1}, closing.id, (waiting.id,))
        assert [name.key for name in await runtime.client.objects("Shop")] == ["a"]


async def test_an_object_can_be_seen_as_it_was_after_any_event() -> None:
    lab = Lab(Shop)
    versions: list[actors.types.ObjectInfo] = []
    stocks: list[list[tuple[str, Any]]] = []
    async with lab.running() as runtime:
        shop, kept = runtime.client.actor(Shop, "a"), runtime.client.object(Shop, "a")
        for number in range(60):
            await shop.sell(f"article {number % 7}", number)
            if number % 9 == 0:
                await kept.edit(remove={"stock": [f'"article {number % 7}"']})
            versions.append(await kept.info())
            stocks.append([(item.item, item.value) for item in await kept.items("stock")])
    async with lab.running() as runtime:
        kept = runtime.client.object(Shop, "a")
        for then, stock in zip(versions, stocks, strict=True):
            assert await kept.info(at=then.version) == then
            assert [(i.item, i.value) for i in await kept.items("stock", at=then.version)] == stock
            assert len(await kept.items("sales", at=then.version)) == then.logs["sales"]
        with raises(actors.InvalidArgumentError, path="at"):
            await kept.info(at=100_000)


async def test_an_object_that_was_never_used_is_the_same_after_any_event() -> None:
    async with Lab(Shop).running() as runtime:
        kept = runtime.client.object(Shop, "unused")
        assert await kept.info(at=3) == await kept.info()
        assert await kept.items("stock", at=3) == []


async def test_what_was_before_a_purge_is_gone_and_what_came_after_is_not() -> None:
    async with Lab(Shop).running() as runtime:
        shop, kept = runtime.client.actor(Shop, "a"), runtime.client.object(Shop, "a")
        first = await shop.sell.send("tea", 1)
        await first.result()
        between = (await kept.info()).version
        await shop.sell("tea", 2)
        await first.purge()
        with raises(actors.NotFoundError, kind="history", code="gone"):
            await kept.info(at=between)
        assert (await kept.info()).fields["tags"] == ["tea", "tea"]


async def test_a_field_has_a_history() -> None:
    async with Lab(Shop).running() as runtime:
        shop, kept = runtime.client.actor(Shop, "a"), runtime.client.object(Shop, "a")
        await shop.close(0.0)
        with pytest.raises(actors.TerminalError):
            await shop.fail()
        await kept.edit(set={"owner": "ada"}, reason="bought")
        changes = await kept.history("owner")
        assert [change.value for change in changes] == ["the cleaner", "ada"]
        assert changes[0].number < changes[1].number
        assert all(change.by.startswith("user:") for change in changes)
        assert await kept.history("owner", after=changes[0].number) == changes[1:]
        await shop.sell("tea", 1)
        await shop.sell("milk", 1)
        assert [(c.item, c.value) for c in await kept.history("stock")] == [('"tea"', 9), ('"milk"', 9)]


async def test_a_history_is_read_from_its_newest_change_back_as_it_is_read_from_its_oldest_on() -> None:
    """Also where what ends late was accepted long before: more has to be read to know what it wrote, and who had asked."""
    async with Lab(Shop).running() as runtime:
        shop, kept = runtime.client.actor(Shop, "a"), runtime.client.object(Shop, "a")
        for round_ in range(3):
            closing = await shop.close.send(10.0)
            sold = [await shop.sell.send(f"article {number % 3}", number) for number in range(20)]
            await closing.result()
            for each in sold:
                await each.result()
            await kept.edit(set={"owner": f"owner {round_}"}, items={"stock": {f'"new {n}"': n for n in range(5)}})
        for field in ("owner", "tags", "stock", "sales"):
            oldest_first = await kept.history(field, limit=1000)
            numbers = sorted({change.number for change in oldest_first})
            for size in (1, 3, 7, 1000):
                paged: list[actors.types.FieldChange] = []
                while page := await kept.history(
                    field, before=paged[-1].number if paged else None, newest_first=True, limit=size
                ):
                    paged += page
                assert paged[::-1] == oldest_first
            for after in numbers[::7]:
                behind = [change for change in oldest_first if change.number > after]
                assert (await kept.history(field, after=after, newest_first=True, limit=1000))[::-1] == behind
                assert await kept.history(field, after=after, limit=1000) == behind


async def test_what_one_event_has_changed_is_not_torn_apart_by_a_limit() -> None:
    async with Lab(Shop).running() as runtime:
        kept = runtime.client.object(Shop, "a")
        await kept.edit(items={"stock": {f'"{number}"': number for number in range(5)}})
        await kept.edit(items={"stock": {'"5"': 5}})
        assert [change.value for change in await kept.history("stock", limit=2)] == [0, 1, 2, 3, 4]
        newest = await kept.history("stock", newest_first=True, limit=2)
        assert sorted(change.value for change in newest) == [0, 1, 2, 3, 4, 5]


async def test_an_edit_changes_fields_and_says_what_they_were() -> None:
    lab = Lab(Shop)
    async with lab.running() as runtime:
        shop, kept = runtime.client.actor(Shop, "a"), runtime.client.object(Shop, "a")
        await shop.sell("tea", 3)
        edited = await kept.edit(
            set={"owner": "ada"}, clear=["tags"], items={"stock": {'"milk"': 4}}, remove={"stock": ['"tea"', '"none"']}
        )
        assert edited.changed
        assert edited.before == {
            "owner": "nobody",
            "tags": ["tea"],
            'stock["milk"]': None,
            'stock["tea"]': 7,
            'stock["none"]': None,
        }
    async with lab.running() as runtime:
        assert await runtime.client.actor(Shop, "a").show() == ("ada", [])
        stock = await runtime.client.object(Shop, "a").items("stock")
        assert [(item.item, item.value) for item in stock] == [('"milk"', 4)]


async def test_an_edit_under_a_condition_is_done_only_if_nobody_was_faster() -> None:
    async with Lab(Shop).running() as runtime:
        shop, kept = runtime.client.actor(Shop, "a"), runtime.client.object(Shop, "a")
        await shop.sell("tea", 3)
        seen = (await kept.info()).fields_version
        await kept.edit(set={"owner": "ada"}, if_version=seen)
        with raises(actors.ConflictError, code="version_conflict") as raised:
            await kept.edit(set={"owner": "bob"}, if_version=seen)
        assert raised.value.version == (await kept.info()).fields_version > seen
        assert (await shop.show())[0] == "ada"


async def test_an_edit_is_refused_while_the_key_is_held_unless_it_may_wait() -> None:
    async with Lab(Shop).running() as runtime:
        shop, kept = runtime.client.actor(Shop, "a"), runtime.client.object(Shop, "a")
        closing = await shop.close.send(10.0)
        await quiet()
        with raises(actors.ConflictError, code="key_held", match=closing.id):
            await kept.edit(set={"owner": "ada"})
        edited = await kept.edit(set={"owner": "ada"}, queue=True)
        assert edited.before == {"owner": "the cleaner"}
        assert (await shop.show())[0] == "ada"


@pytest.mark.parametrize(
    ("edit", "error", "attributes"),
    [
        ({"set": {"owner": 5}}, actors.InvalidArgumentError, {"path": "owner"}),
        ({"set": {"tags": ["a", 1]}}, actors.InvalidArgumentError, {"path": "tags[1]"}),
        ({"set": {"sales": []}}, actors.ConflictError, {"code": "not_possible", "match": "sales"}),
        ({"set": {"colour": "red"}}, actors.NotFoundError, {"kind": "field", "match": "owner, sales"}),
        ({"clear": ["sales"]}, actors.ConflictError, {"code": "not_possible", "match": "sales"}),
        ({"items": {"stock": {"tea": 1}}}, actors.InvalidArgumentError, {"path": "stock"}),
        ({"items": {"stock": {'"tea"': "many"}}}, actors.InvalidArgumentError, {"path": 'stock["tea"]'}),
        ({"items": {"owner": {'"tea"': 1}}}, actors.ConflictError, {"code": "not_possible", "match": "owner"}),
    ],
)
async def test_an_edit_that_does_not_fit_is_refused_and_nothing_of_it_is_done(
    edit: dict[str, Any], error: type[Exception], attributes: dict[str, str]
) -> None:
    async with Lab(Shop).running() as runtime:
        kept = runtime.client.object(Shop, "a")
        await kept.edit(set={"owner": "ada"})
        before = (await kept.info()).fields
        with raises(error, **attributes):
            await kept.edit(**{"set": {"tags": ["half"]}, **edit} if "set" not in edit else edit)
        assert (await kept.info()).fields == before


async def test_an_edit_of_what_is_built_in_or_of_letters_instead_of_names_is_refused() -> None:
    async with Lab(Shop).running() as runtime:
        with raises(actors.ConflictError, code="not_possible"):
            await runtime.client.object("playhead.Job", "j").edit(set={"state": "ended"})
        with raises(actors.InvalidArgumentError, path="clear"):
            await runtime.client.object(Shop, "a").edit(clear="owner")


async def test_an_edit_is_an_invocation_and_in_the_audit() -> None:
    async with Lab(Shop).running() as runtime:
        await runtime.client.object(Shop, "a").edit(set={"owner": "ada"}, reason="bought")
        (invocation,) = await runtime.client.invocations(service="Shop")
        assert invocation.target.handler == "playhead.edit"
        assert invocation.outcome is not None
        assert invocation.outcome.kind is OutcomeKind.SUCCEEDED
        (entry,) = [e for e in (await runtime.client.audit()).entries if e.verb == "edit"]
        assert (entry.target, entry.detail, entry.reason) == ("Shop/a", "owner", "bought")


async def test_a_gate_holds_no_edit() -> None:
    async with Lab(Shop).running() as runtime:
        await runtime.client.gates.close("service:Shop", reason="moving")
        edited = await runtime.client.object(Shop, "a").edit(set={"owner": "ada"})
        assert edited.changed


async def test_a_service_has_no_objects_to_look_at() -> None:
    async with Lab(Plain).running() as runtime:
        with raises(actors.ConflictError, code="not_possible"):
            await runtime.client.object(Plain, "a").info()


async def test_the_same_edit_asked_twice_under_one_key_is_done_once() -> None:
    async with Lab(Shop).running() as runtime:
        kept = runtime.client.object(Shop, "a")
        first = await kept.edit(set={"owner": "ada"}, idempotency_key="e-1")
        await kept.edit(set={"owner": "bob"})
        assert await kept.edit(set={"owner": "ada"}, idempotency_key="e-1") == first
        assert (await kept.info()).fields["owner"] == "bob"


async def test_an_object_tells_from_which_event_its_history_is_kept() -> None:
    async with Lab(Shop, retention=10.0).running() as runtime:
        shop, kept = runtime.client.actor(Shop, "a"), runtime.client.object(Shop, "a")
        assert (await kept.info()).history_from == 1
        await shop.sell("tea", 1)
        assert (await kept.info()).history_from == 1
        await trio.sleep(20.0)
        await shop.sell("tea", 2)
        info = await kept.info()
        (sold,) = await kept.history("sales")
        assert (sold.value, info.logs["sales"]) == (2, 2)
        assert 1 < info.history_from <= sold.number
        await trio.sleep(20.0)
        assert await kept.history("sales") == []
        assert (await kept.info()).history_from == (await kept.info()).version + 1
