"""Users' code that keeps the event loop to itself: named, interrupted, paused with its line; everything else goes on."""

from __future__ import annotations

import contextlib
import gc
import importlib
import operator
import re
import signal
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from trio.testing import MockClock

import actors
from actors import Actor, Limits, RetryPolicy, Service, handler, step
from actors.engine import frames
from actors.engine.frames import is_in_users_code
from actors.engine.watchdog import Watchdog
from actors.errors import Interruption
from actors.replay import collection
from journal.events import PauseCause, Status, Target
from journal.ids import InvocationId
from tests.lab import WORLD, Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.model.handles import InvocationHandle

pytestmark = on_virtual_time

LIMIT_SECONDS = 0.2
LIMITS = Limits(blocking_seconds=LIMIT_SECONDS)

BLOCKS = True
"""Whether the code below blocks; a test sets it, as an author mends the code."""


@pytest.fixture(autouse=True)
def blocking() -> None:
    global BLOCKS
    BLOCKS = True
    WORLD.clear()


def loop() -> None:
    while BLOCKS:
        pass


def wait() -> None:
    if BLOCKS:
        threading.Event().wait()


def swallow_once() -> None:
    try:
        wait()
    except BaseException:
        WORLD.note("swallowed")


def swallow_for_long() -> None:
    for _ in range(5):
        try:
            loop()
        except BaseException:
            WORLD.note("swallowed")


def emit_without_end() -> None:
    while BLOCKS:
        actors.emit("again")


def search() -> None:
    if BLOCKS:
        re.match(r"(a+)+$", "a" * 50 + "b")


WAYS: dict[str, Callable[[], None]] = {
    way.__name__: way for way in (loop, wait, swallow_once, swallow_for_long, emit_without_end, search)
}


@attrs.frozen
class Slow:
    amount: int

    def __attrs_post_init__(self) -> None:
        if self.amount > 1:
            loop()


class Parcel:
    """Blocks as it is copied for a step that begins, not as the handler gives it away."""

    def __deepcopy__(self, memo: object) -> Parcel:
        WORLD.note("copied")
        if WORLD.count("copied") > 1:
            loop()
        return self


class Wordless(Exception):
    def __str__(self) -> str:
        loop()
        return "at last"


@step
async def in_a_step(way: str) -> str:
    WAYS[way]()
    return "done"


@step
async def in_a_task_of_a_step(way: str) -> None:
    async def child() -> None:
        WAYS[way]()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(child)


@step
async def open_parcel(parcel: Parcel) -> None: ...


@step(retry=RetryPolicy(max_attempts=1))
async def fail_without_words() -> None:
    raise Wordless


class Blocking(Service):
    @handler
    async def directly(self, way: str) -> str:
        WAYS[way]()
        return "done"

    @handler
    async def in_a_step(self, way: str) -> str:
        return await in_a_step(way)

    @handler
    async def in_a_task_of_a_step(self, way: str) -> None:
        await in_a_task_of_a_step(way)

    @handler
    async def behind_an_await(self, way: str) -> str:
        await actors.sleep(1)
        WAYS[way]()
        return "done"

    @handler
    async def in_a_branch(self, way: str) -> None:
        async def branch() -> None:
            WAYS[way]()

        async with actors.open_nursery() as nursery:
            nursery.start_soon(branch)
            nursery.start_soon(actors.sleep, 1000)

    @handler
    async def take(self, slow: Slow) -> int:
        return slow.amount

    @handler
    async def in_a_copy(self) -> None:
        await open_parcel(Parcel())

    @handler(retry=RetryPolicy(max_attempts=1))
    async def without_words(self) -> None:
        raise Wordless

    @handler
    async def a_step_without_words(self) -> None:
        await fail_without_words()

    @handler
    async def at_its_end(self) -> None:
        try:
            await actors.signal("never")
        finally:
            loop()


class Other(Actor):
    value: int = 0

    @handler
    async def add(self) -> int:
        self.value += 1
        return self.value


@pytest.fixture
def lab() -> Lab:
    return Lab(Blocking, Other, limits=LIMITS)


async def paused(handle: InvocationHandle[Any]) -> actors.types.InvocationInfo:
    with trio.fail_after(60):
        while (info := await handle.info()).status is not Status.PAUSED:
            await trio.sleep(0.1)
    return info


async def cause_of(handle: InvocationHandle[Any]) -> str:
    pauses = [entry async for entry in handle.events() if entry.name == "InvocationPaused"]
    return str(pauses[-1].details["cause"])


