"""What runs stays on the code that it began on; what is new takes the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Limits
from actors.code.discovery import snapshot_of
from actors.code.loading import load, unload
from actors.model.handles import InvocationHandle
from journal.events import OutcomeKind, PauseCause, Status
from journal.kv.memory import MemoryStore
from tests.deployments.apps import write
from tests.deployments.shop import Shop, shop, waits
from tests.lab import WORLD, cause_of_pause
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.code.loading import Loaded
    from actors.model.info import InvocationInfo

__all__ = ["shop"]
pytestmark = on_virtual_time

APP = """
    import actors
    from tests.lab import WORLD
    VERSION = {version}

    class Declined(actors.TerminalError): ...

    @actors.step
    async def work(what: str) -> str:
        WORLD.note(f"{{what}} on {version}")
        return what

    class Agent(actors.Service):
        @actors.handler
        async def think(self) -> int:
            return VERSION

        @actors.handler
        async def decline(self) -> None:
            raise Declined("no")

        @actors.handler
        async def run(self) -> list[int | str]:
            before = await work("begin")
            go = await actors.signal("go", str)
            if go == "decline":
                try:
                    await actors.service(Agent).decline()
                except Declined:
                    return [VERSION, "declined"]
            return [VERSION, await actors.service(Agent).think()]

    class Counter(actors.Actor):
        value: int = 0

        @actors.handler
        async def add(self, amount: int) -> list[int]:
            self.value += amount
            await actors.signal("go", str)
            return [VERSION, self.value]
