"""Bytes of events: what they were they are, whatever is wrong with them comes out as one error."""

from __future__ import annotations

import contextlib
import enum
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal import codec
from journal import events as e
from journal.errors import CorruptRecord, Unwritable
from journal.events import (
    EVENT_TYPES,
    Erased,
    Event,
    Failure,
    InvocationAccepted,
    Kind,
    Link,
    Mode,
    Outcome,
    OutcomeKind,
    Recorded,
    Stamp,
    StepCompleted,
    StepScheduled,
    TraceContext,
)
from journal.fused import (
    Fused,
    LastTurn,
    Lived,
    OpenedInvocation,
    RecordedTurn,
    ResumedTurn,
    ReturnedOutcome,
    StepTurn,
    WholeInvocation,
    last_number,
)
from journal.ids import InvocationId, StepId
from journal.tags import FUSED_TAGS, STAMP_TAG, TAGS
from journal.waits import (
    EndedCall,
    EndedSignal,
    EndedSleep,
    RequestedCall,
    RequestedSignal,
    RequestedSleep,
    RequestedStep,
)
from tests.journal.samples import EVENTS, STAMP

GOLDEN = Path(__file__).parent / "golden"
INVOCATION = InvocationId("inv_1" + "0" * 33)


def test_every_event_has_a_tag_and_a_sample_and_no_tag_serves_twice() -> None:
    assert set(TAGS) == set(EVENT_TYPES) == {type(event) for event in EVENTS}
    tags = [*TAGS.values(), *FUSED_TAGS.values(), STAMP_TAG]
    assert len(set(tags)) == len(tags)


def test_samples_fill_every_field_so_that_golden_bytes_show_all_of_them() -> None:
    for event in EVENTS:
        for field in attrs.fields(type(event)):
            value = getattr(event, field.name)
            assert value is not None, f"{type(event).__name__}.{field.name}"
            assert value != b"", f"{type(event).__name__}.{field.name}"


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_bytes_written_once_are_read_for_ever(event: Event) -> None:
    path = GOLDEN / f"{TAGS[type(event)]:02x}-{type(event).__name__}.bin"
    if os.environ.get("WRITE_GOLDEN") and not path.exists():
        path.write_bytes(codec.encode_record([(STAMP, event)]))
    assert codec.encode_record([(STAMP, event)]) == path.read_bytes(), "the bytes of an event never change"
    assert codec.decode_record(path.read_bytes(), 7) == [Recorded(7, STAMP, event)]


@pytest.mark.parametrize("path", sorted((GOLDEN / "older").iterdir()), ids=lambda path: path.stem)
def test_bytes_of_an_older_version_are_read_with_defaults_for_what_they_lack(path: Path) -> None:
    (recorded,) = codec.decode_record(path.read_bytes(), 7)
    (sample,) = [event for event in EVENTS if type(event) is type(recorded.event)]
    added = dict(differences(recorded.event, sample))
    assert added, "what lacks nothing is no older version"
    assert all(value == field.default for field, value in added.items())


def differences(found: Any, sample: Any) -> Iterator[tuple[Any, Any]]:
    """The fields that differ, with what was found: of the event, and of what it holds."""
    for field in attrs.fields(type(sample)):
        one, other = getattr(found, field.name), getattr(sample, field.name)
        if attrs.has(type(one)) and type(one) is type(other):
            yield from differences(one, other)
        elif one != other:
            yield field, one


def test_a_record_numbers_its_events_and_repeats_a_stamp_only_when_it_changes() -> None:
    record = codec.encode_record([(STAMP, event) for event in EVENTS])
    assert [r.number for r in codec.decode_record(record, 100)] == list(range(100, 100 + len(EVENTS)))
    assert record.count(b"user:alice") == 1


def test_erasing_keeps_every_other_event_and_every_number() -> None:
    record = codec.encode_record([(STAMP, event) for event in EVENTS])
    left = codec.decode_record(codec.erase(record, 1, [2, 5]), 1)
    assert [r.number for r in left if r.event == Erased()] == [1, 2, 5]
    assert [r.event for r in left if r.number not in (2, 5)] == [e for i, e in enumerate(EVENTS, 1) if i not in (2, 5)]


def test_a_record_cut_anywhere_is_corrupt_or_shorter_but_never_another_error() -> None:
    record = codec.encode_record([(STAMP, event) for event in EVENTS])
    for length in range(len(record)):
        try:
            found = codec.decode_record(record[:length], 1)
        except CorruptRecord:
            continue
        assert [r.event for r in found] == EVENTS[: len(found)]
        assert found, "a record that holds no event was never written"


