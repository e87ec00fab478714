"""A log in NATS JetStream: a partition is a stream, and entry 7 is its message 7.

A message is accepted only behind the one that its writer names (``Nats-Expected-Last-Sequence``), so two owners cannot both write
entry 7. Reads go to any server that has the stream. What such a server does not have yet is asked of the stream's leader before anything is
concluded from its absence.

After an append its writer publishes a hint, so that others read at once. A hint may be lost; everybody looks from time to time.
"""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio

from journal.errors import InDoubt, JournalError, LogDiverged, LogTrimmed, Unavailable
from journal.kv.store import Durability
from journal.replicated.background import background
from journal.replicated.log import LogUnusable, PostedMessage, Superseded
from journal.replicated.nats.address import parse_address
from journal.replicated.nats.client import NatsClient, NoResponders
from journal.replicated.nats.jetstream import AFTER, AFTER_IN_SUBJECT, NOT_LAST, JetStream, JetStreamRefused
from journal.replicated.nats.server_checks import check_others, check_server
from journal.replicated.nats.streams import (
    StreamNames,
    check_streams,
    create_identity_stream,
    create_streams,
    identity_subject,
    remove_streams,
)
from journal.replicated.open import decode_identity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from journal.replicated.nats.address import NatsAddress
    from journal.replicated.nats.jetstream import StoredMessage, StreamPage
    from journal.replicated.nats.protocol import NatsMessage

POLL_SECONDS = 2.0
"""The time after which a reader looks although it was not told of anything."""

_LARGEST = 1 << 20
_TRIES = 3
_OVERHEAD_BYTES = 1 << 10
_SMALLEST_PAYLOAD = 16 << 10
_ENTRY, _POST, _BEAT = "entry", "post", "beat"
_Place = tuple[str, int]


@asynccontextmanager
async def open_nats_log(address: str) -> AsyncIterator[NatsLog]:
    """Connect to the log at an address. Nothing is created.

    Raises ``MalformedAddress`` for an address that cannot be read, ``Unavailable`` if no server accepts a connection, and
    :class:`journal.replicated.log.LogUnusable` if one is too old, has no JetStream, would lose what it has acknowledged, or refuses the
    user.
    """
    parsed = parse_address(address)
    client = NatsClient(parsed, partial(check_server, address=parsed))
    await client.connect()
    await check_others(parsed)
    async with background() as nursery:
        nursery.start_soon(client.run)
        log = NatsLog(client, parsed)
        await log.start()
        yield log