@pytest.mark.parametrize("way", [name for name in WAYS if name != "search"])
async def test_a_handler_is_interrupted_and_paused_and_the_rest_goes_on(lab: Lab, way: str) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Blocking).directly.send(way)
        info = await paused(handle)
        assert await cause_of(handle) == PauseCause.BLOCKED.value
        assert info.last_failure is not None
        assert info.last_failure.type == "actors.errors.BlockedLoopError"
        assert info.pause_reason.startswith(__file__)
        assert way in info.last_failure.traceback or "loop" in info.last_failure.traceback
        assert await runtime.client.actor(Other, "a").add() == 1


async def test_the_pause_names_the_line(lab: Lab) -> None:
    async with lab.running() as runtime:
        info = await paused(await runtime.client.service(Blocking).directly.send("wait"))
    line = wait.__code__.co_firstlineno + 2
    assert info.pause_reason.startswith(f"{__file__}:{line}: Blocking/directly")


async def test_a_search_that_holds_the_interpreter_is_interrupted_too(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Blocking).directly.send("search")
        await paused(handle)
        assert await cause_of(handle) == PauseCause.BLOCKED.value


@pytest.mark.parametrize("where", ["in_a_step", "in_a_task_of_a_step", "behind_an_await", "in_a_branch"])
@pytest.mark.parametrize("way", ["loop", "wait"])
async def test_so_is_what_blocks_elsewhere(lab: Lab, where: str, way: str) -> None:
    async with lab.running() as runtime:
        handle = await getattr(runtime.client.service(Blocking), where).send(way)
        info = await paused(handle)
        assert await cause_of(handle) == PauseCause.BLOCKED.value
        assert info.pause_reason.startswith(__file__)


async def test_so_is_a_step_whose_argument_blocks_as_it_is_copied(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Blocking).in_a_copy.send()
        await paused(handle)
        assert await cause_of(handle) == PauseCause.BLOCKED.value


async def test_a_step_that_ends_all_the_same_has_its_outcome(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Blocking).in_a_step("swallow_once") == "done"


async def test_mended_code_goes_on_where_it_was(lab: Lab) -> None:
    global BLOCKS
    async with lab.running() as runtime:
        handle = await runtime.client.service(Blocking).behind_an_await.send("loop")
        step_handle = await runtime.client.service(Blocking).in_a_step.send("loop")
        await paused(handle)
        await paused(step_handle)
        BLOCKS = False
        await handle.resume()
        await step_handle.resume()
        assert await handle.result() == "done"
        assert await step_handle.result() == "done"


async def test_an_argument_that_blocks_as_it_is_made_pauses_its_invocation(lab: Lab) -> None:
    global BLOCKS
    BLOCKS = False
    async with lab.running() as runtime:
        handle = await runtime.client.service(Blocking).take.options(delay=1).send(Slow(2))
        BLOCKS = True
        await paused(handle)
        assert await cause_of(handle) == PauseCause.BLOCKED.value


