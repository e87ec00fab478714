"""The arguments of a step are part of what is replayed: other values are a mismatch, in whatever order or form they are given."""

from __future__ import annotations

import datetime
import enum
import math
import pathlib
import uuid
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import pydantic
import pytest

import actors
from actors import step
from actors.model.step_arguments import encoded
from actors.replay.execution import Progress
from journal import events as e
from tests.core.machine import LIMITED, Machine, step_done

if TYPE_CHECKING:
    from collections.abc import Callable


@step
async def work(first: Any = None, second: Any = None, *rest: Any, **named: Any) -> str:
    raise AssertionError("a body is the engine's to run, not the machine's")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@attrs.define
class Order:
    number: int
    tags: set[Any]


class Text(str):
    """A text of a class of its own."""


class Address(pydantic.BaseModel):
    town: str
    lines: set[str]


class Client:
    """No value: it is another object in every process."""

    def __deepcopy__(self, _: object) -> Client:
        return self


def asks(*args: Any, **kwargs: Any) -> Callable[[], Any]:
    async def it() -> str:
        return await work(*args, **kwargs)

    return it


def replayed_with(recorded: Callable[[], Any], attempted: Callable[[], Any]) -> Machine:
    return Machine(attempted, Machine(recorded).give(step_done("1", "x")).events)


VALUES: dict[str, tuple[Any, Any]] = {
    "texts": ("a", "b"),
    "numbers": (1, 2),
    "a number and a text": (1, "1"),
    "nothing and something": (None, 0),
    "lists": ([1, 2], [2, 1]),
    "deep dictionaries": ({"a": {"b": [1]}}, {"a": {"b": [2]}}),
    "dictionaries with numbers for keys": ({1: "a"}, {1: "b"}),
    "sets": ({"a", "b"}, {"a", "c"}),
    "members": (Colour.RED, Colour.BLUE),
    "bytes": (b"a", b"b"),
    "dates": (datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)),
    "ids": (uuid.UUID(int=1), uuid.UUID(int=2)),
    "objects of data": (Order(1, {"x"}), Order(1, {"y"})),
    "paths": (pathlib.Path("/a"), pathlib.Path("/b")),
    "paths in objects of data": (Order(1, {pathlib.Path("/a")}), Order(1, {pathlib.Path("/b")})),
    "models": (Address(town="Ulm", lines={"a", "b"}), Address(town="Ulm", lines={"a", "c"})),
    "texts of another class": (Text("a"), Text("b")),
    "dictionaries with pairs for keys": ({(1, 2): "a"}, {(1, 3): "a"}),
    "sets of several types": ({1, "a"}, {1, "b"}),
    "numbers that are not finite": (math.inf, -math.inf),
    "no number and nothing": (math.nan, None),
    "numbers in a list": ([1.5, math.inf], [1.5, math.nan]),
    "long texts": ("x" * 100_000, "x" * 99_999 + "y"),
}


@pytest.mark.parametrize("which", VALUES)
def test_other_arguments_are_a_mismatch_that_shows_both(which: str) -> None:
    recorded, attempted = VALUES[which]
    assert replayed_with(asks(recorded), asks(recorded)).result == "x"
    for form in (asks(attempted), asks(second=attempted), asks(recorded, attempted), asks()):
        said = replayed_with(asks(recorded), form).mismatch
        lines = {line.split(":")[0].strip(): line for line in said.splitlines()}
        assert "step 'work' (step 1)" in lines["recorded"]
        assert " with " in lines["recorded"]
        assert lines["recorded"].partition(" with ")[2] != lines["attempted"].partition(" with ")[2]


def test_other_arguments_have_an_advice_of_their_own() -> None:
    said = [replayed_with(asks("a"), other).mismatch for other in (asks("b"), asks("a", "b"))]
    another = replayed_with(asks("a"), lambda: actors.run(work, name="another")).mismatch
    advice = {text.splitlines()[-1] for text in (*said, another)}
    assert len(advice) == 2
    assert said[0].splitlines()[-1] != another.splitlines()[-1]


@pytest.mark.parametrize("which", VALUES)
def test_the_same_arguments_are_the_same_by_position_and_by_name(which: str) -> None:
    one, other = VALUES[which]
    forms = [asks(one, other), asks(one, second=other), asks(first=one, second=other), asks(second=other, first=one)]
    for recorded in forms:
        for attempted in forms:
            assert replayed_with(recorded, attempted).result == "x"


