"""Code that ends its process: at each start again, but not for ever."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from tests.children import python_path
from tests.terminal import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
    import ctypes, json, os, signal, sys
    import trio
    import actors
    from actors import Limits, RetryPolicy, Service, handler, step

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def crash() -> None:
        ctypes.string_at(0)

    def block() -> None:
        # In a mutex of C, deaf to signals, until something loses its patience.
        signal.alarm(2)
        c, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)
        c.pthread_mutex_lock(mutex)
        c.pthread_mutex_lock(mutex)

    WAYS = {"die": die, "crash": crash, "block": block}
    THREE = RetryPolicy(max_attempts=3, initial_delay=0.01, max_delay=0.01)

    @step(retry=THREE)
    def in_a_thread(way: str) -> None:
        WAYS[way]()

    @step(retry=THREE)
    async def in_a_task(way: str) -> None:
        await trio.sleep(0)
        WAYS[way]()

    class Deadly(Service):
        @handler
        async def thread(self, way: str) -> None:
            await in_a_thread(way)

        @handler
        async def task(self, way: str) -> None:
            await in_a_task(way)

        @handler
        async def directly(self, way: str) -> None:
            WAYS[way]()

        @handler
        async def harmless(self) -> str:
            return "fine"

    async def main() -> None:
        where, way = sys.argv[1:3]
        async with actors.open_runtime(Deadly, path="data", durability="os", limits=Limits(blocking_seconds=0.5)) as runtime:
            service = runtime.client.service(Deadly)
            handle = await getattr(service, where).options(idempotency_key="the one").send(way)
            while (info := await handle.info()).status is not actors.Status.PAUSED:
                await trio.sleep(0.01)
            assert await service.harmless() == "fine"
            print(json.dumps([info.pause_reason, info.waits[0].failed_attempts if info.waits else 0]))

    trio.run(main)
"""


def run(folder: Path, *arguments: str) -> tuple[int, Any]:
    """How often it died, and what the process that did not die said."""
    (folder / "deadly.py").write_text(textwrap.dedent(PROGRAM))
    environment = {"PYTHONPATH": python_path(ROOT), "PATH": ""}
    for deaths in range(20):
        ran = subprocess.run(
            [sys.executable, "deadly.py", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if ran.returncode == 0:
            return deaths, json.loads(ran.stdout)
        assert ran.returncode < 0, ran.stderr
    raise AssertionError("it dies for ever")


@pytest.mark.parametrize(("where", "way"), [("thread", "die"), ("thread", "crash")])
def test_a_step_that_ends_its_process_is_held_after_its_tries(tmp_path: Path, where: str, way: str) -> None:
    deaths, (reason, failed) = run(tmp_path, where, way)
    assert (deaths, failed) == (3, 3)
    assert "StepLostError" in reason


@pytest.mark.parametrize(
    ("where", "way"), [("directly", "die"), ("directly", "crash"), ("directly", "block"), ("task", "block")]
)
def test_code_on_the_event_loop_costs_two_starts_at_most(tmp_path: Path, where: str, way: str) -> None:
    deaths, (reason, _) = run(tmp_path, where, way)
    assert deaths == 2
    assert "2 times in a row" in reason