"""


async def paused(handle: InvocationHandle[Any]) -> InvocationInfo:
    """Let it come to where it is held."""
    with trio.fail_after(60):
        while (await handle.info()).status is not Status.PAUSED:
            await trio.sleep(0.1)
    return await handle.info()


async def test_what_began_on_old_code_ends_on_it_after_a_start_on_new_files(shop: Shop) -> None:
    one = shop.write(1, APP)
    async with shop.running() as runtime:
        handle = await runtime.client.service(shop.app.Agent).run.send()
        await waits(handle)
        assert (await handle.info()).deployment == one
    two = shop.write(2, APP)
    async with shop.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        assert await runtime.client.service(shop.app.Agent).think() == 2
        assert (await handle.info()).deployment == one
        await handle.signal("go", "on")
        assert await handle.result() == [1, 2], "it goes on on its own code, and what it calls is new"
        known = await runtime.client.deployments.list()
        assert [(d.id, d.is_latest, d.is_served, d.open_invocations) for d in known] == [
            (two, True, True, 0),
            (one, False, False, 0),
        ]
    assert WORLD.entries == ["begin on 1"], "what was done is not done again"


async def test_old_code_is_loaded_when_something_runs_on_it_and_not_before(shop: Shop) -> None:
    one = shop.write(1, APP)
    async with shop.running() as runtime:
        handle = await runtime.client.service(shop.app.Agent).run.send()
        await waits(handle)
        await handle.pause()
    shop.close()
    shop.write(2, APP)
    async with shop.running() as runtime:
        assert not (await runtime.client.deployments.get(one)).is_loaded
        handle = runtime.client.invocation(handle.id)
        await handle.resume()
        await handle.signal("go", "on")
        assert await handle.result() == [1, 2]
        assert (await runtime.client.deployments.get(one)).is_loaded


async def test_objects_that_leave_memory_while_their_code_is_loaded_run_once(shop: Shop) -> None:
    shop.lab.limits = Limits(idle_objects=1)
    shop.write(1, APP)
    keys = [f"k{number}" for number in range(6)]
    async with shop.running() as runtime:
        sent = [await runtime.client.actor(shop.app.Counter, key).add.send(1) for key in keys]
        for handle in sent:
            await waits(handle)
        await runtime.client.gates.close("everything", mode="now")
        more = [await runtime.client.actor(shop.app.Counter, key).add.send(1) for key in keys]
    shop.close()
    shop.write(2, APP)
    async with shop.running() as runtime:
        for handle in (*sent, *more):
            await runtime.client.invocation(handle.id).signal("go", "on")
        await trio.sleep(1)
        await runtime.client.gates.open("everything")
        assert [await runtime.client.invocation(handle.id).result() for handle in sent] == [[1, 1]] * len(keys)
        assert [await runtime.client.invocation(handle.id).result() for handle in more] == [[1, 2]] * len(keys)


async def test_an_error_of_new_code_is_caught_by_old_code_as_its_own(shop: Shop) -> None:
    shop.write(1, APP)
    async with shop.running() as runtime:
        handle = await runtime.client.service(shop.app.Agent).run.send()
        await waits(handle)
    shop.write(2, APP)
    async with shop.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await handle.signal("go", "decline")
        assert await handle.result() == [1, "declined"]


async def test_a_start_on_the_same_files_registers_nothing_again(shop: Shop) -> None:
    shop.write(1, APP)
    async with shop.running() as runtime:
        before = runtime.engine.registry.version
    async with shop.running() as runtime:
        assert runtime.engine.registry.version == before


async def test_latest_moves_back_and_stays_there_over_a_start_on_what_was_left(shop: Shop) -> None:
    one = shop.write(1, APP)
    async with shop.running():
        pass
    two = shop.write(2, APP)
    async with shop.running() as runtime:
        change = await runtime.client.deployments.make_latest(one, reason="two is broken")
        assert (change.changed, change.before, change.after) == (True, two, one)
        assert await runtime.client.service(shop.app.Agent).think() == 1
        assert not (await runtime.client.deployments.make_latest(one)).changed
    async with shop.running() as runtime:
        assert await runtime.client.service(shop.app.Agent).think() == 1
        left = await runtime.client.deployments.get(two)
        assert left.passed_over.endswith(f"made {one} the latest: two is broken")
        await runtime.client.deployments.make_latest(two)
    shop.write(1, APP)
    async with shop.running() as runtime:
        assert await runtime.client.service(shop.app.Agent).think() == 2, "one was left behind by will"
    shop.write(3, APP)
    async with shop.running() as runtime:
        assert await runtime.client.service(shop.app.Agent).think() == 3


async def test_files_that_go_back_without_anybodys_word_are_the_latest_again(shop: Shop) -> None:
    for version in (1, 2, 1):
        shop.write(version, APP)
        async with shop.running() as runtime:
            assert await runtime.client.service(shop.app.Agent).think() == version


async def test_only_what_nothing_runs_on_can_be_pruned(shop: Shop) -> None:
    one = shop.write(1, APP)
    async with shop.running() as runtime:
        handle = await runtime.client.service(shop.app.Agent).run.send()
        await waits(handle)
    two = shop.write(2, APP)
    async with shop.running() as runtime:
        deployments = runtime.client.deployments
        assert (await deployments.get(one)).open_invocations == 1
        with raises(actors.ConflictError, code="in_use") as caught:
            await deployments.prune(one)
        assert caught.value.open_invocations == 1
        with raises(actors.ConflictError, code="in_use", open_invocations=None):
            await deployments.prune(two)
        await runtime.client.invocation(handle.id).kill()
        assert (await deployments.prune(one, reason="drained")).changed
        for verb in (deployments.prune, deployments.get, deployments.make_latest):
            with raises(actors.NotFoundError, kind="deployment"):
                await verb(one)
        assert [d.id for d in await deployments.list()] == [two]
        audit = await runtime.client.audit(verb="prune-deployment")
        assert [(entry.target == one, bool(entry.refusal)) for entry in audit.entries] == [
            (True, True),
            (True, False),
            (False, True),
            (True, True),
        ]


async def test_code_that_is_gone_pauses_what_runs_on_it_and_nothing_else(shop: Shop) -> None:
    shop.write(1, APP)
    async with shop.running() as runtime:
        handles = [await runtime.client.service(shop.app.Agent).run.send() for _ in range(3)]
        for handle in handles:
            await waits(handle)
    shop.close()
    contents = shop.lab.store.contents()
    shop.lab.store = MemoryStore([(key, value) for key, value in contents if key[:1] != b"v"])
    two = shop.write(2, APP)
    async with shop.running() as runtime:
        for handle in handles:
            handle = runtime.client.invocation(handle.id)
            await handle.signal("go", "on")
            info = await paused(handle)
            assert info.status is Status.PAUSED
            assert await cause_of_pause(handle) is PauseCause.CODE
        assert await runtime.client.service(shop.app.Agent).think() == 2
        handle = runtime.client.invocation(handles[0].id)
        await handle.resume(deployment="latest")
        assert await handle.result() == [2, 2]
        assert (await handle.info()).deployment == two


async def test_resume_moves_what_is_held_to_other_code_and_finished_steps_are_not_repeated(shop: Shop) -> None:
    one = shop.write(1, APP)
    async with shop.running() as runtime:
        counter = runtime.client.actor(shop.app.Counter, "c")
        handle = await counter.add.send(1)
        await waits(handle)
    two = shop.write(2, APP)
    async with shop.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await handle.pause()
        with raises(actors.NotFoundError, kind="deployment"):
            await handle.resume(deployment="dep_0000000000000000")
        assert (await handle.info()).status is Status.PAUSED
        answer = await handle.resume(deployment=two, reason="fixed")
        assert answer.changed
        assert (await handle.info()).deployment == two
        await handle.signal("go", "on")
        assert await handle.result() == [2, 1]
        names = [entry.name async for entry in handle.events()]
        assert names.index("InvocationMoved") == names.index("InvocationResumed") - 1
        assert (await runtime.client.deployments.get(one)).open_invocations == 0


async def test_moving_it_to_latest_twice_moves_it_once(shop: Shop) -> None:
    shop.write(1, APP)
    async with shop.running() as runtime:
        handle = await runtime.client.service(shop.app.Agent).run.send()
        await waits(handle)
        await handle.pause()
        await handle.resume(deployment="keep")
        await handle.pause()
        await handle.resume(deployment="latest")
        names = [entry.name async for entry in handle.events()]
        assert "InvocationMoved" not in names


async def test_a_handler_that_is_not_in_the_other_code_is_refused_before_anything_moves(shop: Shop) -> None:
    shop.write(1, APP)
    async with shop.running() as runtime:
        handle = await runtime.client.service(shop.app.Agent).run.send()
        await waits(handle)
        await handle.pause()
    shop.write(2, APP.replace("async def run(self)", "async def other(self)"))
    async with shop.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        with pytest.raises(actors.errors.IncompatibleError):
            await handle.resume(deployment="latest")
        with raises(actors.NotFoundError, kind="handler"):
            await handle.resume(deployment="latest", check=False)


async def test_a_new_deployment_is_registered_in_a_process_that_runs(shop: Shop) -> None:
    shop.write(1, APP)
    async with shop.running() as runtime:
        handle = await runtime.client.service(shop.app.Agent).run.send()
        await waits(handle)
        two = shop.write(2, APP)
        assert (await runtime.client.register_deployment(shop.folder / "src" / "app.py")).after == two
        assert await runtime.client.service(shop.app.Agent).think() == 2
        write(shop.folder / "src", app="1/0\n")
        with pytest.raises(actors.errors.BrokenDeploymentError, match="ZeroDivisionError"):
            await runtime.client.register_deployment(shop.folder / "src" / "app.py")
        assert await runtime.client.service(shop.app.Agent).think() == 2
        await handle.signal("go", "on")
        assert await handle.result() == [1, 2]


async def test_a_runtime_without_code_pins_nothing_and_runs_what_is_pinned(shop: Shop) -> None:
    shop.write(1, APP)
    async with shop.running() as runtime:
        handle = await runtime.client.service(shop.app.Agent).run.send()
        await waits(handle)
    shop.write(2, APP)
    served: Loaded = load(snapshot_of(shop.folder / "src" / "app.py"), shop.folder / "served")
    agent: Any = served.module("app").Agent
    async with shop.lab.running(*served.classes) as runtime:
        fresh = await runtime.client.service(agent).run.send()
        await waits(fresh)
        assert (await fresh.info()).deployment == ""
        handle = runtime.client.invocation(handle.id)
        for one in (fresh, handle):
            await one.signal("go", "on")
        assert await fresh.result() == [2, 2]
        assert await handle.result() == [1, 2]
    unload(served.deployment)


LOOP = """
    import actors

    class Agent(actors.Service):
        @actors.handler
        async def think(self) -> int:
            if {version} < 3:
                raise actors.TerminalError("version {version} cannot")
            return {version}