@given(st.data())
def test_any_bytes_decode_or_are_corrupt(data: st.DataObject) -> None:
    record = bytearray(codec.encode_record([(STAMP, event) for event in EVENTS]))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(record) - 1))
        record[position] ^= data.draw(st.integers(1, 255))
    try:
        codec.decode_record(bytes(record), 1)
    except CorruptRecord as error:
        assert "event" in str(error)


@given(st.binary(max_size=200))
def test_noise_decodes_or_is_corrupt(noise: bytes) -> None:
    try:
        codec.decode_record(noise, 1)
    except CorruptRecord as error:
        assert "event" in str(error)


def test_an_event_of_a_newer_version_is_named_not_skipped() -> None:
    record = codec.encode_record([(STAMP, EVENTS[0])])
    stamp_frame = record[: record.index(b"\x01\x00\x00\x00\x01")]
    with pytest.raises(CorruptRecord, match="event 4 has the unknown tag 0x6e: it was written by a newer version"):
        codec.decode_record(stamp_frame + b"\x6e\x00\x00\x00\x01\x80", 4)


# Frames that stand for several events.

WHOLE = WholeInvocation(
    INVOCATION,
    "add",
    Mode.EXCLUSIVE,
    1_700_000_000.25,
    "a client",
    "user:alice",
    1_700_000_000.5,
    b"5",
    "amount",
    "dep_1",
    b"42",
    {"total": b"42"},
    ("Counter", "bob", Kind.ACTOR),
    (INVOCATION, StepId("3")),
    [(INVOCATION, "Shop/x/buy", True)],
    True,
    {"user": "ada"},
    TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
)
SHORTEST = WholeInvocation(INVOCATION, "add", Mode.EXCLUSIVE, 1.0, "a client", "user:alice", 2.0, b"5", None, "", b"42")

TURN = StepTurn(
    INVOCATION,
    1_700_000_000.25,
    StepId("3"),
    b'"a receipt"',
    RequestedStep(StepId("4"), "ship", "app.py:34", b'["bob", 5]', True),
    {"total": b"42"},
    1_700_000_000.5,
)
SHORTEST_TURN = StepTurn(INVOCATION, 1.0, StepId("1"), b"7", RequestedStep(StepId("2"), "ship", "app.py:34", b"[5]"))
OPENED = OpenedInvocation(
    INVOCATION,
    "buy",
    Mode.EXCLUSIVE,
    1_700_000_000.25,
    "a client",
    "user:alice",
    1_700_000_000.5,
    b"5",
    "amount",
    "dep_1",
    RequestedStep(StepId("1"), "pay", "app.py:33", b"[5]"),
    {"total": b"42"},
    ("Counter", "bob", Kind.ACTOR),
    (INVOCATION, StepId("3")),
    [(INVOCATION, "Shop/x/buy", True)],
    True,
    {"session": "s1"},
    TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
)
LAST_TURN = LastTurn(INVOCATION, 1_700_000_001.25, StepId("2.1.3"), b"42", b'"done"', {"total": b"42"}, 1_700_000_002.5)
SLEEPING = msgspec.structs.replace(OPENED, request=RequestedSleep(StepId("1"), 1_700_000_009.5, "app.py:33"))
ASKING = msgspec.structs.replace(OPENED, request=RequestedSignal(StepId("1"), "go", "app.py:33", b'{"type":"integer"}'))
CALLING = msgspec.structs.replace(
    OPENED,
    request=RequestedCall(
        StepId("1"),
        INVOCATION,
        ("Counter", "bob", "add"),
        b"5",
        "app.py:33",
        "amount",
        {"session": "s1"},
        TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
    ),
)
RESUMED = ResumedTurn(
    INVOCATION,
    1_700_000_000.25,
    INVOCATION,
    "user:alice",
    EndedSignal(StepId("3"), "go", b"[5]", 2, "tuple"),
    RequestedStep(StepId("4"), "ship", "app.py:34", b'["bob", 5]', True),
    {"total": b"42"},
    1_700_000_000.5,
)
ANSWERED = msgspec.structs.replace(
    RESUMED,
    cause=f"{7:016x}#12",
    by=INVOCATION,
    ended=EndedCall(StepId("3"), b"42"),
    then=RequestedCall(StepId("4"), INVOCATION, ("Counter", None, "add"), b"5", "app.py:34"),
    fields=None,
)
WOKEN = msgspec.structs.replace(
    RESUMED, cause="timer", by="timer", ended=EndedSleep(StepId("3")), then=ReturnedOutcome(b'"done"'), turned_at=None
)

