"""Values, names, numbers, types and policies that no program should use, each under a name for what is wrong with it.

They are made anew at each use, so that a handler that is replayed does the same again.
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import enum
import math
import sys
import threading
from collections import UserDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import attrs
import trio
import trio.lowlevel

from actors import RetryPolicy
from tests.hostile.errors import NOT_UTF8, Text, Unasked, refuse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BIG = 10**5000
"""An integer with more digits than Python turns into text."""


class Float(float):
    """A number that cannot be compared."""

    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __float__ = __add__ = __radd__ = __bool__ = refuse  # type: ignore[assignment]
    __hash__ = refuse  # type: ignore[assignment]


class Int(int):
    """An integer that cannot be looked at."""

    __index__ = __int__ = __str__ = __repr__ = __eq__ = __hash__ = __lt__ = __bool__ = refuse  # type: ignore[assignment]


class List(list[Any]):
    """A list that cannot be walked over."""

    __iter__ = __len__ = __getitem__ = __eq__ = refuse  # type: ignore[assignment]


class Dict(dict[Any, Any]):
    """A dictionary that cannot be walked over."""

    __iter__ = __len__ = __getitem__ = keys = items = values = __eq__ = refuse  # type: ignore[assignment]


class Closed:
    """An object that answers nothing."""

    __getattribute__ = __repr__ = __str__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = refuse  # type: ignore[assignment]


class Pretender:
    """An object that says that it is a text."""

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return str


class Word(enum.Enum):
    """An enum whose members' values are no JSON."""

    ODD = object()
    RATE = math.nan


@attrs.define
class Node:
    """A value that can hold itself."""

    inner: Any = None


@dataclass
class Record:
    """A value with a part that cannot be read."""

    part: Any = None

    @property
    def broken(self) -> Any:
        raise SystemExit("refused")


def _holding_itself() -> Node:
    node = Node()
    node.inner = node
    return node


def _cyclic_list() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


def nested(depth: int) -> list[Any]:
    """A list in a list, as deep as it is asked for."""
    items: list[Any] = []
    for _ in range(depth):
        items = [items]
    return items


VALUES: dict[str, Callable[[], Any]] = {
    "not a number": lambda: math.nan,
    "infinity": lambda: -math.inf,
    "integer beyond the digits": lambda: BIG,
    "integer that its sign makes too long": lambda: 1 - 10**4300,
    "integer beyond 64 bits": lambda: 2**64,
    "not UTF-8": lambda: NOT_UTF8,
    "not UTF-8 inside": lambda: {"a": [NOT_UTF8]},
    "NUL": lambda: "\x00",
    "text that cannot be looked at": lambda: Text("x"),
    "integer that cannot be looked at": lambda: Int(5),
    "number that cannot be compared": lambda: Float(1.0),
    "list that cannot be walked": lambda: List([1]),
    "dictionary that cannot be walked": lambda: Dict(a=1),
    "object that answers nothing": Closed,
    "object that says it is a text": Pretender,
    "object": object,
    "class": lambda: ValueError,
    "class that cannot be asked": lambda: Unasked,
    "function": lambda: refuse,
    "module": lambda: sys,
    "lock": threading.Lock,
    "error": lambda: ValueError("x"),
    "member without JSON": lambda: Word.ODD,
    "member that is no number": lambda: Word.RATE,
    "value that holds itself": _holding_itself,
    "list that holds itself": _cyclic_list,
    "list that is deep": lambda: nested(5_000),
    "record with a broken part": Record,
    "keys that are no texts": lambda: {1: 2, (3, 4): 5, None: 6},
    "keys that are not UTF-8": lambda: {NOT_UTF8: 1},
    "keys that become one": lambda: {1: "a", "1": "b"},
    "mapping of another kind": lambda: UserDict({"a": 1}),
    "set": lambda: {1, "a", None},
    "bytes": lambda: b"\xff",
    "memory": lambda: memoryview(b"\xff"),
    "complex": lambda: 1j,
    "decimal that is no number": lambda: decimal.Decimal("sNaN"),
    "date without a zone": lambda: datetime.datetime.max,
    "date before all others": lambda: datetime.datetime.min.replace(tzinfo=datetime.UTC),
    "longest span": lambda: datetime.timedelta.max,
    "ellipsis": lambda: ...,
    "long text": lambda: "x" * 200_000,
    "ordinary": lambda: 1,
}
"""For results, arguments, fields, items, output and signals."""

NAMES: dict[str, Callable[[], Any]] = {
    "not UTF-8": lambda: NOT_UTF8,
    "empty": str,
    "long": lambda: "x" * 100_000,
    "NUL": lambda: "\x00",
    "path": lambda: "../a/b",
    "number": lambda: 5,
    "none": lambda: None,
    "class": lambda: ValueError,
    "bytes": lambda: b"go",
    "text that cannot be looked at": lambda: Text("x"),
    "object that says it is a text": Pretender,
    "object that answers nothing": Closed,
    "list": lambda: ["go"],
    "ordinary": lambda: "go",
}
"""For steps, signals, patches, keys and reasons."""

NUMBERS: dict[str, Callable[[], Any]] = {
    "not a number": lambda: math.nan,
    "infinity": lambda: math.inf,
    "minus infinity": lambda: -math.inf,
    "below zero": lambda: -1,
    "zero": lambda: 0,
    "far away": lambda: 1e300,
    "beyond floats": lambda: 10**400,
    "beyond the digits": lambda: BIG,
    "text": lambda: "5",
    "none": lambda: None,
    "truth": lambda: True,
    "number that cannot be compared": lambda: Float(1.0),
    "integer that cannot be looked at": lambda: Int(1),
    "decimal that is no number": lambda: decimal.Decimal("sNaN"),
    "longest span": lambda: datetime.timedelta.max,
    "span below zero": lambda: datetime.timedelta.min,
    "date without a zone": lambda: datetime.datetime(2030, 1, 1),
    "object that answers nothing": Closed,
    "ordinary": lambda: 0.5,
}
"""For dates, spans and timeouts."""

