"""Encodes events as bytes and decodes them.

A record holds the events of one append as frames: a tag byte, a length, and a msgpack map of the class's fields. A stamp is a
frame of its own and applies to the events after it. A frame may stand for several events (``journal.fused``). Decoding raises
:class:`CorruptRecord` for wrong bytes, and nothing else.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec

from journal import events as e
from journal.errors import CorruptRecord, Unwritable
from journal.fused import RecordedTurn, ResumedTurn, ReturnedOutcome, StepTurn
from journal.tags import FUSED_TAGS, STAMP_TAG, TAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from journal.events import Event, Recorded, Stamp
    from journal.fused import Fused

_HEAD = struct.Struct(">BI")
_pack_head = _HEAD.pack
_encode = msgspec.msgpack.Encoder().encode
_DECODERS: dict[int, Callable[[bytes], Any]] = {tag: msgspec.msgpack.Decoder(kind).decode for kind, tag in TAGS.items()}
_FUSED_DECODERS: dict[int, Callable[[bytes], Any]] = {
    tag: msgspec.msgpack.Decoder(kind).decode for kind, tag in FUSED_TAGS.items()
}
_WITHOUT_USERS_TEXTS = frozenset(
    {
        e.Erased,
        e.InvocationDue,
        e.InvocationStarted,
        e.StepRetried,
        e.StepAborted,
        e.TimerFired,
        e.WaitDropped,
        e.CallCancelRequested,
        e.FieldsChanged,
        e.LogExtended,
        e.AttemptRetried,
        e.InvocationSuspended,
    }
)
"""Events that consist of ids, names of fields and JSON, all made by this program. Decoding them again as a check would
show nothing."""


def _is_of_success(event: Any) -> bool:
    """Report whether the outcome is a value. A value is JSON, so it needs no second decoding."""
    return event.outcome.kind is e.OutcomeKind.SUCCEEDED


def _is_of_client(event: e.InvocationAccepted) -> bool:
    """Report whether the argument, which is JSON, is the only part that the client wrote."""
    return (
        event.request is None
        and event.caller is None
        and not event.chain
        and event.scheduled_for is None
        and event.restarts is None
        and event.behind is None
        and event.tags is None
        and event.trace is None
        and event.expires_at is None
        and event.max_duration is None
        and event.debounce is None
        and event.debounced_since is None
        and event.budget is None
        and not event.budgets
        and event.handler.__class__ is str
        and event.deployment.__class__ is str
        and (event.parameter is None or event.parameter.__class__ is str)
    )


def _is_of_plain_step(event: e.StepScheduled) -> bool:
    """Report whether the author's name, source and options have the right types. The arguments are JSON, and this
    program makes the rest."""
    return (
        not event.opaque
        and event.name.__class__ is str
        and event.source.__class__ is str
        and event.at_most_once.__class__ is bool
    )


_ARE_WITHOUT: dict[type, Callable[[Any], bool]] = {
    e.InvocationAccepted: _is_of_client,
    e.StepScheduled: _is_of_plain_step,
    e.InvocationCompleted: _is_of_success,
    e.StepCompleted: _is_of_success,
    e.CallCompleted: _is_of_success,
    e.UpdateCompleted: _is_of_success,
}
"""For each class: a function that reports whether an event needs no second decoding. Nearly all events need none."""

_CODES: dict[type, tuple[int, Callable[[bytes], Any] | None, Callable[[Any], bool] | None]] = {
    kind: (tag, None if kind in _WITHOUT_USERS_TEXTS else _DECODERS[tag], _ARE_WITHOUT.get(kind))
    for kind, tag in TAGS.items()
}
_decode_stamp = msgspec.msgpack.Decoder(e.Stamp).decode


class Record(msgspec.Struct, eq=False):
    """The events of one append, in order, each encoded when it is added; the first has the number ``first``.

    ``count`` is the number of events, and ``size`` the size of the record in bytes. ``frames`` are the record: one for each event, or for
    several events that are recorded as one, with a new stamp in front of the first event that has it.

    From here on a batch consists of bytes, so no value of an event can make it fail later. An event that may contain a user's
    text or number is decoded again at once, because the encoder accepts values that the decoder refuses (a number in place of a
    text). The decoded event joins the record, so no object of a user's class gets further.
    """

    first: int = 1
    count: int = 0
    size: int = 0
    _entries: list[tuple[Stamp, Event] | Fused] = []
    frames: list[bytes] = []
    _has_fused: bool = False
    _stamp: Stamp | None = None

    @classmethod
    def of(cls, entries: Iterable[tuple[Stamp, Event]]) -> Record:
        """Return the record of these events. Raises :class:`Unwritable`."""
        record = cls()
        for stamp, event in entries:
            record.add(stamp, (event,))
        return record

    @property
    def events(self) -> list[tuple[Stamp, Event]]:
        """The events as a reader will see them. Do not modify the list."""
        return self._expanded()

    def add(self, stamp: Stamp, events: Sequence[Event]) -> list[tuple[Stamp, Event]]:
        """Add all of the events, or none of them. Returns their entries. Raises :class:`Unwritable`."""
        added: list[tuple[Stamp, Event]] = []
        if not events:
            return added
        frames: list[bytes] = []
        try:
            if self._stamp is not stamp:
                body = _encode(
                    {"at": stamp.at, "by": stamp.by, "cause": stamp.cause}
                )  # in the order of the first stamps
                frames.append(_pack_head(STAMP_TAG, len(body)) + body)
            for event in events:
                tag, decode, is_without = _CODES[event.__class__]
                body = _encode(event)
                frames.append(_pack_head(tag, len(body)) + body)
                if decode is None or (is_without is not None and is_without(event)):
                    added.append((stamp, event))
                else:
                    added.append((stamp, decode(body)))
        except BaseException as error:  # raised by the encoder, the decoder, or a user's enum
            raise _unwritable(events[len(added)], error) from error
        if len(frames) > len(added):
            frames[:2] = (b"".join(frames[:2]),)
        self._entries += added
        self.frames += frames
        self._stamp = stamp
        self.count += len(added)
        self.size += sum(map(len, frames))
        return added

    def add_fused(self, fused: Fused, count: int) -> None:
        """Add several events, this number, as one frame. Raises :class:`Unwritable`."""
        try:
            body = _encode(fused)
        except BaseException as error:
            raise Unwritable(type(fused).__name__, _reason(error)) from error
        frame = _pack_head(FUSED_TAGS[fused.__class__], len(body)) + body
        self.frames.append(frame)
        self._entries.append(fused)
        self._stamp = None
        self._has_fused = True
        self.count += count
        self.size += len(frame)

    def walk(self) -> Iterator[tuple[int, Stamp, Event]]:
        """Yield each event with its number and its stamp, as a reader will see them. The record stays as it is."""
        number = self.first
        for entry in self._entries:
            for stamp, event in (entry,) if isinstance(entry, tuple) else entry.expand(number):
                yield number, stamp, event
                number += 1

    def cut(self, length: int) -> None:
        """Remove the events after the first ``length``, which must not be inside a frame of several events."""
        entries, frames = self._entries, self.frames
        while self.count > length:
            entry = entries.pop()
            self.size -= len(frames.pop())
            self.count -= 1 if isinstance(entry, tuple) else entry.count
        last = entries[-1] if entries else None
        self._stamp = last[0] if isinstance(last, tuple) else None

    def erase(self, index: int) -> None:
        """Replace an event by :class:`journal.events.Erased`."""
        entries, frame = self._expanded(), self.frames[index]
        entries[index] = (entries[index][0], e.Erased())
        erased = self.frames[index] = frame[: _stamp_bytes(frame)] + _ERASED_FRAME
        self.size += len(erased) - len(frame)

    def _expanded(self) -> list[tuple[Stamp, Event]]:
        """Write each event as a frame of its own from here on. Returns the list of the events."""
        entries: Any = self._entries
        if self._has_fused:
            plain = Record(first=self.first)
            for entry in entries:
                if entry.__class__ is tuple:
                    plain.add(entry[0], (entry[1],))
                else:
                    for stamp, event in entry.expand(self.first + plain.count):
                        plain.add(stamp, (event,))
            entries = self._entries = plain._entries
            self.frames, self._stamp, self._has_fused = plain.frames, plain._stamp, False
            self.size = plain.size
        return entries  # type: ignore[no-any-return]

    def encoded(self) -> bytes:
        """Return the record as bytes."""
        return b"".join(self.frames)


def _stamp_bytes(frame: bytes) -> int:
    """Return the length of the stamp in front of an event."""
    tag, length = _HEAD.unpack_from(frame)
    return _HEAD.size + length if tag == STAMP_TAG else 0


def _frame(event: Event) -> bytes:
    body = _encode(event)
    return _pack_head(TAGS[event.__class__], len(body)) + body


_ERASED_FRAME = _frame(e.Erased())


def _unwritable(event: Event, error: BaseException) -> Unwritable:
    return Unwritable(type(event).__name__, _reason(error))


def _reason(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace").decode()
    except BaseException:  # the exception is of a user's class
        return "an error that cannot be shown"


def encode_record(entries: Iterable[tuple[Stamp, Event]]) -> bytes:
    """Encode the events of one append, in order. Raises :class:`Unwritable`."""
    return Record.of(entries).encoded()


def decode_record(record: bytes, first_number: int) -> list[Recorded]:
    """Decode the events of one append, numbered from ``first_number``. Raises :class:`CorruptRecord`."""
    events: list[Recorded] = []
    decode_into(events, record, first_number, keeps_turns=False)
    return events


def decode_into(recorded: list[Any], record: bytes, first_number: int, *, keeps_turns: bool) -> int:
    """Decode one append to the end of a list, as :func:`decode_record` does. With ``keeps_turns``, the turns after waits are left as
    they are (:data:`journal.fused.Lived`). Returns the number after the last event."""
    stamp: Stamp | None = None
    position, number, end = 0, first_number, len(record)
    unpack_head, head_bytes, decoders, made = _HEAD.unpack_from, _HEAD.size, _DECODERS, e.Recorded
    fused_decoders = _FUSED_DECODERS
    try:
        while position < end:
            tag, length = unpack_head(record, position)
            start = position + head_bytes
            position = start + length
            if position > end:
                raise CorruptRecord(f"the record ends inside event {number}")
            if tag == STAMP_TAG:
                stamp = _decode_stamp(record[start:position])
                continue
            decode = decoders.get(tag)
            if decode is None:
                decode = fused_decoders.get(tag)
                if decode is None:
                    raise _unknown(tag, number)
                stamp = None
                fused = decode(record[start:position])
                if keeps_turns and (fused.__class__ is StepTurn or _goes_on(fused)):
                    first, number = number, number + (2 if fused.fields is None else 3)
                    recorded.append(RecordedTurn(first, number - 1, fused))
                    continue
                for its_stamp, event in fused.expand(number):
                    recorded.append(made(number, its_stamp, event))
                    number += 1
                continue
            if stamp is None:
                raise CorruptRecord(f"event {number} has no stamp before it")
            recorded.append(made(number, stamp, decode(record[start:position])))
            number += 1
    except (struct.error, ValueError, TypeError, RecursionError) as error:
        raise CorruptRecord(f"event {number} cannot be decoded: {error}") from error
    if number == first_number:
        raise CorruptRecord(f"the record ends before event {number}")
    return number


def _goes_on(fused: Fused) -> bool:
    """Report whether the frame is a turn after a sleep, a call or a signal that is not the last turn."""
    return isinstance(fused, ResumedTurn) and not isinstance(fused.then, ReturnedOutcome)


def _fused_of(tag: int, body: bytes, number: int) -> Fused:
    decode = _FUSED_DECODERS.get(tag)
    if decode is None:
        raise _unknown(tag, number)
    try:
        fused: Fused = decode(body)
    except (ValueError, TypeError, RecursionError) as error:
        raise CorruptRecord(f"event {number} cannot be decoded: {error}") from error
    return fused


def _unknown(tag: int, number: int) -> CorruptRecord:
    return CorruptRecord(
        f"event {number} has the unknown tag {tag:#04x}: it was written by a newer version, or damaged"
    )


def erase(record: bytes, first_number: int, numbers: Sequence[int]) -> bytes:
    """Replace the events with these numbers by :class:`journal.events.Erased`. Raises :class:`CorruptRecord`."""
    gone = frozenset(numbers)
    frames: list[bytes] = []
    position, number = 0, first_number
    while position < len(record):
        start = position
        if len(record) - start < _HEAD.size:
            raise CorruptRecord(f"the record ends inside event {number}")
        tag, length = _HEAD.unpack_from(record, start)
        position = start + _HEAD.size + length
        if position > len(record):
            raise CorruptRecord(f"the record ends inside event {number}")
        if tag == STAMP_TAG:
            frames.append(record[start:position])
            continue
        if tag not in _FUSED_DECODERS:
            frames.append(_ERASED_FRAME if number in gone else record[start:position])
            number += 1
            continue
        entry = _fused_of(tag, record[start + _HEAD.size : position], number)
        if gone.isdisjoint(range(number, number + entry.count)):
            frames.append(record[start:position])
        else:
            single = Record.of(entry.expand(number))
            for index in range(entry.count):
                if number + index in gone:
                    single.erase(index)
            frames.append(single.encoded())
        number += entry.count
    return b"".join(frames)
