"""A thin engine: the least that runs handlers of objects durably in one Python process and can say what happened.

Its operations are those of :mod:`benchmarks.floor` (one thread writes what has arrived and flushes, one group at a time), and
above them there is only what no engine can leave out: an id and a time for each invocation, one writer for each object, typed arguments
and results in JSON, the changed fields and the outcome in one record, and one row to list the invocation by. A step is a record
of its own, on disk before the handler continues. There are no timers, calls between objects, cancels, retries, limits, snapshots, code versions,
audit or queries, and no recovery, though the records would suffice for one.

So it is a yardstick, nearer than the floor: an engine cannot get below it by being written better, only by doing less.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager
from random import Random
from struct import Struct
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import trio

from benchmarks.floor import group_commit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.floor import GroupCommit
    from benchmarks.measure import Room

_key = Struct(">BQQ").pack
_RECORD, _ROW = 1, 2
_encode = msgspec.msgpack.Encoder().encode
_to_json = msgspec.json.Encoder().encode
_integer = msgspec.json.Decoder(int).decode


class Ended(msgspec.Struct, array_like=True, gc=False):
    """The record of an invocation: what was asked, what it changed, and what it returned."""

    invocation: str
    handler: str
    accepted_at: float
    ended_at: float
    argument: bytes
    changes: dict[str, bytes]
    result: bytes


class StepEnded(msgspec.Struct, array_like=True, gc=False):
    """The record of a step."""

    invocation: str
    step: int
    ended_at: float
    result: bytes


class Listed(msgspec.Struct, array_like=True, gc=False):
    """The row of an invocation."""

    invocation: str
    key: str
    handler: str
    status: str
    accepted_at: float
    ended_at: float


@attrs.define(eq=False)
class ThinObject:
    """An object in memory, the number of its records, and who waits for the end of its invocation."""

    number: int
    key: str
    fields: dict[str, Any] = attrs.field(factory=dict)
    records: int = 0
    is_taken: bool = False
    waiting: deque[trio.lowlevel.Task] = attrs.field(factory=deque)


@attrs.define(eq=False)
class Turn:
    """What a handler is given: its object's fields, and steps."""

    fields: dict[str, Any]
    _engine: ThinEngine
    _object: ThinObject
    _invocation: str
    _steps: int = 0

    async def step(self, function: Callable[[int], Awaitable[int]], argument: int) -> int:
        """Do something once, and return when its result is on disk."""
        result = await function(argument)
        self._steps += 1
        record = _encode(StepEnded(self._invocation, self._steps, time.time(), _to_json(result)))
        await self._engine.committer.keep([(self._engine.next_record(self._object), record)])
        return result


@attrs.define(eq=False)
class ThinEngine:
    """Calls handlers. ``committer`` is the way to the disk."""

    committer: GroupCommit
    _objects: dict[str, ThinObject] = attrs.field(init=False, factory=dict)
    _invocations: int = attrs.field(init=False, default=0)
    _random: Random = attrs.field(init=False, factory=Random)

    async def call(self, key: str, handler: Callable[[Turn, int], Awaitable[int]], argument: int) -> int:
        """Run a handler of an object, and return when its record is on disk."""
        accepted_at, sent = time.time(), _to_json(argument)
        self._invocations = number = self._invocations + 1
        invocation = f"inv_{self._random.getrandbits(64):016x}{number:08x}"
        called = self._objects.get(key)
        if called is None:
            called = self._objects[key] = ThinObject(len(self._objects), key)
        while called.is_taken:
            called.waiting.append(trio.lowlevel.current_task())
            await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        called.is_taken = True
        before = dict(called.fields)
        result = _to_json(await handler(Turn(called.fields, self, called, invocation), _integer(sent)))
        changes = {name: _to_json(value) for name, value in called.fields.items() if before.get(name) != value}
        called.is_taken = False
        if called.waiting:
            trio.lowlevel.reschedule(called.waiting.popleft())
        ended_at, name = time.time(), handler.__name__
        record = Ended(invocation, name, accepted_at, ended_at, sent, changes, result)
        row = Listed(invocation, key, name, "succeeded", accepted_at, ended_at)
        await self.committer.keep(
            [
                (self.next_record(called), _encode(record)),
                (_key(_ROW, called.number, number), _encode(row)),
            ]
        )
        return _integer(result)

    def next_record(self, of: ThinObject) -> bytes:
        """Return the key of an object's next record."""
        of.records += 1
        return _key(_RECORD, of.number, of.records)


@contextmanager
def thin_engine(room: Room) -> Iterator[ThinEngine]:
    """A thin engine on a store of its own."""
    with group_commit(room) as committer:
        yield ThinEngine(committer)
