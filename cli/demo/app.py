"""The app of ``playhead demo``: a chat whose agent can be interrupted, and a trip that can be undone.

Every side effect also writes a line to a file outside playhead, so that the demo can check what really happened.
"""

from __future__ import annotations

import contextlib
import os

import trio

import actors
from actors import Actor, Service, handler, shared, step

LEDGER_VARIABLE = "PLAYHEAD_DEMO_LEDGER"

_WORDS = {
    "outline": ["first", "the", "question", ",", "then", "what", "is", "known", ",", "then", "what", "follows"],
    "research": ["three", "sources", "agree", ",", "one", "does", "not", ",", "and", "says", "why"],
    "draft": ["so", "here", "is", "an", "answer", "that", "takes", "all", "four", "of", "them", "seriously"],
    "polish": ["shorter", ",", "plainer", ",", "done"],
}


def note(line: str) -> None:
    """Append a line about a side effect to the file."""
    descriptor = os.open(os.environ[LEDGER_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@step
async def generate(question: str, part: str) -> str:
    """Return a part of an answer, token by token, as a model would stream it."""
    note(f"begin {question}/{part}")
    words: list[str] = []
    try:
        for word in _WORDS[part]:
            await trio.sleep(0.12)
            words.append(word)
            actors.emit(word)
    except trio.Cancelled:
        note(f"stopped {question}/{part}")
        raise
    note(f"end {question}/{part}")
    return " ".join(words)


@step
async def save_partial(question: str, parts: list[str]) -> None:
    """Save the unfinished part of an answer that was cancelled."""
    note(f"saved {question} with {len(parts)} parts")


@step
async def book(what: str, seconds: float) -> str:
    """Reserve something with another company."""
    note(f"begin book {what}")
    try:
        await trio.sleep(seconds)
    except trio.Cancelled:
        await _let_go(what)
        raise
    note(f"end book {what}")
    return what


async def _let_go(what: str) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(0.2)  # the other side takes a moment to disconnect
    note(f"stopped book {what}")


@step
async def unbook(what: str) -> None:
    """Cancel the reservation."""
    note(f"undo {what}")


class Agent(Service):
    """Answers a question in four recorded steps."""

    @handler
    async def answer(self, question: str) -> str:
        parts: list[str] = []
        try:
            for part in _WORDS:
                text = await generate(question, part)
                parts.append(text)
        except actors.CancelledError:
            await save_partial(question, parts)
            raise
        return ". ".join(parts)


class Chat(Actor):
    """Knows which answer is being written, and cancels it when a newer question comes."""

    current: actors.InvocationId | None = None
    questions: list[str] = actors.field(factory=list)

    @handler
    async def message(self, question: str) -> actors.InvocationId:
        if self.current is not None:
            with contextlib.suppress(actors.ConflictError):
                await actors.invocation(self.current).cancel(reason="superseded by a newer message")
        task = await actors.service(Agent).answer.send(question)
        self.current = task.id
        self.questions.append(question)
        return task.id

    @shared
    async def asked(self) -> list[str]:
        return self.questions


class Trip(Service):
    """Books a flight, a hotel and a car, or nothing."""

    @handler
    async def arrange(self, traveller: str) -> list[str]:
        booked: list[str] = []
        try:
            for what, seconds in (("flight", 0.4), ("hotel", 0.4), ("car", 30.0)):
                booked.append(what)
                await book(what, seconds)
        except actors.CancelledError:
            for what in reversed(booked):
                await unbook(what)
            raise
        return booked