class NatsLog:
    """A :class:`journal.replicated.log.ReplicatedLog` in NATS JetStream."""

    durability = Durability.REPLICATED

    def __init__(self, client: NatsClient, address: NatsAddress) -> None:
        self.js = JetStream(client)
        self.address = address
        self.largest = _LARGEST
        self.partitions = 0
        self._client = client
        self._names: StreamNames | None = None
        self._hinted: dict[_Place, int] = {}
        self._waiting: dict[_Place, trio.Event] = {}
        self._ends: dict[int, int] = {}
        self._boxes: dict[int, dict[int, int]] = {}

    @property
    def names(self) -> StreamNames:
        """The names of the streams. Raises ``Unavailable`` before the journal is known."""
        if self._names is None:
            raise Unavailable("the journal in NATS is not known yet")
        return self._names

    async def start(self) -> None:
        """Find out what the server takes."""
        most = int(self._client.info.get("max_payload", 0))
        if most < _SMALLEST_PAYLOAD:
            raise LogUnusable(
                f"NATS takes messages of {most} bytes, expected max_payload of at least {_SMALLEST_PAYLOAD}"
            )
        self.largest = min(_LARGEST, most - _OVERHEAD_BYTES)
        await self.js.ask("INFO")
        self._client.on_connected = self._wake_all

    # The identity.

    async def identify(self, identity: bytes) -> bytes:
        kept = await self.kept_identity()
        if kept is None:
            kept = await self.found(identity)
        if self._names is None:
            await self._know(kept)
        return kept

    async def kept_identity(self) -> bytes | None:
        """Return the identity that the log has; None if it has none, or there is no log."""
        journal = self.address.name
        kept = await self.js.last(journal, identity_subject(journal))
        if kept is None:
            return None
        if self._names is None:
            await self._know(kept.data)
        return kept.data

    async def found(self, identity: bytes) -> bytes:
        """Create the streams of a journal, and then store its identity. Returns the log's identity, which is another one if another
        node was faster."""
        await self.prepare(identity, first=1)
        kept = await self.publish_identity(identity)
        if kept != identity:
            await self.remove(identity)
        return kept

    async def remove(self, identity: bytes) -> None:
        """Remove the streams of a journal whose identity was not stored."""
        self._names = None
        await remove_streams(self.js, StreamNames.of(self.address.name, identity), decode_identity(identity).partitions)

    async def prepare(self, identity: bytes, *, first: int) -> None:
        """Create the streams of a journal that nobody sees before :meth:`publish_identity`."""
        names, partitions = StreamNames.of(self.address.name, identity), decode_identity(identity).partitions
        await create_identity_stream(self.js, self.address.name, self.address.replicas)
        await create_streams(self.js, names, partitions, self.address.replicas, first=first)
        await self._know(identity)

    async def publish_identity(self, identity: bytes) -> bytes:
        """Store the identity unless there is one, and return the log's."""
        problem: JournalError | None = None
        for _ in range(_TRIES):
            try:
                await self._put_identity(identity)
            except LogUnusable:
                raise
            except (InDoubt, Unavailable) as error:
                problem = error  # whether it is there is read; it is written once
            kept = await self.kept_identity()
            if kept is not None:
                return kept
        raise Unavailable(f"the identity of the journal cannot be stored in NATS now: {problem}")

    async def _put_identity(self, identity: bytes) -> None:
        with trio.CancelScope(shield=True):
            try:
                await self.js.put(identity_subject(self.address.name), identity, {AFTER_IN_SUBJECT: 0})
            except JetStreamRefused as error:
                if error.number not in NOT_LAST:
                    raise LogUnusable(f"NATS has refused the identity of the journal: {error}") from error

    async def _know(self, identity: bytes) -> None:
        names, partitions = StreamNames.of(self.address.name, identity), decode_identity(identity).partitions
        await check_streams(self.js, names, partitions)
        self._names, self.partitions = names, partitions
        self._client.subscribe(self._hint_subject, self._take_hint)

    # Entries.

    async def append(self, partition: int, after: int, data: bytes) -> None:
        with trio.CancelScope(shield=True):
            try:
                await self.js.put(self.names.entries(partition), data, {AFTER: after})
            except JetStreamRefused as error:
                if error.number in NOT_LAST:
                    raise Superseded(partition, after) from error
                raise Unavailable(f"NATS has refused an entry of partition {partition}: {error}") from error
        self._hint(_ENTRY, partition, after + 1)

    async def read(self, partition: int, after: int) -> Sequence[bytes]:
        if self._ends.pop(partition, None) == after and self._hinted.get((_ENTRY, partition), 0) <= after:
            await trio.lowlevel.checkpoint()
            return []  # the last read has said that these were all
        page = await self._page(partition, after)
        found: list[bytes] = []
        for number, message in enumerate(page.messages, after + 1):
            if message.number != number:
                break
            found.append(message.data)
        if not found:
            found = await self._ask_leader(partition, after)
        elif page.is_last and len(found) == len(page.messages):
            self._ends[partition] = after + len(found)
        return found

    async def _page(self, partition: int, after: int) -> StreamPage:
        try:
            return await self.js.page(self.names.log(partition), after=after)
        except NoResponders:
            await self.js.state(self.names.log(partition))  # says so if it is missing
            return await self.js.page(self.names.log(partition), after=after)

    async def _ask_leader(self, partition: int, after: int) -> list[bytes]:
        """Return the entry behind ``after`` as the leader has it, none if there is none."""
        stream = self.names.log(partition)
        state = await self.js.state(stream)
        if state.last < after:
            raise LogDiverged(partition, after, f"it ends with entry {state.last}")
        if state.first > after + 1:
            raise LogTrimmed(partition, after, state.first)
        if state.last == after:
            self._hinted.pop((_ENTRY, partition), None)
            return []
        message = await self.js.after(stream, after, self.names.entries(partition))
        if message is None or message.number != after + 1:
            raise LogDiverged(partition, after, f"entry {after + 1} is missing in the stream {stream}")
        return [message.data]

    async def wait(self, partition: int, after: int) -> None:
        await self._wait(_ENTRY, partition, after)

    async def trim(self, partition: int, before: int) -> None:
        stream = self.names.log(partition)
        state = await self.js.state(stream)
        await self.js.purge(stream, before=min(before, state.last))

    async def bytes_after(self, partition: int, after: int) -> int:
        """Return about the bytes of the entries behind number ``after``: as many as entries of average size have."""
        state = await self.js.state(self.names.log(partition))
        entries = state.last - state.first + 1
        return state.bytes * min(max(0, state.last - after), entries) // max(1, entries)

    async def last_entry(self, partition: int) -> int:
        """Return the number of the last entry of a partition; 0 if there is none."""
        return (await self.js.state(self.names.log(partition))).last

    async def size(self) -> int:
        """Return the bytes that all streams have, counted once."""
        return sum([(await self.js.state(stream)).bytes for stream in self.names.all(self.partitions)])

    # The post box.

    async def post(self, partition: int, message_id: str, data: bytes) -> None:
        subject = f"{self._box(partition)}.{hashlib.blake2b(message_id.encode(), digest_size=16).hexdigest()}"
        with trio.CancelScope(shield=True):
            self._hint(_POST, partition, await self._post(partition, subject, data))

    async def _post(self, partition: int, subject: str, data: bytes) -> int:
        """Put a message into the box, unless it is there already. Returns its number."""
        try:
            return await self.js.put_together(subject, data, {AFTER_IN_SUBJECT: 0}, largest=self.largest)
        except JetStreamRefused as error:
            if error.number not in NOT_LAST:
                raise Unavailable(f"NATS has refused a message to partition {partition}: {error}") from error
            waiting = await self.js.last(self.names.stream("post"), f"{subject}.0")
            if waiting is None:  # it has just been taken, or is not durable yet
                raise Unavailable(f"a message to partition {partition} is being posted or taken") from error
            return waiting.number

    async def posted(self, partition: int) -> Sequence[PostedMessage]:
        return await self.posted_after(partition, 0)

    async def posted_after(self, partition: int, token: int) -> Sequence[PostedMessage]:
        """Return the first messages of a post box behind a token; none if there are none."""
        found: list[PostedMessage] = []
        begins: dict[int, int] = {}
        pieces: list[StoredMessage] = []
        after = token
        while not found:
            page = await self.js.page(self.names.stream("post"), after=after, subject=f"{self._box(partition)}.>")
            messages = page.messages or await self._posted_by_leader(partition, after)
            if not messages:
                break
            for message in messages:
                if message.subject.endswith(".0"):
                    pieces.clear()
                pieces.append(message)
                if len(pieces) == message.parts:
                    found.append(PostedMessage(message.number, b"".join(each.data for each in pieces)))
                    begins[message.number] = pieces[0].number
            after = messages[-1].number
        self._boxes[partition] = begins
        return found

    async def _posted_by_leader(self, partition: int, after: int) -> Sequence[StoredMessage]:
        """Return what the leader has in the box if somebody has said that there is something, so that it is not missed."""
        if self._hinted.pop((_POST, partition), None) is None:
            return []
        message = await self.js.after(self.names.stream("post"), after, f"{self._box(partition)}.>")
        return [] if message is None else [message]

    async def wait_for_post(self, partition: int) -> None:
        await self._wait(_POST, partition, 0)

    async def remove_posted(self, partition: int, tokens: Sequence[int]) -> None:
        if not tokens:
            return
        begins, removed = self._boxes.get(partition, {}), set(tokens)
        if removed >= {token for token in begins if token <= max(removed)}:
            await self.js.purge(self.names.stream("post"), before=max(removed) + 1, subject=f"{self._box(partition)}.>")
            return
        for token in removed:
            for number in range(begins.get(token, token), token + 1):
                await self.js.delete(self.names.stream("post"), number)

    def _box(self, partition: int) -> str:
        return f"{self.names.subjects}.post.{partition}"

    # Hints.

    @property
    def _hint_subject(self) -> str:
        return f"{self.names.subjects}.hint"

    def hint_of_beat(self) -> None:
        """Tell other nodes that the record of this one has changed."""
        self._hint(_BEAT, 0, 1)

    async def wait_for_beat(self) -> None:
        """Return when a node has said that its record has changed; returns from time to time in any case."""
        self._hinted.pop((_BEAT, 0), None)
        await self._wait(_BEAT, 0, 0)

    def _hint(self, kind: str, partition: int, number: int) -> None:
        self._client.announce(self._hint_subject, f"{kind} {partition} {number}".encode())

    def _take_hint(self, message: NatsMessage) -> None:
        words = message.data.decode(errors="replace").split()
        if len(words) == 3 and words[1].isdecimal() and words[2].isdecimal():
            place, number = (words[0], int(words[1])), int(words[2])
            self._hinted[place] = max(number, self._hinted.get(place, 0))
            self._wake(place)

    async def _wait(self, kind: str, partition: int, after: int) -> None:
        place = kind, partition
        if self._hinted.get(place, 0) > after:
            await trio.lowlevel.checkpoint()
            return
        event = self._waiting.setdefault(place, trio.Event())
        with trio.move_on_after(POLL_SECONDS):
            await event.wait()

    def _wake(self, place: _Place) -> None:
        event = self._waiting.pop(place, None)
        if event is not None:
            event.set()

    def _wake_all(self) -> None:
        for place in [*self._waiting]:
            self._wake(place)
