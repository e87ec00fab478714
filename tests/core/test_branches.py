"""Whose operation it is: the branch's that awaits it, while the engine runs that branch, and nobody else's."""

from __future__ import annotations

import gc
import threading
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import step
from actors.errors import MisuseError
from actors.replay.branches import Branch
from actors.replay.interruptions import Interruptions
from tests.core.machine import Machine, step_done, timer
from tests.raising import raises

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@step
async def work(name: str = "") -> str:
    raise AssertionError("a body is the engine's to run, not the machine's")


def asked(machine: Machine) -> list[tuple[str, str]]:
    return [(type(event).__name__, getattr(event, "step", "")) for event in machine.requests]


def test_an_operation_is_of_the_branch_that_awaits_it_wherever_it_was_made() -> None:
    async def await_it(made: Any, seen: list[str]) -> None:
        seen.append(await made)

    async def it() -> list[str]:
        seen: list[str] = []
        made = [work("a"), work("b"), actors.run(work, "c")]
        async with actors.open_nursery() as nursery:
            for each in made:
                nursery.start_soon(await_it, each, seen)
        return seen

    machine = Machine(it)
    assert [*machine.waits_for] == ["1.1.1", "1.2.1", "1.3.1"]
    machine.give(step_done("1.2.1", "b"), step_done("1.1.1", "a"))
    assert machine.replayed().give(step_done("1.3.1", "c")).result == ["b", "a", "c"]


def test_an_operation_that_one_branch_made_is_cancelled_with_the_one_that_awaits_it() -> None:
    async def await_it(made: Any) -> None:
        await made

    async def it() -> str:
        made = work("a")
        async with actors.open_nursery() as nursery:
            nursery.start_soon(await_it, made)
            nursery.cancel_scope.cancel()
        return "left"

    machine = Machine(it)
    assert machine.result == "left"
    assert asked(machine) == []


def test_what_is_never_awaited_is_never_asked_for() -> None:
    async def it() -> str:
        work("never").close()
        return await work("awaited")

    assert Machine(it).give(step_done("1", "x")).result == "x"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("verb", [work, lambda: actors.sleep(1), lambda: actors.signal("x")])
def test_a_coroutine_stepped_by_hand_asks_for_nothing(verb: Callable[[], Any]) -> None:
    async def it() -> str:
        by_hand = verb()
        by_hand.send(None)
        by_hand.close()
        return await work("awaited")

    machine = Machine(it)
    assert asked(machine) == [("StepScheduled", "1")]
    assert machine.give(step_done("1", "x")).result == "x"


def test_one_that_was_stepped_by_hand_cannot_come_later() -> None:
    class Later:
        def __init__(self, asked: Any) -> None:
            self.asked = asked

        def __await__(self) -> Any:
            return (yield self.asked)

    async def it() -> str:
        by_hand = work("by hand")
        late = by_hand.send(None)
        await work("between")
        try:
            await Later(late)
        finally:
            by_hand.close()
        return "came"

    assert isinstance(Machine(it).give(step_done("1")).error, MisuseError)


class Loud:
    """Uses a verb when it is finalised, and notes how that went."""

    def __init__(self, verb: Callable[[], object], went: list[object]) -> None:
        self.verb, self.went, self.circle = verb, went, self

    def __del__(self) -> None:
        try:
            self.verb()
        except Exception as error:
            self.went.append(type(error))
        else:
            self.went.append(None)


def enter_a_deadline() -> None:
    actors.move_on_after(5).__enter__()


@pytest.mark.parametrize(
    "verb", [lambda: actors.emit("late"), actors.random, actors.uuid4, lambda: actors.patched("x"), enter_a_deadline]
)
def test_a_finaliser_that_the_collector_runs_cannot_use_a_verb(verb: Callable[[], object]) -> None:
    went: list[object] = []

    async def it() -> str:
        Loud(verb, went)
        gc.collect()
        return await work("awaited")

    machine = Machine(it)
    assert went == [MisuseError]
    assert asked(machine) == [("StepScheduled", "1")]


def test_while_one_thread_collects_another_may_use_the_verbs() -> None:
    collecting, done = threading.Event(), threading.Event()

    def finalise() -> None:
        collecting.set()
        done.wait(10)

    async def it() -> None:
        actors.emit("meanwhile")

    def collect() -> None:
        Loud(finalise, [])
        gc.collect()

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        assert collecting.wait(10)
        machine = Machine(it)
    finally:
        done.set()
        thread.join()
    assert [piece.value for piece in machine.output] == [b'"meanwhile"']


