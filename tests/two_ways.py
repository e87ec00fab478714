"""Lets a handler run on the short way and on the long one, and compares what is stored and told."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import trio
import trio._core._run as trio_run
from trio.testing import MockClock

from actors import Actor, Limits, Status
from actors.errors import ActorError
from actors.query.fsck.doctor import examine
from journal import keys
from journal.ids import stream_of
from journal.kv.memory import MemoryStore
from tests import long_way
from tests.lab import WORLD, Lab
from tests.stored import first_difference, stored, without_tracebacks

if TYPE_CHECKING:
    import pytest

    from actors.model.handles import InvocationHandle
    from actors.runtime import Runtime

SETTLED_SECONDS = 60.0


class Still(Random):
    """Dice that always fall alike, so that tasks that are ready together run in the order in which they began."""

    def random(self) -> float:
        return 0.75


def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the dice of trio fall alike."""
    monkeypatch.setattr(trio_run, "_r", Still())


async def _pause_and_resume(_: Runtime, handle: InvocationHandle[Any], __: str) -> None:
    await handle.pause()
    await trio.sleep(5.0)
    await handle.resume()


async def _pause_now_and_resume(_: Runtime, handle: InvocationHandle[Any], __: str) -> None:
    await handle.pause(mode="now")
    await trio.sleep(5.0)
    await handle.resume()


async def _close_and_open(runtime: Runtime, _: InvocationHandle[Any], service: str, mode: Any = "now") -> None:
    await runtime.client.gates.close(f"service:{service}", mode=mode)
    await trio.sleep(5.0)
    await runtime.client.gates.open(f"service:{service}")


async def _drain_and_open(runtime: Runtime, handle: InvocationHandle[Any], service: str) -> None:
    await _close_and_open(runtime, handle, service, "drain")


async def _restart(_: Runtime, handle: InvocationHandle[Any], __: str) -> None:
    await handle.restart(stop="cancel")


MEANWHILE: dict[str, Any] = {
    "nothing": None,
    "cancel": lambda _, handle, __: handle.cancel(),
    "kill": lambda _, handle, __: handle.kill(),
    "signal": lambda _, handle, __: handle.signal("go", 5),
    "pause": _pause_and_resume,
    "pause now": _pause_now_and_resume,
    "gate": _close_and_open,
    "draining gate": _drain_and_open,
    "restart": _restart,
}


async def live(actor: type[Actor], target: str, meanwhile: str, at: float, store: Any) -> tuple[MemoryStore, list[Any]]:
    """Let the handler run, of a new object and of an old one, while something happens. The store, and what was heard and done."""
    limits = Limits(payload_bytes=1_000, blocking_seconds=0.2, history_events=200)
    lab = Lab(actor, limits=limits, has_watchdog=target == "block", store=store())
    heard: list[Any] = []

    async def listen(handle: InvocationHandle[Any]) -> None:
        with trio.move_on_after(SETTLED_SECONDS):
            try:
                heard.append(await handle.result())
            except ActorError as error:
                heard.append((type(error).__name__, str(error)))

    async with lab.running() as runtime:
        for _ in range(2):
            handle = await getattr(runtime.client.actor(actor, "a"), target).send()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen, handle)
                await trio.sleep(at)
                deed = MEANWHILE[meanwhile]
                try:
                    if deed is not None:
                        await deed(runtime, handle, actor.__name__)
                except ActorError as error:
                    heard.append((type(error).__name__, str(error)))
            await trio.sleep(SETTLED_SECONDS)
            if (await handle.info()).status is not Status.COMPLETED:
                await handle.kill()
            heard.append([value async for value in handle.output()])
    return lab.store, [heard, WORLD.entries.copy()]


def compare(
    actor: type[Actor], target: str, meanwhile: str = "nothing", at: float = 0.0, store: Any = MemoryStore
) -> None:
    """Both ways store and tell the same."""

    def both() -> tuple[MemoryStore, list[Any]]:
        WORLD.clear()
        return trio.run(live, actor, target, meanwhile, at, store, clock=MockClock(autojump_threshold=0))

    short, told_shortly = both()
    with long_way.taken():
        long, told = both()
    difference = first_difference(without_tracebacks(stored(short)), without_tracebacks(stored(long)))
    assert not difference, difference
    assert told_shortly == told
    assert not examine(short, 1).findings


def frames_of(lab: Lab, service: str, key: str, tag: int) -> int:
    """How many frames with this tag the log of an object has."""
    prefix = keys.record(0, stream_of(service, key), 0)[:-8]
    found = 0
    for _, record in lab.store.scan(prefix, keys.after_prefix(prefix)):
        at = 0
        while at < len(record):
            found += record[at] == tag
            at += 5 + int.from_bytes(record[at + 1 : at + 5], "big")
    return found
