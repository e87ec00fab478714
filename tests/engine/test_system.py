"""Built-in objects: served by every runtime, hidden unless asked for, and read without being asked."""

from __future__ import annotations

from typing import ClassVar

import pytest

from actors import Actor, NotFoundError, handler
from actors.core.gates import EVERYTHING, GateScope, ScopeKind
from actors.errors import DefinitionError
from actors.system.registry import AUDIT_SECONDS, Registry, registry_target
from actors.values.names import SYSTEM_NAMESPACE
from journal.events import PauseMode
from tests.counter import Counter
from tests.lab import Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

SERVICE = GateScope(ScopeKind.SERVICE, "Counter")


async def close(registry: Registry, scope: GateScope, reason: str = "") -> None:
    await registry.close_gate(scope, PauseMode.DRAIN, reason, "user:ada")


async def test_a_runtime_serves_its_own_objects_and_shows_them_only_when_asked() -> None:
    async with Lab(Counter).running() as runtime:
        client = runtime.client
        await client.actor(Counter, "a").add(1)
        await close(client.actor(Registry, "main"), SERVICE)
        assert [info.name for info in await client.services()] == ["Counter"]
        assert "playhead.Registry" in [info.name for info in await client.services(system=True)]
        assert {i.target.service for i in await client.invocations()} == {"Counter"}
        everything = await client.invocations(system=True)
        assert {i.target.service for i in everything} == {"Counter", "playhead.Registry"}
        assert [i.target for i in await client.invocations(service="playhead.Registry")] == [
            registry_target("close_gate")
        ]


async def test_a_built_in_object_cannot_be_called_by_name() -> None:
    async with Lab(Counter).running() as runtime:
        argument = b'{"scope": {"kind": "everything"}, "reason": "", "by": "user:somebody else"}'
        with raises(NotFoundError, kind="service"):
            await runtime.client.call_by_name(registry_target("open_gate"), argument)
        with raises(NotFoundError, kind="service"):
            await runtime.client.send_by_name(registry_target("open_gate"), argument)
        assert await runtime.client.invocations(system=True) == []


async def test_a_class_of_a_user_cannot_take_a_built_in_name() -> None:
    class Impostor(Actor):
        _namespace: ClassVar[str] = SYSTEM_NAMESPACE

        @handler
        async def act(self) -> None: ...

    for cls in (Impostor, Registry):
        with raises(DefinitionError, reason="name"):
            async with Lab(cls).running():
                pytest.fail("it was served")


@pytest.mark.parametrize("partitions", [1, 4])
async def test_what_the_registry_says_is_known_before_anything_runs_and_followed_from_there(partitions: int) -> None:
    lab = Lab(Counter, partitions=partitions)
    async with lab.running() as runtime:
        assert not runtime.engine.registry.gates
        await close(runtime.client.actor(Registry, "main"), SERVICE, "maintenance")
        [invocation] = await runtime.client.invocations(system=True)
        await runtime.engine.registry.reached(invocation.last_event)
        assert [(g.scope, g.reason, g.by) for g in runtime.engine.registry.gates] == [
            (SERVICE, "maintenance", "user:ada")
        ]
    async with lab.running() as runtime:
        view = runtime.engine.registry
        assert [g.scope for g in view.gates] == [SERVICE]
        await close(runtime.client.actor(Registry, "main"), EVERYTHING)
        await view.reached(max(i.last_event for i in await runtime.client.invocations(system=True)))
        assert [g.scope for g in view.gates] == [SERVICE, EVERYTHING]


async def test_who_changed_what_is_kept_longer_than_the_results_of_users() -> None:
    lab = Lab(Counter, retention=60.0)
    async with lab.running() as runtime:
        registry = runtime.client.actor(Registry, "main")
        await close(registry, SERVICE)
        [invocation] = await runtime.client.invocations(system=True)
        assert invocation.completed_at is not None
        assert invocation.purge_at == invocation.completed_at + AUDIT_SECONDS


async def test_the_registry_is_known_from_its_snapshot_when_its_history_is_gone() -> None:
    lab = Lab(Counter)
    async with lab.running() as runtime:
        registry, view = runtime.client.actor(Registry, "main"), runtime.engine.registry
        for number in range(60):
            await close(registry, GateScope(ScopeKind.SERVICE, f"S{number}"))
        made = await runtime.client.invocations(system=True)
        for invocation in made:  # at once: some of it before the runtime has seen it
            await runtime.client.invocation(invocation.id).purge()
        await view.reached(max(invocation.last_event for invocation in made))
        assert len(view.gates) == 60
    async with lab.running() as runtime:
        assert len(runtime.engine.registry.gates) == 60
        await close(runtime.client.actor(Registry, "main"), EVERYTHING)
        [invocation] = await runtime.client.invocations(system=True)
        await runtime.engine.registry.reached(invocation.last_event)
        assert len(runtime.engine.registry.gates) == 61