FUSED = {
    "calling": CALLING,
    "resumed": RESUMED,
    "answered": ANSWERED,
    "woken": WOKEN,
    "whole": WHOLE,
    "shortest": SHORTEST,
    "turn": TURN,
    "shortest turn": SHORTEST_TURN,
    "opened": OPENED,
    "sleeping": SLEEPING,
    "asking": ASKING,
    "last turn": LAST_TURN,
    "shortest last turn": msgspec.structs.replace(LAST_TURN, fields=None, turned_at=None),
}
GOLDEN_FUSED = {
    "52-OpenedInvocation-call": CALLING,
    "53-ResumedTurn-signal": RESUMED,
    "53-ResumedTurn-call": ANSWERED,
    "53-ResumedTurn-sleep": WOKEN,
    "50-WholeInvocation": WHOLE,
    "51-StepTurn": TURN,
    "52-OpenedInvocation": OPENED,
    "52-OpenedInvocation-sleep": SLEEPING,
    "52-OpenedInvocation-signal": ASKING,
    "5a-LastTurn": LAST_TURN,
}


def singly(first: int, fused: Fused) -> bytes:
    return codec.encode_record(fused.expand(first))


@pytest.mark.parametrize("fused", FUSED.values(), ids=FUSED)
def test_a_frame_of_several_events_is_read_as_these_events(fused: Fused) -> None:
    record = codec.Record(first=7)
    record.add_fused(fused, fused.count)
    assert record.count == fused.count
    found = codec.decode_record(record.encoded(), 7)
    assert found == codec.decode_record(singly(7, fused), 7)
    assert len(record.encoded()) < len(singly(7, fused)) * 0.7, "it is there because it is shorter"


@pytest.mark.parametrize(("name", "fused"), GOLDEN_FUSED.items(), ids=GOLDEN_FUSED)
def test_bytes_of_a_frame_of_several_events_are_read_for_ever(name: str, fused: Fused) -> None:
    path = GOLDEN / f"{name}.bin"
    record = codec.Record(first=7)
    record.add_fused(fused, fused.count)
    if os.environ.get("WRITE_GOLDEN") and not path.exists():
        path.write_bytes(record.encoded())
    assert record.encoded() == path.read_bytes(), "the bytes of a frame never change"
    assert codec.decode_record(path.read_bytes(), 7) == codec.decode_record(singly(7, fused), 7)


@pytest.mark.parametrize(
    ("name", "fused"),
    {
        "50-WholeInvocation.1": msgspec.structs.replace(WHOLE, tags=None, trace=None),
        "52-OpenedInvocation.1": msgspec.structs.replace(OPENED, trace=None),
    }.items(),
)
def test_a_frame_of_an_older_version_is_read_with_defaults_for_what_it_lacks(name: str, fused: Fused) -> None:
    older = (GOLDEN / "older-frames" / f"{name}.bin").read_bytes()
    assert codec.decode_record(older, 7) == codec.decode_record(singly(7, fused), 7)


parts = st.lists(st.sampled_from([*FUSED.values(), *EVENTS[:4]]), min_size=1, max_size=6)


def written(chosen: Sequence[Any], first: int) -> tuple[codec.Record, list[tuple[Stamp, Event]]]:
    """A record of frames and events, and the same events one by one."""
    record, entries = codec.Record(first=first), []
    for one in chosen:
        if isinstance(one, Fused):
            entries += one.expand(first + len(entries))
            record.add_fused(one, one.count)
        else:
            entries.append((STAMP, one))
            record.add(STAMP, [one])
    return record, entries


@given(parts)
def test_a_replay_reads_turns_as_they_are_and_all_else_as_events(chosen: list[Any]) -> None:
    record, _ = written(chosen, 11)
    lived: list[Lived] = []
    assert codec.decode_into(lived, record.encoded(), 11, keeps_turns=True) == 11 + record.count
    events: list[Recorded] = []
    for part in lived:
        assert part.number == 11 + len(events)
        if isinstance(part, RecordedTurn):
            expanded = [Recorded(n, *entry) for n, entry in enumerate(part.turn.expand(part.number), part.number)]
            assert (part.number, part.stamp, part.event) == (expanded[0].number, expanded[0].stamp, expanded[0].event)
            events += expanded
        else:
            events.append(part)
        assert last_number(part) == events[-1].number
    assert events == codec.decode_record(record.encoded(), 11)
    turns = [one for one in chosen if isinstance(one, (StepTurn, ResumedTurn))]
    going_on = [one for one in turns if isinstance(one, StepTurn) or not isinstance(one.then, ReturnedOutcome)]
    assert [part.turn for part in lived if isinstance(part, RecordedTurn)] == going_on