"""


@pytest.mark.parametrize("how", ["pruned", "superseded"])
async def test_a_restart_of_what_ran_on_code_that_is_gone_takes_the_latest(shop: Shop, how: str) -> None:
    one = shop.write(1, LOOP)
    async with shop.running() as runtime:
        failed = await runtime.client.service(shop.app.Agent).think.send()
        assert (await failed.outcome()).kind is OutcomeKind.FAILED
    shop.write(2, LOOP)
    async with shop.running() as runtime:
        if how == "pruned":
            await runtime.client.deployments.prune(one)
        else:
            runtime.client.supersede(one)
        failed = runtime.client.invocation(failed.id)
        three = shop.write(3, LOOP)
        await runtime.client.register_deployment(snapshot_of(shop.folder / "src" / "app.py"))
        assert (await failed.restart(dry_run=True)).successor.deployment == three
        for check in (False, True):
            answer = await failed.restart(check=check, again=True)
            again = runtime.client.invocation(answer.successor.invocation_id)
            assert await again.result() == 3
            assert (await again.info()).deployment == three


async def test_a_restart_keeps_code_that_is_there(shop: Shop) -> None:
    one = shop.write(1, LOOP)
    async with shop.running() as runtime:
        failed = await runtime.client.service(shop.app.Agent).think.send()
        await failed.outcome()
    shop.write(3, LOOP)
    async with shop.running() as runtime:
        answer = await runtime.client.invocation(failed.id).restart()
        assert answer.successor.deployment == one
        again = runtime.client.invocation(answer.successor.invocation_id)
        assert (await again.outcome()).kind is OutcomeKind.FAILED


ORDER = """
    import actors
    from tests.lab import WORLD
    VERSION = {version}

    def check(order: "Order", to: str) -> None:
        WORLD.note(f"checked on {version}")
        if not to:
            raise ValueError("the address is empty")

    class Order(actors.Workflow):
        to: str = ""

        @actors.handler
        async def run(self) -> list[object]:
            await actors.signal("go", str)
            return [VERSION, self.to]

        @actors.update(validate=check)
        async def move(self, to: str) -> int:
            self.to = to
            return VERSION

    class Clerk(actors.Service):
        @actors.handler
        async def move(self, to: str) -> int:
            return await actors.workflow(Order, "7").move(to)