async def test_a_request_whose_argument_never_becomes_an_object_is_refused(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(actors.errors.BlockedLoopError):
            await runtime.client.send_by_name(Target("Blocking", None, "take"), b'{"amount": 2}')
        assert await runtime.client.actor(Other, "a").add() == 1


@pytest.mark.parametrize("where", ["without_words", "a_step_without_words"])
async def test_an_error_whose_text_never_ends_is_kept_without_it(lab: Lab, where: str) -> None:
    async with lab.running() as runtime:
        await paused(await getattr(runtime.client.service(Blocking), where).send())
        assert await runtime.client.actor(Other, "a").add() == 1


async def test_a_cleanup_that_blocks_is_interrupted_when_its_attempt_is_over(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Blocking).at_its_end.send()
        await trio.sleep(1)
        await handle.kill()
        assert await runtime.client.actor(Other, "a").add() == 1


def test_without_signals_a_loop_is_interrupted_all_the_same() -> None:
    """The runtime of a program whose main thread does something else."""
    causes: list[str] = []

    async def main() -> None:
        async with Lab(Blocking, Other, limits=LIMITS).running() as runtime:
            for where in ("directly", "in_a_step"):
                handle = await getattr(runtime.client.service(Blocking), where).send("loop")
                await paused(handle)
                causes.append(await cause_of(handle))

    thread = threading.Thread(target=lambda: trio.run(main, clock=MockClock(autojump_threshold=0)))
    thread.start()
    thread.join()
    assert causes == [PauseCause.BLOCKED.value] * 2


def test_signals_that_the_program_uses_are_left_to_it() -> None:
    def mine(*_: object) -> None: ...

    async def main() -> None:
        async with Lab(Blocking, limits=LIMITS).running() as runtime:
            await paused(await runtime.client.service(Blocking).directly.send("loop"))

    before = signal.signal(signal.SIGURG, mine)
    try:
        trio.run(main, clock=MockClock(autojump_threshold=0))
        assert signal.getsignal(signal.SIGURG) is mine
    finally:
        signal.signal(signal.SIGURG, before)


async def test_signals_are_as_before_when_the_runtime_has_ended(lab: Lab) -> None:
    async with lab.running():
        assert signal.getitimer(signal.ITIMER_VIRTUAL)[1] > 0
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL


@attrs.define(eq=False)
class SomeTurn:
    invocation_id: InvocationId = attrs.field(default="inv", converter=InvocationId)
    name: str = "some turn"
    may_be_interrupted: bool = True
    mark: bytes = b""
    gets_on: bool = False
    looked_at: int = 0

    @property
    def progress(self) -> int:
        self.looked_at += 1
        return self.looked_at if self.gets_on else 0


@pytest.fixture
def watchdog() -> Any:
    opened = Watchdog(LIMIT_SECONDS)
    opened.start()
    yield opened
    opened.stop()


def until_looked_at(turn: SomeTurn, times: int) -> None:
    while turn.looked_at < times:
        pass


def test_a_long_replay_is_not_stuck(watchdog: Watchdog) -> None:
    turn = SomeTurn(gets_on=True)
    watchdog.run(turn, until_looked_at, turn, 12)
    assert watchdog.take_interrupted() is None


def test_built_in_objects_are_not_interrupted(watchdog: Watchdog) -> None:
    turn = SomeTurn(may_be_interrupted=False)
    watchdog.run(turn, until_looked_at, turn, 12)
    assert watchdog.take_interrupted() is None


def test_the_place_is_a_line_in_a_file_not_in_code_that_a_library_compiled(watchdog: Watchdog) -> None:
    compiled: dict[str, Callable[[], types.FrameType]] = {}
    exec("import sys\ndef frame(): return sys._getframe()", compiled)

    def use_it() -> str:
        return frames.place_of(compiled["frame"]()).line

    assert use_it() == f"{__file__}:{use_it.__code__.co_firstlineno + 1}"


def test_an_interruption_says_where_and_concerns_no_other_turn(watchdog: Watchdog) -> None:
    with pytest.raises(Interruption):
        watchdog.run(SomeTurn(), loop)
    place = watchdog.take_interrupted()
    assert place is not None
    assert place.line.startswith(__file__)
    watchdog.run(SomeTurn(), lambda: None)
    assert watchdog.take_interrupted() is None


def test_an_exception_that_was_sent_too_late_comes_nowhere() -> None:
    """Sent from another thread at every moment of short turns: none arrives outside of one."""
    escaped: list[BaseException] = []

    def work() -> None:
        opened = Watchdog(1e-9)
        opened.start()
        try:
            for _ in range(200):
                with contextlib.suppress(Interruption):
                    opened.run(SomeTurn(), lambda: [None for _ in range(2_000)])
        except BaseException as error:
            escaped.append(error)
        finally:
            opened.stop()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert escaped == []


def asks(module_name: str, function_name: str = "call") -> bool:
    """Whether code of this function may be interrupted."""
    module = types.ModuleType(module_name)
    module.__dict__["ask"] = lambda: is_in_users_code(sys._getframe(1))
    exec(compile(f"def {function_name}(): return ask()", "/somewhere/else.py", "exec"), module.__dict__)
    answer: bool = Watchdog().run(SomeTurn(), module.__dict__[function_name])
    return answer


def test_code_under_a_debugger_waits_for_a_person() -> None:
    assert asks("shop")
    assert not asks("bdb")


def test_what_python_calls_in_between_is_not_interrupted() -> None:
    assert not asks("shop", "__del__")


def test_a_collection_in_the_midst_of_a_users_code_is_not_interrupted() -> None:
    """The engine listens to the collector itself, and Python drops an exception that a listener raises."""
    answers: list[bool] = []
    listener = compile("def note(phase, info): ask()", collection.__file__, "exec")
    names: dict[str, Any] = {
        "__name__": collection.__name__,
        "ask": lambda: answers.append(is_in_users_code(sys._getframe(1))),
    }
    exec(listener, names)
    gc.callbacks.append(names["note"])
    try:
        Watchdog().run(SomeTurn(), lambda: gc.collect())  # a frame of user code around the collection
    finally:
        gc.callbacks.remove(names["note"])
    assert answers
    assert not any(answers)


def test_every_function_that_may_be_interrupted_below_exists() -> None:
    for module, name in frames._CALLERS:
        found = operator.attrgetter(name)(importlib.import_module(module))
        assert found.__qualname__ == name