@given(parts, st.data())
def test_erasing_an_event_of_a_frame_leaves_the_other_events(chosen: list[Any], data: st.DataObject) -> None:
    record, entries = written(chosen, 11)
    number = 11 + data.draw(st.integers(0, len(entries) - 1))
    rewritten = codec.erase(record.encoded(), 11, [number])
    expected = [Recorded(n, stamp, Erased() if n == number else event) for n, (stamp, event) in enumerate(entries, 11)]
    assert codec.decode_record(rewritten, 11) == expected
    record.erase(number - 11)
    assert codec.decode_record(record.encoded(), 11) == expected
    assert record.events == [(r.stamp, r.event) for r in expected]


@given(parts, st.integers(0, 4))
def test_events_after_a_frame_can_be_taken_back(chosen: list[Any], more: int) -> None:
    record, entries = written(chosen, 1)
    before = record.encoded()
    record.add(STAMP, EVENTS[:more])
    record.cut(len(entries))
    assert (record.encoded(), record.count) == (before, len(entries))
    record.add(STAMP, [EVENTS[0]])
    assert codec.decode_record(record.encoded(), 1) == [
        Recorded(n, *entry) for n, entry in enumerate([*entries, (STAMP, EVENTS[0])], 1)
    ]


@pytest.mark.parametrize("fused", GOLDEN_FUSED.values(), ids=GOLDEN_FUSED)
def test_a_frame_of_several_events_with_wrong_bytes_is_corrupt(fused: Fused) -> None:
    record = codec.Record(first=7)
    record.add_fused(fused, fused.count)
    data = record.encoded()
    for at in range(len(data)):
        for changed in (data[:at], data[:at] + bytes([data[at] ^ 0xC1]) + data[at + 1 :]):
            for read in (lambda d: codec.decode_record(d, 7), lambda d: codec.erase(d, 7, [8])):
                with contextlib.suppress(CorruptRecord):
                    read(changed)


def test_a_frame_with_a_value_that_cannot_be_written_is_refused_before_it_joins() -> None:
    record = codec.Record.of([(STAMP, EVENTS[0])])
    before = record.encoded()
    with pytest.raises(Unwritable) as refusal:
        record.add_fused(msgspec.structs.replace(WHOLE, by="caf\udce9"), WHOLE.count)
    assert refusal.value.kind == "WholeInvocation"
    assert (record.encoded(), record.count) == (before, 1)


# What cannot be written.


class Text(str):
    """A text of a class of its own, which the encoder does not know."""


class Choice(enum.Enum):
    """A member whose value is a text: the encoder writes the value."""

    GO = "go"


SAMPLES: dict[type, Any] = {type(event): event for event in EVENTS}


def failed_with(**changes: Any) -> e.InvocationCompleted:
    failure = attrs.evolve(Failure("builtins.ValueError", "no"), **changes)
    outcome = Outcome(OutcomeKind.FAILED, failure=failure)
    return attrs.evolve(SAMPLES[e.InvocationCompleted], outcome=outcome)


UNWRITABLE: dict[str, Event] = {
    "a text that is not UTF-8": attrs.evolve(SAMPLES[e.StepScheduled], name="caf\udce9"),
    "a number where a text belongs": failed_with(type=404),
    "a class where a text belongs": failed_with(type=ValueError),
    "a class of texts": attrs.evolve(SAMPLES[e.SignalAwaited], name=Text("go")),
    "a text where bytes belong": attrs.evolve(SAMPLES[e.SignalReceived], value="1"),
    "a date that is no number": attrs.evolve(SAMPLES[e.SleepScheduled], wake_at=math.nan),
    "a date before all others": attrs.evolve(SAMPLES[e.SleepScheduled], wake_at=-math.inf),
    "a date after all others": attrs.evolve(SAMPLES[e.DeadlineScheduled], expires_at=math.inf),
    "a text where a date belongs": attrs.evolve(SAMPLES[e.SleepScheduled], wake_at="nan"),
    "an integer that 64 bits do not hold": attrs.evolve(SAMPLES[e.AttemptFailed], max_attempts=2**64),
    "a truth where a number belongs": attrs.evolve(SAMPLES[e.AttemptFailed], max_attempts=True),
}


