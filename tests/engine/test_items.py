"""Items of logs and maps that are changed in place: recorded, or refused, never forgotten."""

from __future__ import annotations

import contextlib
import weakref
from typing import Any

import attrs
import pytest

import actors
from actors import Actor, InvocationHandle, Log, Map, handler, shared
from actors.model import log_view
from tests.lab import Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@attrs.define(eq=False)
class Note:
    text: str
    tags: list[str] = attrs.field(factory=list)


class Book(Actor):
    notes: Log[Note]
    rows: Log[dict[str, int]]
    words: Log[str]
    shelf: Map[str, Note]
    first: Note = Note("first")

    @handler
    async def fill(self, count: int = 3) -> None:
        self.notes.extend(Note(f"{i}") for i in range(count))
        self.rows.append({"a": 1})
        self.words.append("w")
        self.shelf["a"] = Note("a")

    @handler
    async def append_then_change(self, *, wait: bool = False) -> list[str]:
        note = Note("new")
        self.notes.append(note)
        note.tags.append("before")
        self.notes[-1].tags.append("through the log")
        assert self.notes[-1] is note
        if wait:
            await actors.signal("go")
            note.tags.append("after")
        return [tag for note in self.notes for tag in note.tags]

    @handler
    async def change(self, how: str) -> None:
        match how:
            case "index":
                self.notes[0].tags.append("lost")
            case "slice":
                self.notes[1:2][0].text = "lost"
            case "walk":
                for note in self.notes:
                    note.tags.append("lost")
            case "list":
                notes = list(self.notes)
                notes[0].text = "lost"
            case "dict":
                self.rows[0]["a"] = 2
            case "later":
                note = self.notes[0]
                await actors.signal("go")
                note.tags.append("lost")
            case "child":
                tags = self.notes[0].tags
                await actors.signal("go")
                tags.append("lost")
                await actors.signal("go")

    @shared
    async def change_as_reader(self, how: str) -> None:
        match how:
            case "log":
                self.notes[0].tags.append("lost")
            case "map":
                self.shelf["a"].tags.append("lost")
            case "later":
                note = self.shelf["a"]
                await actors.signal("go")
                note.tags.append("lost")

    @shared
    async def most_alive(self) -> int:
        alive = weakref.WeakSet[Note]()
        most = 0
        for note in self.notes:
            alive.add(note)
            most = max(most, len(alive))
        return most

    @shared
    async def texts(self) -> list[str]:
        return [note.text for note in self.notes]

    @shared
    async def tags(self) -> list[list[str]]:
        return [note.tags for note in self.notes]


async def go(handle: InvocationHandle[Any]) -> None:
    """Let a handler go on that waits, if it does."""
    with contextlib.suppress(actors.ConflictError):
        await handle.signal("go")


@pytest.fixture
def lab() -> Lab:
    return Lab(Book)


@pytest.mark.parametrize("how", ["index", "slice", "walk", "dict", "later", "child"])
async def test_an_item_of_a_log_that_is_changed_is_refused_by_name(lab: Lab, how: str) -> None:
    async with lab.running() as runtime:
        book = runtime.client.actor(Book, "k")
        await book.fill()
        change = await book.change.send(how)
        await go(change)
        await go(change)
        with pytest.raises(actors.errors.FieldMisuseError, match=r"(notes|rows)\[\d\]"):
            await change.result()
        assert await book.tags() == [[], [], []]


@pytest.mark.parametrize("how", ["log", "map", "later"])
async def test_an_item_that_a_reader_changes_is_refused_by_name(lab: Lab, how: str) -> None:
    async with lab.running() as runtime:
        book = runtime.client.actor(Book, "k")
        await book.fill()
        change = await book.change_as_reader.send(how)
        await quiet()
        await go(change)
        with pytest.raises(actors.errors.FieldMisuseError, match=r"(notes|shelf)"):
            await change.result()


async def test_what_was_just_appended_may_be_changed_until_it_is_recorded(lab: Lab) -> None:
    async with lab.running() as runtime:
        book = runtime.client.actor(Book, "k")
        assert await book.append_then_change() == ["before", "through the log"]
        late = await book.append_then_change.send(wait=True)
    async with lab.running() as runtime:
        book = runtime.client.actor(Book, "k")
        late = runtime.client.invocation(late.id)
        await late.signal("go")
        with pytest.raises(actors.errors.FieldMisuseError, match=r"notes\[1\]"):
            await late.result()
        assert await book.tags() == [["before", "through the log"]] * 2


@pytest.mark.parametrize("how", ["walk", "list", "later"])
async def test_no_change_is_forgotten_among_many_items(how: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_view, "MAX_WATCHED", 2)
    monkeypatch.setattr(log_view, "PAGE", 2)
    async with lab.running() as runtime:
        book = runtime.client.actor(Book, "k")
        await book.fill(9)
        assert len(await book.texts()) == 9
        change = await book.change.send(how)
        await go(change)
        with pytest.raises(actors.errors.FieldMisuseError, match=r"notes\[0\]"):
            await change.result()


async def test_a_walk_over_many_items_holds_few(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_view, "MAX_WATCHED", 2)
    monkeypatch.setattr(log_view, "PAGE", 2)
    async with lab.running() as runtime:
        book = runtime.client.actor(Book, "k")
        await book.fill(9)
        assert await book.most_alive() <= 6


async def test_items_that_another_version_wrote_are_not_taken_for_changed() -> None:
    @attrs.define
    class Wider:
        text: str
        tags: list[str] = attrs.field(factory=list)
        stars: int = 5

    class Wide(Actor):
        notes: Log[Wider]
        shelf: Map[str, Wider]
        first: Wider = Wider("first")

        @handler
        async def write(self) -> None:
            self.first = self.first

        @shared
        async def stars(self) -> list[int]:
            found = [note.stars for note in (*self.notes, *self.shelf.values(), self.first)]
            await actors.signal("go")
            return found

        @handler
        async def stars_of_writer(self) -> list[int]:
            return [note.stars for note in (*self.notes, *self.shelf.values(), self.first)]

    Wide.__name__ = "Book"
    Wide.__annotations__ = {"notes": Log[Wider], "shelf": Map[str, Wider], "first": Wider}
    lab: Any = Lab(Book)
    async with lab.running() as runtime:
        await runtime.client.actor(Book, "k").fill()
        await runtime.client.object(Book, "k").edit(set={"first": {"text": "a", "tags": []}})
    async with lab.running(Wide) as runtime:
        wide = runtime.client.actor(Wide, "k")
        reading = await wide.stars.send()
        await go(reading)
        assert await reading.result() == [5] * 5
        assert await wide.stars_of_writer() == [5] * 5