def test_a_scope_and_a_nursery_of_one_handler_obey_no_other() -> None:
    theirs: dict[str, Any] = {}
    refused: list[str] = []

    async def owner() -> None:
        with actors.move_on_after(100) as theirs["scope"]:
            async with actors.open_nursery() as theirs["nursery"]:
                await work("a")

    async def stranger() -> None:
        uses: dict[str, Callable[[], object]] = {
            "cancel": lambda: theirs["scope"].cancel(),
            "start": lambda: theirs["nursery"].start_soon(work, "b"),
            "leave": lambda: theirs["scope"].__exit__(None, None, None),
        }
        for name, use in uses.items():
            try:
                use()
            except MisuseError:
                refused.append(name)
        await work("mine")

    machine, other = Machine(owner), Machine(stranger)
    assert refused == ["cancel", "start", "leave"]
    assert asked(other) == [("StepScheduled", "1")]
    machine.give(step_done("3"))
    assert asked(machine) == [
        ("DeadlineScheduled", "1"),
        ("StepScheduled", "3"),
        ("WaitDropped", "1"),
    ]


def test_a_generator_of_one_branch_cannot_be_finished_by_a_scope_in_another() -> None:
    def scoped() -> Iterator[int]:
        with actors.move_on_after(5):
            yield 1

    async def child(generator: Iterator[int]) -> None:
        next(generator, None)

    async def it() -> None:
        generator = scoped()
        next(generator)
        async with actors.open_nursery() as nursery:
            nursery.start_soon(child, generator)

    error = Machine(it).error
    assert isinstance(error, BaseExceptionGroup)
    assert [type(leaf) for leaf in error.exceptions] == [MisuseError]


def test_the_context_of_one_branch_is_no_way_into_another() -> None:
    async def it() -> str:
        copies: list[Any] = []

        async def child() -> None:
            copies.append(copy_context())
            await work("child")

        async with actors.open_nursery() as nursery:
            nursery.start_soon(child)
            await work("parent")
            with raises(MisuseError, code="outside_handler"):
                copies[0].run(actors.emit, "as the child")
        return "refused"

    machine = Machine(it).give(step_done("2"), step_done("1.1.1"))
    assert machine.result == "refused"
    assert machine.output == []


def test_a_deadline_of_one_branch_concerns_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted: list[Any] = []
    interrupt = Interruptions._interrupt

    def noted(execution: Interruptions, branch: Branch, error: BaseException) -> bool:
        interrupted.append(branch.path)
        return interrupt(execution, branch, error)

    monkeypatch.setattr(Interruptions, "_interrupt", noted)
    looked_at: list[str] = []
    monkeypatch.setattr(Branch, "scope", Noted(Branch.scope, looked_at))

    async def child() -> None:
        with actors.move_on_after(5):
            await actors.sleep(100)

    async def it() -> None:
        async with actors.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(child)

    machine = Machine(it)
    looked_at.clear()
    machine.give(timer("1.20.1"))
    assert interrupted == ["1.20."]
    assert {*looked_at} == {"1.20."}
    machine.execution.close()


class Noted:
    """The slot of a branch, which notes whose is read."""

    def __init__(self, slot: Any, noted: list[str]) -> None:
        self._slot = slot
        self._noted = noted

    def __get__(self, branch: Branch, kind: type) -> Any:
        self._noted.append(branch.path)
        return self._slot.__get__(branch, kind)

    def __set__(self, branch: Branch, scope: Any) -> None:
        self._slot.__set__(branch, scope)


def test_a_cancelled_scope_reaches_the_branches_in_it_in_the_order_in_which_they_began() -> None:
    ended: list[str] = []

    async def child(name: str, scope: actors.CancelScope) -> None:
        try:
            with scope:
                await actors.sleep(100)
        except BaseException:
            ended.append(name)
            raise
        else:
            ended.append(f"{name} was left")

    async def it() -> None:
        async with actors.open_nursery() as outer, actors.open_nursery() as inner:
            inner.start_soon(child, "a", actors.CancelScope())
            outer.start_soon(child, "b", actors.CancelScope())
            inner.start_soon(child, "shielded", actors.CancelScope(shield=True))
            outer.start_soon(child, "c", actors.CancelScope())
            inner.start_soon(child, "d", actors.CancelScope())
            await work("begun")
            outer.cancel_scope.cancel()

    machine = Machine(it).give(step_done("3"))
    assert ended == ["a", "b", "c", "d"]
    machine.execution.close()


# Context variables.


tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


def test_children_begin_with_the_context_variables_of_the_moment_they_are_started_at() -> None:
    async def child(seen: list[str]) -> None:
        seen.append(tenant.get())
        tenant.set("the child's own")

    async def it() -> list[str]:
        seen: list[str] = []
        async with actors.open_nursery() as nursery:
            for name in ("alice", "bob"):
                tenant.set(name)
                nursery.start_soon(child, seen)
            tenant.set("later")
        return [*seen, tenant.get()]

    assert Machine(it).result == ["alice", "bob", "later"]