@pytest.mark.parametrize("which", UNWRITABLE)
def test_an_event_that_could_not_be_read_is_refused_before_it_joins(which: str) -> None:
    record = codec.Record.of([(STAMP, EVENTS[0])])
    before = record.encoded()
    with pytest.raises(Unwritable) as refusal:
        record.add(STAMP, [EVENTS[1], UNWRITABLE[which]])
    assert refusal.value.kind == type(UNWRITABLE[which]).__name__
    assert refusal.value.reason.encode(), "what is wrong can be written"
    assert record.encoded() == before, "all of them are added, or none"
    assert record.events == [(STAMP, EVENTS[0])]


def test_an_event_joins_as_a_reader_will_see_it() -> None:
    [(_, written)] = codec.Record().add(STAMP, [attrs.evolve(SAMPLES[e.SignalAwaited], name=Choice.GO)])
    assert type(written.name) is str  # type: ignore[union-attr]
    [(_, same)] = codec.Record().add(STAMP, [SAMPLES[e.SignalAwaited]])
    assert same == SAMPLES[e.SignalAwaited]


@given(st.lists(st.sampled_from(range(len(EVENTS))), min_size=1, max_size=6), st.data())
def test_a_record_that_was_cut_or_erased_is_as_if_written_so(chosen: list[int], data: st.DataObject) -> None:
    stamps = [STAMP, msgspec.structs.replace(STAMP, by="another")]
    entries: list[tuple[Stamp, Event]] = [(data.draw(st.sampled_from(stamps)), EVENTS[at]) for at in chosen]
    record = codec.Record.of(entries)
    assert record.encoded() == codec.encode_record(entries)
    at = data.draw(st.integers(0, len(entries) - 1))
    entries[at] = (entries[at][0], Erased())
    record.erase(at)
    assert record.encoded() == codec.encode_record(entries)
    assert codec.erase(codec.encode_record(entries), 7, [7]) == codec.encode_record(
        [(entries[0][0], Erased()), *entries[1:]]
    )
    record.cut(at)
    assert record.encoded() == codec.encode_record(entries[:at])
    assert record.events == entries[:at]


def test_taking_events_back_needs_nothing_that_could_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    record = codec.Record.of((STAMP, event) for event in EVENTS)
    kept = codec.encode_record([(STAMP, EVENTS[0]), (STAMP, Erased())])
    monkeypatch.setattr(codec, "_encode", None)
    record.cut(2)
    record.erase(1)
    assert record.encoded() == kept


def test_only_events_without_texts_of_users_are_not_read_again() -> None:
    """Of these every field is an id, a number, or JSON under the name of a field."""
    for kind, (_, decode, is_without) in codec._CODES.items():
        if decode is None:
            assert {field.name for field in attrs.fields(kind)} <= {"invocation_id", "step", "field", "fields", "items"}
            assert is_without is None


def test_what_a_caller_wrote_is_read_again() -> None:
    """Each of these may hold what the encoder takes and the decoder refuses, or an object of a class of the caller's."""
    plain = InvocationAccepted(invocation_id=INVOCATION, handler="add", mode=Mode.EXCLUSIVE, argument=b"1")
    assert codec._is_of_client(plain)
    for field in attrs.fields(InvocationAccepted):
        if field.name not in {"invocation_id", "mode", "argument", "atomic"}:
            other = attrs.evolve(
                plain, **{field.name: [Link(INVOCATION, "a", holds_key=True)] if field.name == "chain" else Text("x")}
            )
            assert not codec._is_of_client(other), field.name


def test_what_the_author_of_a_step_wrote_is_read_again() -> None:
    plain = StepScheduled(invocation_id=INVOCATION, step=StepId("1"), name="charge", source="shop.py:7")
    assert codec._is_of_plain_step(plain)
    for other in ({"name": Text("x")}, {"source": Text("x")}, {"at_most_once": 1}, {"opaque": (Text("x"),)}):
        assert not codec._is_of_plain_step(attrs.evolve(plain, **other)), other


def test_an_outcome_that_is_no_success_is_read_again() -> None:
    for kind in OutcomeKind:
        event = StepCompleted(invocation_id=INVOCATION, step=StepId("1"), outcome=Outcome(kind, b"1"))
        assert codec._is_of_success(event) is (kind is OutcomeKind.SUCCEEDED)
