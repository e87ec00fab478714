"""What holds up the loop and is nobody's doing is blamed on nobody: a stopped process, a long garbage collection."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import attrs
import pytest

from actors.engine.meter import LoopMeter, Reading, own_seconds
from actors.engine.watchdog import Watchdog
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 0.5


@attrs.define(eq=False)
class ATurn:
    invocation_id: InvocationId = attrs.field(default=InvocationId("inv"))
    name: str = "a turn"
    may_be_interrupted: bool = True
    mark: bytes = b""
    progress: int = 0


@attrs.define
class FakeMeter:
    """Time that passes as the test says."""

    reading: Reading = attrs.field(default=Reading(100.0, 10.0, 0.0))

    @property
    def collected(self) -> float:
        return self.reading.collected

    def start(self) -> None: ...
    def stop(self) -> None: ...

    def read(self) -> Reading:
        return self.reading

    def passes(self, seconds: float, *, busy: float = 0.0, collected: float = 0.0) -> None:
        """Of these seconds the loop's thread was ``busy``, and the collector ran."""
        now = self.reading
        self.reading = Reading(now.now + seconds, now.busy + busy, now.collected + collected)


def own(seconds: float, *, busy: float = 0.0, collected: float = 0.0) -> float:
    meter = FakeMeter()
    before = meter.read()
    meter.passes(seconds, busy=busy, collected=collected)
    return own_seconds(before, meter.read(), longest=LONGEST)


def test_code_that_computes_or_waits_counts_whole() -> None:
    assert own(0.25, busy=0.25) == pytest.approx(0.25)
    assert own(0.25) == pytest.approx(0.25)


def test_a_stopped_process_counts_for_nothing() -> None:
    assert own(3600.0, busy=0.01) == pytest.approx(0.01)


def test_code_that_holds_the_interpreter_counts_whole_though_nobody_could_look() -> None:
    assert own(20.0, busy=20.0) == pytest.approx(20.0)


def test_the_garbage_collector_counts_for_nothing() -> None:
    assert own(20.0, busy=20.0, collected=19.9) == pytest.approx(0.1)
    assert own(0.3, busy=0.3, collected=0.3) == 0.0


def test_a_run_of_the_collector_is_measured() -> None:
    meter = LoopMeter()
    meter.start()
    try:
        before = meter.read()
        gc.collect()
        after = meter.read()
    finally:
        meter.stop()
    assert before.collected < after.collected <= after.now - before.now
    assert meter._note not in gc.callbacks


@pytest.mark.parametrize(
    ("pause", "is_blamed"),
    [
        pytest.param(lambda meter: meter.passes(30.0, busy=0.0), False, id="stopped"),
        pytest.param(lambda meter: meter.passes(30.0, busy=30.0, collected=30.0), False, id="collected"),
        pytest.param(lambda meter: meter.passes(30.0, busy=30.0), True, id="held the interpreter"),
    ],
)
def test_a_look_after_a_long_time_blames_only_code_that_ran(
    pause: Callable[[FakeMeter], None], is_blamed: bool
) -> None:
    meter = FakeMeter()
    watchdog = Watchdog(10.0, meter=meter)

    def turn() -> bool:
        watchdog._at_work(longest=LONGEST)
        pause(meter)
        stretch = watchdog._at_work(longest=LONGEST)
        assert stretch is not None
        return watchdog._is_too_long(stretch)

    assert watchdog.run(ATurn(), turn) is is_blamed


def test_looks_that_come_in_time_add_up() -> None:
    meter = FakeMeter()
    watchdog = Watchdog(10.0, meter=meter)

    def turn() -> float:
        watchdog._at_work(longest=LONGEST)
        for _ in range(8):
            meter.passes(0.25)
            stretch = watchdog._at_work(longest=LONGEST)
        assert stretch is not None
        return stretch.seconds

    assert watchdog.run(ATurn(), turn) == pytest.approx(2.0)
