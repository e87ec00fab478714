"""A copy of a module has the globals of its import: the program sets them with ``on_load``, and is told if it does not."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors.code.discovery import snapshot_of
from actors.code.loading import load, unload
from actors.errors import BrokenDeploymentError
from tests.deployments.apps import snapshot, write
from tests.lab import WORLD
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

pytestmark = on_virtual_time

APP = """
    import enum
    import actors
    import db
    from db import TABLE

    DRY_RUN = True
    LIMIT = {version}

    class State(enum.Enum):
        PAID = "paid"

    @actors.step
    async def pay(what: str) -> str:
        return f"{{what}} dry" if DRY_RUN else f"{{what}} paid from {{db.POOL['name']}}"

    class Shop(actors.Service):
        @actors.handler
        async def run(self) -> list[str]:
            first = await pay("first")
            await actors.signal("go")
            return [first, await pay("second"), str(TABLE)]

        @actors.handler
        async def state(self) -> State:
            await actors.signal("go")
            return State.PAID
"""
DB = """
    POOL = None
    TABLE = None
"""


class Program:
    """A program that sets globals of its modules when it starts, as a lifespan does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app: Any = None
        self._loaded: list[str] = []

    def starts(self, name: str, module: Any) -> None:
        """Set what this module gets at the start; as a hook, in each copy."""
        if name == "db":
            module.POOL = {"name": "pool"}
            module.TABLE = "orders"
        if name == "app":
            module.DRY_RUN = False

    @asynccontextmanager
    async def running(
        self, version: int, on_load: Callable[[str, Any], object] | None = None
    ) -> AsyncIterator[actors.Runtime]:
        write(self.folder / "src", app=APP.format(version=version), db=DB)
        code = snapshot_of(self.folder / "src" / "app.py")
        served = load(code, self.folder / "served", on_load=self.starts)
        self._loaded.append(served.deployment)
        self.app = served.module("app")
        async with actors.open_runtime(
            *served.classes, path=self.folder / "data", code=code, on_load=on_load, socket=False
        ) as runtime:
            yield runtime

    async def begun(self) -> Any:
        """Have an invocation wait on version 1, which is then loaded no longer."""
        async with self.running(1) as runtime:
            handle = await runtime.client.service(self.app.Shop).run.send()
            with trio.fail_after(600):
                while not (await handle.info()).waits:
                    await trio.sleep(1)
        self.close()
        return handle.id

    def close(self) -> None:
        while self._loaded:
            unload(self._loaded.pop())


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    yield program
    program.close()


async def go_on(runtime: actors.Runtime, of: Any) -> Any:
    handle = runtime.client.invocation(of)
    await handle.signal("go")
    return await handle.result()


