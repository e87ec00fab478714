"""Code that cannot be imported where it is needed: tried again for a while, said once, and in nobody's way."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors.code.loading import load, unload
from actors.code.registry import LOAD_TRIES
from actors.model.explain import WaitCause
from journal.events import PauseCause, Status
from tests.deployments.apps import snapshot
from tests.deployments.shop import Shop, shop
from tests.lab import WORLD, cause_of_pause, quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["shop"]
pytestmark = on_virtual_time

APP = """
    import actors
    import trio
    from tests.deployments import test_broken_code

    test_broken_code.imported({version})

    class Agent(actors.Service):
        @actors.handler
        async def wait(self) -> int:
            await actors.run(trio.sleep, 5)
            await actors.signal("go", str)
            return {version}

        @actors.handler
        async def look(self) -> int:
            return {version}
"""

BROKEN: set[int] = set()
"""Versions that cannot be imported now."""


def imported(version: int) -> None:
    WORLD.note(version)
    if version in BROKEN:
        raise RuntimeError(f"version {version} needs something that is not there")


async def pinned(shop: Shop, count: int) -> list[Any]:
    """Have so many run a step on version 1, which the next start takes up, and version 2 served after that."""
    BROKEN.clear()
    shop.write(1, APP)
    async with shop.running() as runtime:
        handles = [await runtime.client.service(shop.app.Agent).wait.send() for _ in range(count)]
        await quiet()
        assert {(await handle.info()).status for handle in handles} == {Status.RUNNING}
    shop.close()
    shop.write(2, APP)
    WORLD.clear()
    BROKEN.add(1)
    return [handle.id for handle in handles]


async def status_of(runtime: actors.Runtime, of: Any) -> Status:
    return (await runtime.client.invocation(of).info()).status


async def test_it_is_imported_and_told_once_for_all_that_are_pinned_to_it(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await pinned(shop, 100)
    caplog.clear()
    async with shop.running() as runtime:
        with trio.fail_after(0.1):
            assert await runtime.client.service(shop.app.Agent).look() == 2
        await quiet()
        assert WORLD.count(1) == 1
        assert caplog.text.count("Traceback") == 1
        await trio.sleep(60)
        assert WORLD.count(1) == LOAD_TRIES
        assert caplog.text.count("Traceback") == 1
        assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == LOAD_TRIES + 1
        info = await runtime.client.invocation(ids[-1]).info()
        assert info.status is Status.PAUSED
        assert await cause_of_pause(runtime.client.invocation(ids[-1])) is PauseCause.CODE
        assert info.last_failure is not None
        assert info.last_failure.traceback == ""


async def test_what_waits_for_it_says_so_and_goes_on_when_it_can_be_imported(shop: Shop) -> None:
    [of] = await pinned(shop, 1)
    async with shop.running() as runtime:
        handle = runtime.client.invocation(of)
        await quiet()
        [code, _] = await handle.why()
        assert code.waits_for is WaitCause.CODE
        assert code.until is not None
        assert "needs something that is not there" in code.because
        BROKEN.clear()
        await trio.sleep(2)
        await handle.signal("go", "on")
        assert await handle.result() == 1


async def test_a_resume_imports_it_again_when_its_pause_is_over(shop: Shop) -> None:
    [of] = await pinned(shop, 1)
    async with shop.running() as runtime:
        handle = runtime.client.invocation(of)
        await trio.sleep(10)
        assert await status_of(runtime, of) is Status.PAUSED
        await handle.resume()
        await quiet()
        assert await status_of(runtime, of) is Status.PAUSED
        assert WORLD.count(1) == LOAD_TRIES
        await trio.sleep(60)
        BROKEN.clear()
        await handle.resume()
        await handle.signal("go", "on")
        assert await handle.result() == 1


async def test_a_latest_that_cannot_be_imported_holds_up_no_start_and_is_taken_up_later(shop: Shop) -> None:
    one = shop.write(1, APP)
    async with shop.running() as runtime:
        pass
    two = shop.write(2, APP)
    async with shop.running() as runtime:
        await runtime.client.deployments.make_latest(one)
    shop.close()
    BROKEN.add(1)
    async with shop.running() as runtime:
        assert await runtime.client.service(shop.app.Agent).look() == 2
        assert runtime.engine.applications.latest == two
        BROKEN.clear()
        await trio.sleep(2)
        assert await runtime.client.service(shop.app.Agent).look() == 1


def test_code_that_never_ends_its_import_does_not_hold_up_other_code(tmp_path: Path) -> None:
    begun, over = threading.Event(), threading.Event()
    setattr(threading, "_playhead_test", (begun, over))  # noqa: B010 - where the code below finds them
    endless = snapshot(
        tmp_path / "a", app="import threading\nb, o = threading._playhead_test\nb.set(); o.wait()\n1/0\n"
    )
    other = snapshot(
        tmp_path / "b",
        app="import actors\nclass A(actors.Service):\n    @actors.handler\n    async def a(self) -> None: ...\n",
    )
    raised: list[BaseException] = []

    def load_endless() -> None:
        try:
            load(endless, tmp_path / "cache")
        except actors.errors.BrokenDeploymentError as error:
            raised.append(error)

    thread = threading.Thread(target=load_endless)
    thread.start()
    assert begun.wait(10)
    try:
        assert load(other, tmp_path / "cache").classes
    finally:
        over.set()
        thread.join()
        unload(other.deployment)
    assert len(raised) == 1


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "GeneratorExit", "BaseException"])
def test_whatever_its_import_raises_in_a_thread_is_its_failure(tmp_path: Path, error: str) -> None:
    broken = snapshot(tmp_path, app=f"raise {error}\n")
    raised: list[BaseException] = []

    def load_it() -> None:
        try:
            load(broken, tmp_path / "cache")
        except BaseException as found:
            raised.append(found)

    thread = threading.Thread(target=load_it)
    thread.start()
    thread.join()
    assert [type(one) for one in raised] == [actors.errors.BrokenDeploymentError]


async def test_the_pause_of_it_names_its_cause(shop: Shop) -> None:
    [of] = await pinned(shop, 1)
    async with shop.running() as runtime:
        await trio.sleep(60)
        events = [entry async for entry in runtime.client.invocation(of).events() if entry.name == "InvocationPaused"]
        assert [entry.details["cause"] for entry in events] == [PauseCause.CODE.value]