"""
ONLY_NEW = """
        @actors.update
        async def only_new(self) -> None: ...
"""


async def test_an_update_of_a_run_on_old_code_is_checked_by_that_code_after_a_start(shop: Shop) -> None:
    shop.write(1, ORDER)
    async with shop.running() as runtime:
        order = runtime.client.workflow(shop.app.Order, "7")
        run = await order.run.send()
        await waits(run)
    shop.close()
    shop.write(2, ORDER.replace("    class Clerk", f"{ONLY_NEW}\n    class Clerk"))
    for asked in ("empty", "only new", "by a handler"):
        async with shop.running() as runtime:
            order = runtime.client.workflow(shop.app.Order, "7")
            if asked == "empty":
                with raises(actors.InvalidArgumentError, match="the address is empty"):
                    await order.move("")
            elif asked == "only new":
                with raises(actors.ConflictError, match="on other code"):
                    await order.only_new()
            else:
                assert await runtime.client.service(shop.app.Clerk).move("New Street") == 1
                found = runtime.client.invocation(run.id)
                assert (await found.info()).status is not Status.PAUSED
                await found.signal("go", "on")
                assert await found.result() == [1, "New Street"]
        shop.close()
    assert WORLD.entries == ["checked on 1", "checked on 1"]


async def test_an_update_of_a_run_whose_code_cannot_be_loaded_is_refused_for_now(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write(1, ORDER)
    async with shop.running() as runtime:
        run = await runtime.client.workflow(shop.app.Order, "7").run.send()
        await waits(run)
    shop.close()
    shop.write(2, ORDER)
    async with shop.running() as runtime:
        monkeypatch.setattr("actors.code.registry.load", _broken)
        order = runtime.client.workflow(shop.app.Order, "7")
        with raises(actors.errors.UnavailableError):
            await order.move("New Street")
        monkeypatch.undo()
        await trio.sleep(60)
        assert await order.move("New Street") == 1


def _broken(*_: object) -> None:
    raise actors.errors.BrokenDeploymentError("the disk is gone", deployment="one")
