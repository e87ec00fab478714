"""The requests to JetStream that a log makes: put a message behind a named one, read, purge. There are no consumers.

This is the API of https://docs.nats.io/reference/reference-protocols/nats_api_reference, with direct reads of many messages (ADR-31 of
NATS) and batches that are put together or not at all (ADR-50).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import trio

from journal.errors import CorruptRecord, InDoubt, JournalError, Unavailable, Unwritable
from journal.replicated.log import LogUnusable
from journal.replicated.nats.protocol import NatsMessage, ProtocolBroken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from journal.replicated.nats.client import NatsClient

PARTS = "Playhead-Parts"
"""The header that says into how many messages a larger one was cut."""
AFTER = "Nats-Expected-Last-Sequence"
AFTER_IN_SUBJECT = "Nats-Expected-Last-Subject-Sequence"

NOT_LAST = frozenset({10071, 10164})
"""The codes of a refusal because another message is the last one, or is about to be."""
NO_STREAM = 10059
NO_MESSAGE = 10037
NOT_CLUSTERED = 10074
_NOT_ENABLED = frozenset({10039, 10076})
_MOST_IN_BATCH = 1000
_PAGE_MESSAGES = 256
_PAGE_BYTES = 8 << 20
_ELECTION_SECONDS = 15.0
"""Servers of NATS elect a leader within nine seconds."""
_SECONDS_TO_TRY = 2.0
_BETWEEN_TRIES_SECONDS = 0.2


class JetStreamRefused(JournalError):
    """JetStream has refused a request; nothing of it was done. ``number`` is the code of its error."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"{reason} (NATS error {number})")
        self.number = number


@attrs.frozen
class StoredMessage:
    """A message of a stream: its number there, and into how many a larger message was cut that it is a part of."""

    number: int
    subject: str
    parts: int
    data: bytes


@attrs.frozen
class StreamPage:
    """Some messages of a stream, in order, and whether there was none behind them."""

    messages: Sequence[StoredMessage]
    is_last: bool


@attrs.frozen
class StreamState:
    """The contents of a stream, as its leader reports them: the numbers of its first and last message, and its bytes. Without messages, ``first`` is
    one more than ``last``."""

    first: int
    last: int
    bytes: int