NEVER_A_TIME = (
    "not a number",
    "infinity",
    "minus infinity",
    "beyond floats",
    "beyond the digits",
    "text",
    "truth",
    "decimal that is no number",
    "date without a zone",
    "object that answers nothing",
)
"""Those that no parameter takes."""


class Odd(metaclass=Unasked):
    """A class that cannot be asked what is one of it."""


TYPES: dict[str, Callable[[], Any]] = {
    "text": lambda: "no such type",
    "not UTF-8": lambda: NOT_UTF8,
    "class that cannot be asked": lambda: Odd,
    "object that answers nothing": Closed,
    "number": lambda: 5,
    "function": lambda: refuse,
    "list of a class that cannot be asked": lambda: list[Odd],
    "mapping of lists": lambda: dict[list, int],  # type: ignore[type-arg]
    "union of an object": lambda: int | Word,
    "value that can hold itself": lambda: Node,
    "record with a broken part": lambda: Record,
    "ordinary": lambda: int,
}
"""For the results of steps, and for signals."""


class StrangeError(Exception, metaclass=Unasked):
    """Cannot be asked whether an error is one of it."""


def _mutilated(**fields: Any) -> RetryPolicy:
    policy = RetryPolicy(max_attempts=2, initial_delay=0.1)
    for name, value in fields.items():
        object.__setattr__(policy, name, value)
    return policy


POLICIES: dict[str, Any] = {
    "terminal class cannot be asked": RetryPolicy(max_attempts=2, terminal=(StrangeError,)),
    "terminal is one class": _mutilated(terminal=ValueError),
    "terminal is no class": _mutilated(terminal=5),
    "terminal answers nothing": _mutilated(terminal=Closed()),
    "attempts are a text": _mutilated(max_attempts="two"),
    "attempts are a fraction": _mutilated(max_attempts=1.5),
    "attempts are beyond 64 bits": _mutilated(max_attempts=2**70),
    "attempts answer nothing": _mutilated(max_attempts=Closed()),
    "delay is no number": _mutilated(initial_delay=math.nan),
    "delay is infinite": _mutilated(initial_delay=math.inf, max_delay=math.inf),
    "delay is below zero": _mutilated(initial_delay=-1.0),
    "delay is a text": _mutilated(initial_delay="1"),
    "factor is beyond floats": _mutilated(factor=10**400),
    "factor cannot be compared": _mutilated(factor=Float(2.0)),
    "exhaustion is a text": _mutilated(on_exhausted="pause"),
    "fail_fast answers nothing": _mutilated(fail_fast=Closed()),
    "ordinary": RetryPolicy(max_attempts=2, initial_delay=0.1),
}
"""Policies as an attribute that was assigned by force leaves them."""

USABLE_POLICIES = frozenset(
    {
        "terminal class cannot be asked",
        "terminal is one class",
        "factor cannot be compared",
        "exhaustion is a text",
        "ordinary",
    }
)
"""Those that say all that an engine asks them. An invocation under another one is paused when it is asked."""

NO_POLICIES: dict[str, Callable[[], Any]] = {
    "text": lambda: "twice",
    "class": lambda: RetryPolicy,
    "object that answers nothing": Closed,
    "dictionary": lambda: {"max_attempts": 1},
}


# Bodies of steps that leave trio's scopes and nurseries otherwise than they found them.


async def _raise_stray_cancel() -> None:
    caught: BaseException | None = None
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.sleep(1)
        except trio.Cancelled as cancelled:
            caught = cancelled
    assert caught is not None
    raise caught


async def _leave_a_scope_open() -> None:
    trio.CancelScope().__enter__()
    await trio.lowlevel.checkpoint()


async def _leave_a_cancelled_scope_open() -> None:
    scope = trio.CancelScope()
    scope.__enter__()
    scope.cancel()


async def _leave_a_nursery_open() -> None:
    await trio.open_nursery().__aenter__()


async def _leave_a_nursery_with_a_child_open() -> None:
    nursery = await trio.open_nursery().__aenter__()
    nursery.start_soon(trio.sleep, 0.1)


async def _leave_a_generator_in_a_nursery() -> None:
    async def numbers() -> Any:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            yield 1

    async for _ in numbers():
        break


async def _exit_a_scope_twice() -> None:
    scope = trio.CancelScope()
    scope.__enter__()
    scope.__exit__(None, None, None)
    scope.__exit__(None, None, None)


async def _swallow_cancels() -> None:
    with trio.move_on_after(0.1), contextlib.suppress(trio.Cancelled):
        await trio.sleep_forever()


async def _fail_in_a_child() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_raise_stray_cancel)


BODIES: dict[str, Callable[[], Awaitable[None]]] = {
    "raises a stray cancel": _raise_stray_cancel,
    "leaves a scope open": _leave_a_scope_open,
    "leaves a cancelled scope open": _leave_a_cancelled_scope_open,
    "leaves a nursery open": _leave_a_nursery_open,
    "leaves a nursery with a child open": _leave_a_nursery_with_a_child_open,
    "leaves a generator in a nursery": _leave_a_generator_in_a_nursery,
    "leaves a scope twice": _exit_a_scope_twice,
    "swallows a cancel": _swallow_cancels,
    "raises a stray cancel in a child": _fail_in_a_child,
}
