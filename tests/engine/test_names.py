"""Names are identities: what was stored or recorded under an old name is reached by the class that has it as an alias."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import Actor, Limits, Service, Workflow, handler, shared, step
from actors.model.app import App
from actors.model.classes import definition_of
from journal.events import OutcomeKind, Status, Target
from tests.lab import WORLD, Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class Old(Actor):
    total: int = 0

    @handler
    async def plus(self, amount: int) -> int:
        self.total += amount
        return self.total

    @handler
    async def plus_later(self, amount: int) -> int:
        await actors.signal("go")
        self.total += amount
        return self.total

    @handler
    async def plus_in_steps(self, amount: int) -> int:
        await actors.run(note, f"pay {amount}", name="pay")
        await actors.signal("go")
        self.total += amount
        return self.total


class New(Actor, aliases=("Old",)):
    total: int = 0

    @handler(name="increase", aliases=("add", "plus"))
    async def grow(self, amount: int) -> int:
        self.total += amount
        return self.total

    @handler(aliases=["plus_later"])
    async def grow_later(self, amount: int) -> int:
        await actors.signal("go")
        self.total += amount
        return self.total

    @handler(aliases=("plus_in_steps",))
    async def grow_in_steps(self, amount: int) -> int:
        await actors.run(note, f"pay {amount}", name="charge", aliases=("pay",))
        await actors.signal("go")
        self.total += amount
        return self.total

    @handler
    async def send_to_itself(self, amount: int) -> None:
        await self.grow.send(amount)

    @shared
    async def name(self) -> str:
        return type(self).__name__


class Renamed(Actor, name="Old"):
    total: int = 0

    @handler(name="plus")
    async def grow(self, amount: int) -> int:
        self.total += amount
        return self.total


class OldCaller(Service):
    @handler
    async def call(self, key: str) -> int:
        first = await actors.actor(Old, key).plus(1)
        await actors.actor(Old, key).plus.send(10)
        await actors.signal("go")
        return first + await actors.actor(Old, key).plus(100)


class NewCaller(Service, name="Caller", aliases=("OldCaller",)):
    @handler
    async def call(self, key: str) -> int:
        first = await actors.actor(New, key).grow(1)
        await actors.actor(New, key).grow.send(10)
        await actors.signal("go")
        return first + await actors.actor(New, key).grow(100)


class OldSignup(Workflow):
    @handler
    async def run(self, email: str) -> str:
        await note(email)
        await actors.signal("go")
        return email


class Signup(Workflow, aliases=("OldSignup",)):
    @handler(aliases=("start",))
    async def run(self, email: str) -> str:
        await note(email)
        await actors.signal("go")
        return email.upper()

    @shared
    async def nothing(self) -> None: ...


class Watcher(Service):
    @handler
    async def watch(self, key: str) -> str:
        return await actors.invocation(actors.workflow_id(Signup, key)).result()


@step
async def note(what: str) -> None:
    WORLD.note(what)


OLD = (Old, OldCaller, OldSignup)
NEW = (New, NewCaller, Signup, Watcher)


@pytest.fixture(autouse=True)
def _no_effects_yet() -> None:
    WORLD.clear()


@pytest.fixture
def lab() -> Lab:
    return Lab(*OLD, partitions=3)


async def stored(lab: Lab, key: str = "k", amount: int = 5) -> None:
    async with lab.running() as runtime:
        await runtime.client.actor(Old, key).plus(amount)


async def by_name(client: Any, service: str, key: str, name: str, argument: bytes) -> Any:
    _, outcome = await client.call_by_name(Target(service, key, name), argument)
    assert outcome.kind is OutcomeKind.SUCCEEDED
    return outcome.value


async def test_an_object_that_was_stored_under_an_alias_is_the_same_under_all_names(lab: Lab) -> None:
    await stored(lab)
    async with lab.running(*NEW) as runtime:
        client = runtime.client
        assert await client.actor(New, "k").grow(1) == 6
        for service in ("Old", "New"):
            for name in ("increase", "add", "plus"):
                assert await by_name(client, service, "k", name, b"1") > 6
        assert (await client.object("Old", "k").info()).fields == {"total": 12}
        assert (await client.object(New, "k").info()).service == "Old"
        assert (await client.object("New", "k").edit(set={"total": 1})).before == {"total": 12}
        assert [c.value for c in await client.object(New, "k").history("total")][-1] == 1
        assert await client.actor(New, "k").name() == "New"
    async with lab.running() as runtime:
        assert await runtime.client.actor(Old, "k").plus(1) == 2


async def test_a_class_may_keep_the_name_of_another_in_the_code(lab: Lab) -> None:
    await stored(lab)
    async with lab.running(Renamed) as runtime:
        assert await runtime.client.actor(Renamed, "k").grow(1) == 6
        assert await by_name(runtime.client, "Old", "k", "plus", b"1") == 7


async def test_a_new_object_lies_under_the_name_of_the_class_however_it_is_asked_for(lab: Lab) -> None:
    await stored(lab)
    async with lab.running(*NEW) as runtime:
        client = runtime.client
        assert await by_name(client, "Old", "fresh", "plus", b"1") == 1
        assert await client.actor(New, "fresh").grow(1) == 2
        assert [(o.service, o.key) for o in await client.objects()] == [("New", "fresh"), ("Old", "k")]
        for name in ("New", "Old"):
            assert [(o.service, o.key) for o in await client.objects(name)] == [("New", "fresh"), ("Old", "k")]
            first = await client.objects(name, limit=1)
            assert [(o.service, o.key) for o in await client.objects(name, after=first.next)] == [("Old", "k")]


async def test_objects_under_both_names_are_both_there(lab: Lab) -> None:
    """Somebody renamed the class, used it, saw what was missing, and only then gave it the alias."""

    class Renaming(New):
        pass

    Renaming.__name__ = "New"
    await stored(lab, "k")
    await stored(lab, "both")
    async with lab.running(Renaming) as runtime:
        assert await runtime.client.actor(Renaming, "both").grow(1) == 1
        assert await runtime.client.actor(Renaming, "only new").grow(1) == 1
    async with lab.running(*NEW) as runtime:
        client = runtime.client
        assert await client.actor(New, "only new").grow(1) == 2
        assert await client.actor(New, "k").grow(1) == 6
        assert await client.actor(New, "both").grow(1) == 2
        assert await by_name(client, "Old", "both", "plus", b"1") == 6


async def test_what_is_under_way_goes_on_under_the_new_names(lab: Lab) -> None:
    async with lab.running() as runtime:
        client = runtime.client
        later = await client.actor(Old, "k").plus_later.send(1)
        stepped = await client.actor(Old, "l").plus_in_steps.send(2)
        queued = await client.actor(Old, "k").plus.send(10)
        delayed = await client.actor(Old, "m").plus.options(delay=100).send(7)
        await trio.sleep(1)
    async with lab.running(*NEW) as runtime:
        client = runtime.client
        for handle in (later, stepped):
            await client.invocation(handle.id).signal("go")
        assert await client.invocation(later.id).result() == 1
        assert await client.invocation(queued.id).result() == 11
        assert await client.invocation(stepped.id).result() == 2
        assert await client.invocation(delayed.id).result() == 7
        assert await client.actor(New, "m").grow(0) == 7
    assert WORLD.entries == ["pay 2"]


async def test_a_handler_that_calls_by_a_new_name_replays_what_it_called_by_the_old_one(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(OldCaller).call.send("k")
        await trio.sleep(1)
    async with lab.running(*NEW) as runtime:
        handle = runtime.client.invocation(handle.id)
        await handle.signal("go")
        assert await handle.result() == 1 + 111
        assert await runtime.client.actor(New, "k").grow(0) == 111
        report = await handle.check(deployment="keep")
        assert report.is_compatible


async def test_an_object_under_an_alias_sends_to_itself(lab: Lab) -> None:
    await stored(lab)
    async with lab.running(*NEW) as runtime:
        await runtime.client.actor(New, "k").send_to_itself(1)
        await quiet()
        assert await runtime.client.actor(New, "k").grow(0) == 6
        assert [o.service for o in await runtime.client.objects()] == ["Old"]


async def test_a_request_that_comes_again_under_another_name_is_the_same(lab: Lab) -> None:
    async with lab.running() as runtime:
        client = runtime.client
        first = await client.actor(Old, "k").plus.options(idempotency_key="r").send(5)
        called = await client.service(OldCaller).call.options(idempotency_key="r").send("x")
        signup = await client.workflow(OldSignup, "bob").run.send("b")
        await trio.sleep(1)
    async with lab.running(*NEW) as runtime:
        client = runtime.client
        again = await client.actor(New, "k").grow.options(idempotency_key="r").send(5)
        assert again.id == first.id
        assert (await client.service(NewCaller).call.options(idempotency_key="r").send("x")).id == called.id
        assert (await client.workflow(Signup, "bob").run.send("b")).id == signup.id
        watching = await client.service(Watcher).watch.send("bob")
        await client.invocation(signup.id).signal("go")
        assert await client.invocation(signup.id).result() == "B"
        assert await watching.result() == "B"
    assert WORLD.entries == ["b"]


async def test_invocations_are_listed_under_every_name(lab: Lab) -> None:
    await stored(lab, "k")
    async with lab.running(*NEW) as runtime:
        client = runtime.client
        await client.actor(New, "k").grow(1)
        await client.actor(New, "fresh").grow(1)
        for service in ("New", "Old"):
            for name in (None, "increase", "plus"):
                found = await client.invocations(service=service, handler=name)
                assert {str(one.target) for one in found} == {"New/fresh/increase", "Old/k/increase", "Old/k/plus"}
        assert len(await client.invocations(service="New", limit=2)) == 2
        assert len(await client.invocations(service="New", key="k", where="handler = 'plus'")) == 1


async def test_a_gate_holds_what_lies_under_every_name(lab: Lab) -> None:
    await stored(lab)
    async with lab.running() as runtime:
        await runtime.client.actor(Old, "k").plus_later.send(1)
        await trio.sleep(1)
    async with lab.running(*NEW) as runtime:
        client = runtime.client
        for scope in ("service:New", "handler:New/grow_later", "key:New/k"):
            answer = await client.gates.close(scope)
            assert answer.changed
            (waiting,) = await client.invocations(status=[Status.RUNNING, Status.SUSPENDED])
            assert waiting.gate is not None, scope
            assert (await client.gates.open(scope)).changed
            assert await client.gates.list() == ()


async def test_what_is_served_says_all_names(lab: Lab) -> None:
    async with lab.running(*NEW) as runtime:
        served = {service.name: service for service in await runtime.client.services()}
        assert served["New"].aliases == ("Old",)
        assert served["Caller"].aliases == ("OldCaller",)
        assert {h.name: h.aliases for h in served["New"].handlers}["increase"] == ("add", "plus")


def test_a_name_is_one_class_and_one_handler() -> None:
    async def go(self: Any) -> None: ...

    def made(called: str, **options: Any) -> type:
        return type(called, (Actor,), {"go": handler(go)}, **options)

    class Twice(Actor):
        @handler(aliases=("b",))
        async def a(self) -> None: ...

        @handler
        async def b(self) -> None: ...

    for first, second in (
        (made("A"), made("A")),
        (made("A"), made("B", name="A")),
        (made("A"), made("B", aliases=("A",))),
        (made("A", aliases=("C",)), made("B", aliases=("C",))),
    ):
        with raises(actors.errors.DefinitionError, reason="duplicate"):
            App([first, second])
    with raises(actors.errors.DefinitionError, reason="duplicate", name="Twice.b"):
        definition_of(Twice)
    with raises(actors.errors.DefinitionError, reason="kind", name="W"):
        definition_of(type("W", (Workflow,), {"run": handler(name="start")(go)}))
    App([made("A", aliases=("B",)), type("C", (made("B", aliases=("D",)),), {})])


@pytest.mark.parametrize(
    "options",
    [
        {"name": "no name"},
        {"name": ""},
        {"name": 5},
        {"name": "x" * 300},
        {"name": "playhead.registry"},
        {"aliases": "Old"},
        {"aliases": ("a/b",)},
        {"aliases": (None,)},
        {"aliases": ("A", "A")},
        {"name": "A", "aliases": ("A",)},
        {"aliases": {"A": 1}},
    ],
)
def test_what_is_no_name_is_refused_where_it_is_given(options: dict[str, Any]) -> None:
    async def go(self: Any) -> None: ...

    with pytest.raises(actors.errors.DefinitionError):
        type("Made", (Actor,), {"go": handler(go)}, **options)
    for decorate in (handler, shared):
        with pytest.raises(actors.errors.DefinitionError):
            decorate(**options)(go)


@pytest.mark.parametrize("name", ["jobs", "objects"])
def test_a_name_of_the_remote_control_is_refused_as_name_and_as_alias(name: str) -> None:
    for options in ({"name": name}, {"aliases": (name,)}):
        with raises(actors.errors.DefinitionError, reason="name", name=name):
            definition_of(type("Made", (Old,), {}, **options))


async def test_suspended_ones_find_their_aliases_too() -> None:
    lab = Lab(*OLD, limits=Limits(unload_after_seconds=1.0))
    async with lab.running() as runtime:
        later = await runtime.client.actor(Old, "k").plus_later.send(1)
        await trio.sleep(10)
    async with lab.running(*NEW) as runtime:
        await trio.sleep(10)
        later = runtime.client.invocation(later.id)
        await later.signal("go")
        assert await later.result() == 1
