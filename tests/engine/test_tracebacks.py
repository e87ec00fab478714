"""Tracebacks begin in the user's own code, wherever they are shown, and the log tells each once."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

import actors
from actors import RetryPolicy, Service, handler, step
from actors.values.failures import failure_of
from actors.values.tracebacks import TRACEBACK_CHARACTERS
from tests.lab import Lab
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

THREE = RetryPolicy(max_attempts=3, initial_delay=1.0, on_exhausted="fail")


def break_down() -> None:
    raise ValueError("a stone")


@step(retry=THREE)
async def stumble() -> None:
    break_down()


@step(retry=THREE)
def stumble_in_a_thread() -> None:
    break_down()


class Odd(Service):
    @handler(retry=THREE)
    async def fail(self) -> None:
        break_down()

    @handler(retry=THREE)
    async def fail_in_a_nursery(self) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(self._child)

    async def _child(self) -> None:
        try:
            break_down()
        except ValueError as error:
            raise KeyError("chained") from error

    @handler
    async def fail_for_good(self) -> None:
        raise actors.TerminalError("never again")

    @handler
    async def fail_in_a_step(self) -> None:
        await stumble()

    @handler
    async def fail_in_a_call_of_ours(self) -> None:
        await actors.sleep(-1.0)

    @handler
    async def fail_in_a_thread(self) -> None:
        await stumble_in_a_thread()


def first_files(traceback: str) -> list[str]:
    """The file of the first frame of each error in a traceback."""
    return [found.rpartition("/")[2] for found in re.findall(r'Traceback .*:\n.*File "([^"]+)"', traceback)]


async def failures_of(handle: actors.InvocationHandle[Any]) -> list[Any]:
    with pytest.raises(actors.TerminalError):
        await handle.result()
    failed = [entry.details["failure"] async for entry in handle.events() if entry.details.get("failure") is not None]
    info = await handle.info()
    assert info.outcome is not None
    assert info.outcome.failure is not None
    return [*(failure["traceback"] for failure in failed), info.outcome.failure.traceback]


@pytest.mark.parametrize("name", [name for name in vars(Odd) if name.startswith("fail")])
async def test_a_traceback_begins_with_a_frame_of_the_user(name: str) -> None:
    async with Lab(Odd).running() as runtime:
        handle = await getattr(runtime.client.service(Odd), name).send()
        for traceback in await failures_of(handle):
            files = first_files(traceback)
            assert files
            assert set(files) == {"test_tracebacks.py"}
            assert "/actors/" not in traceback


async def test_what_led_to_an_error_begins_with_a_frame_of_the_user_too() -> None:
    async with Lab(Odd).running() as runtime:
        handle = await runtime.client.service(Odd).fail_in_a_nursery.send()
        traceback = (await failures_of(handle))[-1]
        assert "a stone" in traceback
        assert "chained" in traceback


def test_a_long_traceback_keeps_its_beginning_and_its_end() -> None:
    def even(depth: int) -> None:  # two that call each other: Python folds the frames of one that calls itself
        odd(depth - 1)

    def odd(depth: int) -> None:
        if depth < 0:
            raise ValueError("deep")
        even(depth - 1)

    with pytest.raises(ValueError, match="deep") as caught:
        even(400)
    traceback = failure_of(caught.value).traceback
    assert len(traceback) <= TRACEBACK_CHARACTERS + 100
    assert "in test_a_long_traceback" in traceback
    assert traceback.rstrip().endswith("ValueError: deep")


@pytest.mark.parametrize(
    ("name", "times"), [("fail", 1), ("fail_in_a_nursery", 1), ("fail_for_good", 1), ("fail_in_a_thread", 2)]
)
async def test_the_log_tells_a_traceback_once_at_the_last_try(
    name: str, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="actors.engine.event_log")
    async with Lab(Odd).running() as runtime:
        handle = await getattr(runtime.client.service(Odd), name).send()
        await failures_of(handle)
    told = [record.getMessage() for record in caplog.records if "Traceback" in record.getMessage()]
    assert len(told) == times  # of a step and of the handler that awaits it each
    assert "try 3" in told[0] or "attempt 3" in told[0] or "never again" in told[0]
