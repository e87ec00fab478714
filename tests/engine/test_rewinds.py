"""Rewinds behind one another: what an earlier one has removed is put back, and readers of the past see it."""

from __future__ import annotations

from typing import Any

import actors
from actors import Actor, Log, Map, handler, step
from actors.query.fsck.doctor import examine
from tests.lab import Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def stamp(text: str) -> str:
    return text


class Diary(Actor):
    """``lines`` are what was written, ``last`` is who wrote a word last."""

    lines: Log[str]
    last: Map[str, str]

    @handler
    async def write(self, who: str, words: list[str]) -> list[str]:
        for word in words:
            self.lines.append(word)
            self.last[word] = who
        return [*self.lines]

    @handler
    async def sign(self, who: str) -> list[str]:
        before = [*self.lines, f"last: {self.last.get('a')}"]
        await stamp(who)
        self.lines.append(who)
        return before


async def again(
    client: actors.Client, of: Any, point: str | None = None, *, rewinds: bool = True
) -> tuple[Any, list[str]]:
    """The restart, and its result."""
    answer = await of.restart(point, rewind_state=rewinds)
    handle = client.invocation(answer.successor.invocation_id)
    return handle, await handle.result()


async def lines_at(client: actors.Client, at: int | None = None) -> list[str]:
    return [item.value for item in await client.object("Diary", "d").items("lines", at=at)]


async def test_a_rewind_behind_a_rewind_puts_back_what_that_one_removed() -> None:
    lab = Lab(Diary)
    async with lab.running() as runtime:
        client, diary = runtime.client, runtime.client.actor(Diary, "d")
        first = await diary.write.send("ann", ["a"])
        assert await first.result() == ["a"]
        assert await diary.write("bob", ["b", "c"]) == ["a", "b", "c"]
        signing = await diary.sign.send("cy")
        assert await signing.result() == ["a", "b", "c", "last: ann"]
        assert (await again(client, first))[1] == ["a"]
        assert await diary.write("dan", ["x", "y", "z"]) == ["a", "x", "y", "z"]
        assert (await again(client, signing))[1] == ["a", "b", "c", "last: ann"]
    async with lab.running() as runtime:
        assert await runtime.client.actor(Diary, "d").write("eve", []) == ["a", "b", "c", "cy"]
    assert examine(lab.store, lab.partitions).is_sound


async def test_a_rewinding_restart_of_one_begins_where_that_one_began() -> None:
    async with Lab(Diary).running() as runtime:
        client, diary = runtime.client, runtime.client.actor(Diary, "d")
        first = await diary.write.send("ann", ["a"])
        await first.result()
        await diary.write("bob", ["b", "c"])
        second, written = await again(client, first)
        assert written == ["a"]
        assert (await again(client, second))[1] == ["a"]


async def test_the_past_of_a_log_is_what_it_was_before_a_rewind() -> None:
    async with Lab(Diary).running() as runtime:
        client, diary = runtime.client, runtime.client.actor(Diary, "d")
        first = await diary.write.send("ann", ["a"])
        await first.result()
        await diary.write("bob", ["b", "c"])
        then = (await client.object("Diary", "d").info()).version
        await again(client, first)
        await diary.write("dan", ["x", "y", "z"])
        assert await lines_at(client) == ["a", "x", "y", "z"]
        assert await lines_at(client, then) == ["a", "b", "c"]


async def test_a_kept_part_that_cannot_read_a_log_as_it_was_is_refused() -> None:
    async with Lab(Diary).running() as runtime:
        client, diary = runtime.client, runtime.client.actor(Diary, "d")
        first = await diary.write.send("ann", ["a"])
        await first.result()
        await diary.write("bob", ["b"])
        signing = await diary.sign.send("cy")
        await signing.result()
        await again(client, first)
        with raises(actors.ConflictError, code="not_possible", match="lines"):
            await signing.restart("end")
        assert (await again(client, signing, "end"))[1] == ["a", "b", "last: ann"]
        assert await diary.write("eve", []) == ["a", "b", "cy"]


async def test_a_restart_of_a_restart_reads_maps_as_the_first_original_did() -> None:
    async with Lab(Diary).running() as runtime:
        client, diary = runtime.client, runtime.client.actor(Diary, "d")
        await diary.write("ann", ["a"])
        signing = await diary.sign.send("cy")
        assert await signing.result() == ["a", "last: ann"]
        second, read = await again(client, signing, "end", rewinds=False)
        assert read == ["a", "last: ann"]
        await diary.write("bob", ["a"])
        assert (await again(client, second, "end", rewinds=False))[1] == ["a", "last: ann"]
