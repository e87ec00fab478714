"""Clients that write into notebooks and delete them, and the laws of these: nothing of a deleted object comes back, in any process, and
what has not ended is not deleted."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import attrs
import trio

import actors
from journal import events as e
from journal.ids import object_prefix, stream_of
from tests.simulation.cast import Notebook
from tests.simulation.heard import Told
from tests.simulation.lives import SAME_TIME
from tests.simulation.plan import KEYS

if TYPE_CHECKING:
    from actors.runtime import Runtime
    from journal.ids import InvocationId
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm

ANSWER_SECONDS = 3.0
"""How long a client waits for the answer of its note."""

_ELSEWHERE = (b"u", b"d", b"D")
"""Rows that name an object and are not of it: the audit, and the ids of messages."""


@attrs.define(eq=False)
class Written:
    """A note of a client, accepted at ``told`` and answered at ``end`` with what the notebook then had, if it was."""

    key: str
    number: int
    start: float = attrs.field(factory=trio.current_time)
    told: float = inf
    end: float = inf
    id: InvocationId | None = None
    answer: list[list[int]] | None = None


@attrs.define(eq=False)
class Deleted:
    """A deletion that a client asked for. It may have been done from ``start`` to ``end``, unless ``is_answered`` says that it was done."""

    key: str
    start: float = attrs.field(factory=trio.current_time)
    end: float = inf
    is_answered: bool = False


class DeletionClients:
    """What clients wrote and deleted, and what they were told."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.written: list[Written] = []
        self.deleted: list[Deleted] = []

    # Deeds.

    async def write(self, key: str, number: int, seconds: float) -> None:
        written = Written(key, number)
        self.written.append(written)
        handle = await self.storm.client.actor(Notebook, key).write.send(number, seconds)
        written.told, written.id = trio.current_time(), handle.id
        self.storm.deletable.add(handle.id)
        self.storm.told.append(Told(handle.id, "note", number, is_loose=False))
        with trio.move_on_after(ANSWER_SECONDS):
            written.answer = await handle.result()
            written.end = trio.current_time()

    async def delete(self, key: str) -> None:
        deleted = Deleted(key)
        self.deleted.append(deleted)
        try:
            await self.storm.client.object(Notebook, key).delete()
            deleted.is_answered = True
        except actors.ConflictError:
            self.deleted.remove(deleted)
            raise
        deleted.end = trio.current_time()

    # Laws.

    async def judge_deletions(self, runtime: Runtime, lives: dict[InvocationId, Life]) -> None:
        """Hold what clients were told of notebooks, and what these are in the end, against the laws."""
        for key in KEYS:
            written = [one for one in self.written if one.key == key]
            deleted = [one for one in self.deleted if one.key == key]
            self._check_invocations(written, deleted, lives)
            if self.storm.has_object(stream_of(Notebook.__name__, key)):
                self._check_rows(key, written, deleted, lives)
                last = Written(key, 0, answer=await runtime.client.actor(Notebook, key).read())
                self._check_answers(key, [*(one for one in written if one.answer is not None), last], deleted)

    def _check_invocations(
        self, written: list[Written], deleted: list[Deleted], lives: dict[InvocationId, Life]
    ) -> None:
        """What was told of before a deletion is gone with it, and had ended."""
        law = self.storm.law
        cancelled = {said.of for said in self.storm.said if said.verb in ("cancel", "kill")}
        done = {of for of, _, _ in self.storm.world.turns} | cancelled
        for one in written:
            if one.id is None:
                continue
            if one.id in lives:
                after = [d for d in deleted if d.is_answered and d.start > one.told + SAME_TIME]
                law("nothing of what was deleted comes back", not after, f"{one}: {after}")
            else:
                law("what was acknowledged is kept", any(d.end >= one.start for d in deleted), f"{one}")
                law("what has not ended is not deleted", one.id in done, f"{one}")

    def _check_answers(self, key: str, answers: list[Written], deleted: list[Deleted]) -> None:
        """Each answer has what was written since the last deletion, in every field."""
        law = self.storm.law
        for one in answers:
            seen, lines, items = one.answer or [[], [], []]
            is_whole = seen == lines and sorted(seen) == sorted(items) and len(seen) == len({*seen})
            law("a notebook is whole", is_whole, f"Notebook/{key}: {one}")
            for before in answers:
                if before.end >= one.start or before.answer is None:
                    continue
                gone = [d for d in deleted if d.is_answered and before.end < d.start and d.end < one.start]
                old = {*before.answer[0]} & {*seen}
                law("nothing of what was deleted comes back", not (gone and old), f"Notebook/{key}: {one} has {old}")
                may_be_gone = any(d.end >= before.start and d.start <= one.end for d in deleted)
                is_kept = seen[: len(before.answer[0])] == before.answer[0]
                law("what was acknowledged is kept", may_be_gone or is_kept, f"Notebook/{key}: {before}, {one}")

    def _check_rows(
        self, key: str, written: list[Written], deleted: list[Deleted], lives: dict[InvocationId, Life]
    ) -> None:
        """Of one that nobody has asked for since its deletion there is no row."""
        last = max((d.start for d in deleted if d.is_answered), default=-inf)
        if last == -inf or any(one.told > last for one in written):
            return
        if any(
            event.target.service == Notebook.__name__ for life in lives.values() for event in life.of(e.SendScheduled)
        ):
            return
        stream = stream_of(Notebook.__name__, key)
        number, prefix = stream.to_bytes(8, "big"), object_prefix(stream).encode()
        found = [row for row, _ in self.storm.disk.contents() if number in row or prefix in row]
        left = [row for row in found if not row.startswith(_ELSEWHERE)]
        self.storm.law("nothing of what was deleted stays", not left, f"Notebook/{key}: {left[:3]}")