class JetStream:
    """The streams of the server that a client is connected to."""

    def __init__(self, client: NatsClient) -> None:
        self.client = client

    # Writing.

    async def put(
        self, subject: str, data: bytes, headers: Mapping[str, str | int] | None = None, *, seconds: float | None = None
    ) -> int:
        """Append a message to the stream of a subject, and return its number once it is durable. Raises :class:`JetStreamRefused`,
        ``Unavailable`` if nothing was sent, and ``InDoubt``."""
        answer = _decoded(await self.client.request(subject, data, headers, seconds=seconds))
        return int(answer["seq"])

    async def put_together(self, subject: str, data: bytes, headers: Mapping[str, str | int], *, largest: int) -> int:
        """Append a message, cut into parts of the subjects ``SUBJECT.0``, ``SUBJECT.1`` …: all of them or none. The ``headers`` are of the
        first. Returns the number of the last, and raises as :meth:`put` does, and ``Unwritable`` if there would be too many."""
        cut = parts_of(data, largest)
        if len(cut) == 1:
            return await self.put(f"{subject}.0", data, {**headers, PARTS: 1})
        if len(cut) > _MOST_IN_BATCH:
            raise Unwritable("a message", f"its {len(data)} bytes do not fit into {_MOST_IN_BATCH} of {largest} bytes")
        batch: dict[str, str | int] = {PARTS: len(cut), "Nats-Batch-Id": secrets.token_hex(11)}
        for index, part in enumerate(cut[:-1]):
            also = headers if index == 0 else {}
            await self.client.publish(f"{subject}.{index}", part, {**batch, **also, "Nats-Batch-Sequence": index + 1})
        last = len(cut) - 1
        return await self.put(
            f"{subject}.{last}", cut[last], {**batch, "Nats-Batch-Sequence": last + 1, "Nats-Batch-Commit": 1}
        )

    async def purge(self, stream: str, *, before: int, subject: str | None = None) -> None:
        """Remove the messages with lower numbers, of one subject or all. Raises ``Unavailable``."""
        await self.ask(f"STREAM.PURGE.{stream}", {"seq": before} | ({} if subject is None else {"filter": subject}))

    async def delete(self, stream: str, number: int) -> None:
        """Remove a message if it is there. Raises ``Unavailable``."""
        await self.ask(
            f"STREAM.MSG.DELETE.{stream}", {"seq": number, "no_erase": True}, but=frozenset({NO_MESSAGE, 10057})
        )

    # Reading.

    async def page(self, stream: str, *, after: int, subject: str | None = None) -> StreamPage:
        """Return messages behind a number from any server that has the stream, which may lag a little. Raises ``Unavailable``."""
        wanted: dict[str, Any] = {"seq": after + 1, "batch": _PAGE_MESSAGES, "max_bytes": _PAGE_BYTES}
        if subject is not None:
            wanted["next_by_subj"] = subject
        try:
            *found, end = await self.client.collect(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(wanted))
            if end.status == 404:
                return StreamPage([], is_last=True)
            if end.status != 204:
                raise Unavailable(f"NATS answers {end.headers[:80]!r} to a read of {stream}")
            return StreamPage([_stored(each) for each in found], is_last=end.number("Nats-Num-Pending") == 0)
        except InDoubt as error:
            raise Unavailable(str(error)) from error
        except ProtocolBroken as error:
            raise Unavailable(f"a read of the stream {stream} cannot be understood: {error}") from error

    async def state(self, stream: str) -> StreamState:
        """Return what the stream has by its leader. Raises :class:`LogUnusable` if there is no such stream, else ``Unavailable``."""
        found = (await self.info(stream))["state"]
        return StreamState(found["first_seq"], found["last_seq"], found["bytes"])

    async def info(self, stream: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the description of a stream. Raises as :meth:`state` does."""
        found = await self.ask(f"STREAM.INFO.{stream}", body, but=frozenset({NO_STREAM}))
        if found is None:
            raise LogUnusable(
                f"the stream {stream} is missing in NATS, and entries of the journal with it: restore the stream, or move the journal in "
                "again from a copy"
            )
        return found

    async def after(self, stream: str, number: int, subject: str) -> StoredMessage | None:
        """Return the first message of a subject behind a number, by the stream's leader; None if there is none. Raises ``Unavailable``."""
        return await self._one(stream, {"seq": number + 1, "next_by_subj": subject})

    async def all_after(self, stream: str, number: int, subject: str) -> list[StoredMessage]:
        """Return each message of a subject behind a number, by the stream's leader. Raises ``Unavailable``."""
        found: list[StoredMessage] = []
        while (message := await self.after(stream, number, subject)) is not None:
            found.append(message)
            number = message.number
        return found

    async def last(self, stream: str, subject: str) -> StoredMessage | None:
        """Return the last message of a subject, by the stream's leader; None if there is none, or no such stream. Raises ``Unavailable``."""
        return await self._one(stream, {"last_by_subj": subject})

    async def _one(self, stream: str, wanted: Mapping[str, Any]) -> StoredMessage | None:
        found = await self.ask(f"STREAM.MSG.GET.{stream}", wanted, but=frozenset({NO_STREAM, NO_MESSAGE}))
        if found is None:
            return None
        message = found["message"]
        try:
            headers, data = (base64.b64decode(message.get(name, ""), validate=True) for name in ("hdrs", "data"))
        except binascii.Error as error:
            raise CorruptRecord(f"a message of the stream {stream} is not in base64") from error
        parts = NatsMessage("", headers, b"").header(PARTS) or "1"
        return StoredMessage(message["seq"], message["subject"], int(parts), data)

    async def ask(
        self, what: str, body: Mapping[str, Any] | None = None, *, but: frozenset[int] = frozenset()
    ) -> dict[str, Any] | None:
        """Make a request that may be made again, and make it again while a leader is elected. Return the answer; None for a refusal
        with one of the numbers in ``but``. Raises :class:`LogUnusable` if there is no JetStream, else ``Unavailable``."""
        until = trio.current_time() + _ELECTION_SECONDS
        while True:
            try:
                return await self.ask_once(what, body, seconds=_SECONDS_TO_TRY)
            except JetStreamRefused as error:
                if error.number in but:
                    return None
                if error.number in _NOT_ENABLED:
                    raise LogUnusable(
                        f"NATS has no JetStream for this user: {error}; switch it on in the server's configuration, or for the account"
                    ) from error
                raise Unavailable(f"NATS has refused {what}: {error}") from error
            except (Unavailable, InDoubt) as error:
                if trio.current_time() >= until:
                    raise Unavailable(f"JetStream does not answer {what}: {error}") from error
                await trio.sleep(_BETWEEN_TRIES_SECONDS)

    async def ask_once(
        self, what: str, body: Mapping[str, Any] | None = None, *, seconds: float | None = None
    ) -> dict[str, Any]:
        """Make a request. Raises :class:`JetStreamRefused`, ``Unavailable`` and ``InDoubt``."""
        encoded = b"" if body is None else msgspec.json.encode(body)
        return _decoded(await self.client.request(f"$JS.API.{what}", encoded, seconds=seconds))


def parts_of(data: bytes, largest: int) -> list[bytes]:
    """Cut bytes into parts, at least one."""
    return [data[first : first + largest] for first in range(0, len(data), largest)] or [b""]


def _stored(message: NatsMessage) -> StoredMessage:
    parts = message.header(PARTS) or "1"
    return StoredMessage(
        message.number("Nats-Sequence"), message.header("Nats-Subject") or "", int(parts), message.data
    )


def _decoded(answer: NatsMessage) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(answer.data)
    except ValueError as error:
        raise InDoubt(f"an answer of NATS cannot be decoded: {error}") from error
    if not isinstance(found, dict):
        raise InDoubt("an answer of NATS is not an object")
    refusal = found.get("error")
    if refusal is not None:
        raise JetStreamRefused(refusal.get("err_code", 0), refusal.get("description", "no reason was given"))
    return found