def test_the_order_of_sets_and_dictionaries_makes_no_difference() -> None:
    one: Any = {"b": {3, 1, 2}, "a": frozenset("xyz"), "n": {2: "two", 1: "one"}}
    other: Any = {"n": {1: "one", 2: "two"}, "a": frozenset("zyx"), "b": {2, 3, 1}}
    assert replayed_with(asks(one), asks(other)).result == "x"


@pytest.mark.parametrize(
    "form", [lambda n: asks(Client(), n), lambda n: asks(Client(), second=n), lambda n: asks(n, c=Client())]
)
def test_a_value_beside_what_is_not_a_value_is_compared(form: Callable[[int], Callable[[], Any]]) -> None:
    assert replayed_with(form(1), form(1)).result == "x"
    assert replayed_with(form(1), form(2)).progress is Progress.MISMATCHED
    assert replayed_with(form(1), asks(Client())).progress is Progress.MISMATCHED


def test_a_mismatch_shows_the_value_that_differs_however_many_clients_are_beside_it() -> None:
    clients = [Client() for _ in range(3)]
    said = replayed_with(asks(*clients, amount=5), asks(*(Client() for _ in range(3)), amount=6)).mismatch
    assert ['"amount":5' in said, '"amount":6' in said, "Client" in said] == [True, True, False]


def test_what_is_not_a_value_is_shown_by_its_repr_and_not_compared() -> None:
    machine = replayed_with(asks(Client(), 1), asks(first=Client(), second=1))
    assert machine.result == "x"
    (asked,) = [event for event in machine.events if isinstance(event, e.StepScheduled)]
    assert asked.opaque == ("0",)
    assert b"Client object at" in asked.argument


def test_steps_of_before_opaque_arguments_were_named_are_not_compared() -> None:
    events = Machine(asks(Client(), 1)).give(step_done("1", "x")).events
    older = [attrs.evolve(v, is_compared=False, opaque=()) if isinstance(v, e.StepScheduled) else v for v in events]
    assert Machine(asks(Client(), 2), older).result == "x"


def test_a_renamed_step_is_held_to_its_arguments_too() -> None:
    @step(name="renamed", aliases=("work",))
    async def renamed(first: int) -> str:
        raise AssertionError("as above")

    async def same() -> str:
        return await renamed(1)

    async def other() -> str:
        return await renamed(2)

    assert replayed_with(asks(1), same).result == "x"
    assert replayed_with(asks(1), other).progress is Progress.MISMATCHED


def test_arguments_that_are_too_large_to_be_kept_are_compared_by_their_digest() -> None:
    def limited(handler: Callable[[], Any], history: Any = None) -> Machine:
        return Machine(handler, limits=LIMITED) if history is None else Machine(handler, history, limits=LIMITED)

    large, other = "x" * 2_000, "x" * 1_999 + "y"
    machine = limited(asks(large)).give(step_done("1", "x"))
    (asked,) = [event for event in machine.events if isinstance(event, e.StepScheduled)]
    assert (asked.argument, asked.argument_bytes) == (b"", 2_004)
    assert limited(asks(large), machine.events).result == "x"
    assert "arguments of 2004 bytes" in limited(asks(other), machine.events).mismatch
    assert "arguments of 2004 bytes" in limited(asks("small"), machine.events).mismatch
    # The limit may be another one by now.
    assert Machine(asks(large), machine.events).result == "x"
    assert Machine(asks(other), machine.events).progress is Progress.MISMATCHED
    beside = limited(asks(Client(), large)).give(step_done("1", "x")).events
    assert limited(asks(Client(), large), beside).result == "x"
    assert limited(asks(Client(), other), beside).progress is Progress.MISMATCHED


class Trap:
    def __repr__(self) -> str:
        raise RuntimeError("not shown")


@pytest.mark.parametrize("args", [(), (Trap(),), ("\udce9",), (2**70,), (float("nan"),), ([[]] * 3,)])
def test_whatever_the_arguments_are_they_are_recorded_as_json(args: tuple[Any, ...]) -> None:
    for kwargs in ({}, {"named": args}):
        data, _ = encoded(args, kwargs)
        assert data == b"" or msgspec.json.decode(data) is not None


def test_arguments_in_a_partial_are_arguments_too() -> None:
    from functools import partial

    def runs(number: int) -> Callable[[], Any]:
        async def it() -> str:
            return str(await actors.run(partial(max, 3), number))

        return it

    recorded = Machine(runs(4)).give(step_done("1", 4)).events
    assert Machine(runs(4), recorded).result == "4"
    assert "with [3,4]" in Machine(runs(5), recorded).mismatch