async def test_on_load_sets_in_copies_what_the_start_sets_before_another_module_imports_it(
    program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    of = await program.begun()
    caplog.clear()
    async with program.running(2, program.starts) as runtime:
        result = await go_on(runtime, of)
    assert result == ["first paid from pool", "second paid from pool", "orders"]
    assert "set after the import" not in caplog.text


async def test_a_global_that_is_set_in_the_served_module_alone_is_told_once_and_in_the_errors_text(
    program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    of = await program.begun()
    caplog.clear()

    def half(name: str, module: Any) -> None:
        if name == "app":
            module.DRY_RUN = False

    async with program.running(2, half) as runtime:
        handle = runtime.client.invocation(of)
        await handle.signal("go")
        with trio.fail_after(600):
            while not any("TypeError" in reason.because for reason in await handle.why()):
                await trio.sleep(0.1)
        [because] = [reason.because for reason in await handle.why()]
    assert "in a copy of app; there POOL of db is as at import" in because
    told = [record.getMessage() for record in caplog.records if "set after the import" in record.getMessage()]
    assert len(told) == 1
    assert "POOL, TABLE were set after the import of module db" in told[0]
    assert "on_load" in told[0]


async def test_a_global_that_is_set_after_the_copy_was_loaded_is_told_when_an_invocation_begins(
    program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    of = await program.begun()
    caplog.clear()

    async with program.running(2, program.starts) as runtime:
        assert await go_on(runtime, of) == ["first paid from pool", "second paid from pool", "orders"]
        registry = runtime.engine.applications
        [older] = [each.id for each in registry.registered.known if each.id != registry.latest]
        copy: Any = load(snapshot(program.folder / "again", app=APP.format(version=1), db=DB), program.folder / "other")
        copy.module("db").POOL, copy.module("app").DRY_RUN = (
            None,
            True,
        )  # as if the start had set the served ones just now
        await trio.sleep(2)
        assert not caplog.records
        registry.look_at_globals(older)
        registry.look_at_globals(older)
        unload(copy.deployment)
    told = [record.getMessage().partition(": ")[2].partition(" set")[0] for record in caplog.records]
    assert sorted(told) == ["DRY_RUN was", "POOL was"]


async def test_an_error_of_the_hook_is_an_error_of_the_deployment(program: Program) -> None:
    code = snapshot(program.folder / "src", app=APP.format(version=1), db=DB)

    def fails(name: str, module: Any) -> None:
        raise LookupError(f"no pool for {name}")

    async def waits(name: str, module: Any) -> None: ...

    for hook, cause in ((fails, LookupError), (waits, TypeError)):
        with raises(BrokenDeploymentError, deployment=code.deployment, match="'db'") as refusal:
            load(code, program.folder / "code", on_load=hook)
        assert isinstance(refusal.value.__cause__, cause)


async def test_a_result_of_earlier_code_is_of_the_served_classes(program: Program) -> None:
    async with program.running(1) as runtime:
        handle = await runtime.client.service(program.app.Shop).state.send()
    program.close()
    async with program.running(2, program.starts) as runtime:
        assert await go_on(runtime, handle.id) is program.app.State.PAID


SCRIPT = """
    import {library}
    from tests.lab import WORLD
    import actors

    class Night(actors.Service):
        @actors.handler
        async def run(self) -> int:
            return 1

    async def main() -> None:
        WORLD.note("main ran")

    {start}
"""


@pytest.mark.parametrize(("library", "start"), [("trio", "trio.run(main)"), ("asyncio", "asyncio.run(main())")])
async def test_a_script_that_ends_with_its_event_loop_is_loaded_without_running_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, library: str, start: str
) -> None:
    WORLD.clear()
    code = snapshot(tmp_path / "src", app=SCRIPT.format(library=library, start=start))
    with caplog.at_level(logging.WARNING):
        loaded = load(code, tmp_path / "code")
    assert [cls.__name__ for cls in loaded.classes] == ["Night"]
    assert "app.py, line 14, starts an event loop when it is imported" in caplog.text
    assert 'if __name__ == "__main__":' in caplog.text
    assert WORLD.count("main ran") == 0
    unload(code.deployment)


async def test_an_event_loop_in_the_middle_of_a_module_is_refused_with_its_line(tmp_path: Path) -> None:
    code = snapshot(tmp_path / "src", app=SCRIPT.format(library="trio", start="trio.run(main)\n    LATER = 1"))
    with raises(BrokenDeploymentError, deployment=code.deployment, match="line 14,") as refusal:
        load(code, tmp_path / "code")
    assert 'if __name__ == "__main__":' in str(refusal.value)


async def test_what_can_be_registered_once_fails_with_what_to_do(tmp_path: Path) -> None:
    code = snapshot(tmp_path / "src", app="raise ValueError('Duplicated timeseries')")
    with raises(BrokenDeploymentError, deployment=code.deployment) as refusal:
        load(code, tmp_path / "code")
    assert "docs/deployments.md" in str(refusal.value)
    assert "Duplicated timeseries" in refusal.value.traceback
