"""Looks at a store that has come to rest, and at what was said while it lived, and names everything that is not as promised."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import attrs

from actors.core.fold import fold
from actors.core.snapshots import encode_snapshot
from journal import events as e
from journal import invocation_keys, keys
from journal.errors import Damaged, DamagedOutput
from journal.events import Mode, OutcomeKind, Recorded, Status
from journal.ids import InvocationId, StreamId
from journal.kv.store import scan_all
from journal.log.open import open_for_reading
from journal.log.outputs import read_whole_output
from journal.log.streams import read_events
from journal.rows import InvocationRow, StreamHead, decode_audit, decode_row
from journal.stored_stream import StoredStream
from tests.crash.bank import LAST_SEEN, MARKS, OPENING_BALANCE, POSTED_TOGETHER
from tests.crash.operations import Heard, number_of, operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from actors.core.state import ObjectState
    from journal.kv.rocks_reader import RocksReader

_EXPECTED_ENDS = {
    "cancel": {OutcomeKind.CANCELLED},
    "kill": {OutcomeKind.CANCELLED, OutcomeKind.KILLED},
    "restart": {OutcomeKind.SUCCEEDED, OutcomeKind.KILLED},
}


@attrs.frozen
class Told:
    """What a reader was told of an account in the end."""

    key: str
    balance: int
    lines: int


@attrs.frozen
class Seen:
    """How long the log of an account was for a client: with what it had ``appended``, or for a reader. It was asked for, and answered,
    at moments of one clock that all clients share."""

    account: str
    appended: int | None
    length: int
    asked: int
    answered: int


@attrs.define
class Stream:
    """One object as it lies there."""

    partition: int
    id: StreamId
    head: StreamHead
    snapshot: bytes
    events: list[Recorded]

    @cached_property
    def state(self) -> ObjectState | None:
        """The fold of all its events; None: they do not follow from each other."""
        try:
            return fold(self.id, StoredStream(self.head.last, 0, 0, None, self.events))
        except Damaged:
            return None

    @property
    def name(self) -> str:
        """As people write it, as far as it is known."""
        created = self.events[0].event
        return f"{created.service}/{created.key}" if isinstance(created, e.ObjectCreated) else f"{self.id:016x}"


@attrs.define
class Remains:
    """Everything in a store."""

    streams: list[Stream]
    rows: dict[InvocationId, InvocationRow]
    items: dict[StreamId, dict[bytes, bytes]]
    outputs: dict[InvocationId, list[bytes]]
    messages: int
    audited: set[tuple[str, str]]
    """What was done to what, as the audit has it."""

    damaged: list[str]
    """What cannot be read of the output of invocations."""

    by_number: dict[int, InvocationRow] = attrs.field(init=False)
    events: dict[InvocationId, list[Recorded]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        numbers = {of: number_of(row.request) for of, row in self.rows.items() if row.request is not None}
        self.by_number = {number: self.rows[of] for of, number in numbers.items() if number is not None}
        self.events = defaultdict(list)
        for stream in self.streams:
            for recorded in stream.events:
                of = getattr(recorded.event, "invocation_id", None)
                if of is not None:
                    self.events[of].append(recorded)

    @property
    def is_under_way(self) -> bool:
        """Whether something is left for a server to do."""
        return self.messages > 0 or any(row.status is not Status.COMPLETED for row in self.rows.values())


def read(directory: Path) -> Remains:
    """All of it."""
    reader, identity = open_for_reading(directory)
    try:
        partitions = range(identity.partitions)
        streams = [stream for partition in partitions for stream in _streams(reader, partition)]
        rows = [
            decode_row(InvocationRow, value)
            for partition in partitions
            for _, value in _under(reader, invocation_keys.invocations(partition))
        ]
        items = {s.id: dict(_under(reader, keys.items_of_object(s.partition, s.id))) for s in streams}
        outputs, damaged = dict[InvocationId, list[bytes]](), list[str]()
        for partition in partitions:
            for key, _ in _under(reader, keys.output_heads(partition)):
                of = keys.invocation_of_output_head(key)
                try:
                    outputs[of] = [value for run in read_whole_output(reader, partition, of) for value in run.values]
                except DamagedOutput as damage:
                    damaged.append(str(damage))
        messages = sum(
            1
            for partition in partitions
            for prefix in (keys.messages(partition), keys.dated_messages(partition))
            for _ in _under(reader, prefix)
        )
        acts = [
            decode_audit(value) for partition in partitions for _, value in _under(reader, keys.audit_prefix(partition))
        ]
    finally:
        reader.close()
    audited = {(act.verb, act.target) for act in acts}
    return Remains(streams, {row.invocation_id: row for row in rows}, items, outputs, messages, audited, damaged)


def recorded_steps(directory: Path) -> set[str]:
    """The steps whose outcomes are on disk now."""
    reader, identity = open_for_reading(directory)
    try:
        return {
            f"{recorded.event.invocation_id}/{recorded.event.step}"
            for partition in range(identity.partitions)
            for stream in _streams(reader, partition)
            for recorded in stream.events
            if isinstance(recorded.event, e.StepCompleted)
        }
    finally:
        reader.close()


def _under(reader: RocksReader, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    return scan_all(reader, prefix, keys.after_prefix(prefix))


def _streams(reader: RocksReader, partition: int) -> Iterator[Stream]:
    for key, value in _under(reader, keys.heads(partition)):
        stream, head = StreamId(keys.stream_of_head(key)), decode_row(StreamHead, value)
        snapshot = reader.get(keys.snapshot(partition, stream, head.snapshot)) if head.snapshot else None
        events = read_events(reader, partition, stream, head.trimmed + 1, head.last)
        yield Stream(partition, stream, head, snapshot or b"", events)


def wrongs(
    remains: Remains, acknowledged: Iterable[Heard], recorded: dict[str, int], ledger: list[str]
) -> Iterator[str]:
    """Everything that is wrong. ``recorded``: how long the ledger was when a step's outcome was first seen on disk."""
    yield from wrongs_of_acknowledgements(remains, acknowledged)
    yield from wrongs_of_steps(remains, recorded, ledger)
    yield from wrongs_of_invocations(remains)
    for stream in remains.streams:
        yield from wrongs_of_stream(stream)
    yield from wrongs_of_accounts(remains)
    yield from remains.damaged
    if remains.messages:
        yield f"{remains.messages} messages are left"


def wrongs_of_acknowledgements(remains: Remains, acknowledged: Iterable[Heard]) -> Iterator[str]:
    """What was said to a client is so, and stays so."""
    for heard in acknowledged:
        row = remains.by_number.get(heard.number)
        if heard.verb in _OF_OTHERS:
            yield from _wrongs_of_others(remains, heard)
        elif row is None:
            yield f"lost: {heard}"
        elif row.status is not Status.COMPLETED or row.outcome is None:
            yield f"has not ended: {heard}"
        elif not _holds(heard, row, remains.events[row.invocation_id]):
            yield f"was not kept, {row.outcome}: {heard}"
        if row is not None and heard.verb in _AUDITED_AS:
            act = (_AUDITED_AS[heard.verb], row.invocation_id)
            if act not in remains.audited:
                yield f"the audit does not have: {heard}"


_AUDITED_AS = {
    "signalled": "signal",
    "cancelled": "cancel",
    "killed": "kill",
    "paused": "pause",
    "resumed": "resume",
    "restarted": "restart",
}

_OF_OTHERS = {"read", "restarted", "asked"}
"""Acknowledgements that are not of the invocation which has the operation's key."""


def _wrongs_of_others(remains: Remains, heard: Heard) -> Iterator[str]:
    match heard.verb:
        case "read":
            return
        case "restarted":
            ids, value = [heard.what], None
        case _:
            ids, value = json.loads(heard.what)[1:], b"%d" % heard.number
    for of in ids:
        row = remains.rows.get(InvocationId(of))
        if row is None:
            yield f"lost: {of}, {heard}"
        elif (
            row.outcome is None
            or row.outcome.kind is not OutcomeKind.SUCCEEDED
            or (value is not None and row.outcome.value != value)
        ):
            yield f"was not kept, {row.outcome}: {of}, {heard}"


def _holds(heard: Heard, row: InvocationRow, events: list[Recorded]) -> bool:
    assert row.outcome is not None
    match heard.verb:
        case "sent":
            return row.invocation_id == heard.what
        case "done":
            return bool(json.loads(row.outcome.value) == json.loads(heard.what))
        case "signalled":
            return any(isinstance(r.event, e.SignalReceived) and r.event.value == heard.what.encode() for r in events)
        case "cancelled":
            return row.outcome.kind is OutcomeKind.CANCELLED
        case "killed":
            return row.outcome.kind is OutcomeKind.KILLED
        case "paused":
            return any(isinstance(r.event, e.InvocationPaused | e.PauseRequested) for r in events)
        case "resumed":
            return row.outcome.kind is OutcomeKind.SUCCEEDED
    raise AssertionError(f"nobody says {heard.verb!r}")


def wrongs_of_steps(remains: Remains, recorded: dict[str, int], ledger: list[str]) -> Iterator[str]:
    """Each outcome is of something that happened, was recorded once, and nothing began again once it was on disk."""
    begun_at: dict[str, int] = {}
    ended: set[str] = set()
    for position, line in enumerate(ledger):
        verb, key = line.split(" ")
        if verb == "begin":
            begun_at[key] = position
        else:
            ended.add(key)
    for key, length in recorded.items():
        if begun_at.get(key, 0) >= length:
            yield f"ran again after its outcome was on disk: {key}"
    completed = Counter(
        f"{of}/{r.event.step}"
        for of, events in remains.events.items()
        for r in events
        if isinstance(r.event, e.StepCompleted)
    )
    for key, times in completed.items():
        if times > 1:
            yield f"{times} outcomes: {key}"
        if key not in ended and remains.rows[InvocationId(key.partition("/")[0])].target.service == "Bank":
            yield f"an outcome of what never happened: {key}"
    for key in recorded.keys() - completed.keys():
        yield f"its outcome was on disk and is lost: {key}"


def wrongs_of_invocations(remains: Remains) -> Iterator[str]:
    """Each has a history, one end, and a row that says the same; its timers, its output and its children are as promised."""
    accepted = {of for of, events in remains.events.items() if isinstance(events[0].event, e.InvocationAccepted)}
    if accepted != remains.rows.keys():
        yield f"{len(accepted ^ remains.rows.keys())} invocations have a row and no history, or the reverse"
    for of, events in remains.events.items():
        row = remains.rows.get(of)
        ends = [r.event.outcome for r in events if isinstance(r.event, e.InvocationCompleted)]
        if not ends:
            yield f"{of} has not ended"
        elif len(ends) > 1:
            yield f"{of} ended {len(ends)} times"
        elif row is not None and row.outcome != ends[0]:
            yield f"{of}: its row has another outcome than its history"
        else:
            yield from wrongs_of_times(of, events)
    for number, row in remains.by_number.items():
        yield from _wrongs_of_operation(remains, number, row)


def _wrongs_of_operation(remains: Remains, number: int, row: InvocationRow) -> Iterator[str]:
    kind = operation(number).kind
    if row.outcome is None:
        return
    if row.outcome.kind not in _EXPECTED_ENDS.get(kind, {OutcomeKind.SUCCEEDED}):
        yield f"{row.outcome.kind} {row.outcome.failure}: operation {number}, {kind}"
    elif kind == "steps":
        said = [json.loads(value) for value in remains.outputs.get(row.invocation_id, ())]
        if said[:1] + sorted(said[1:-1]) + said[-1:] != [f"{number} {what}" for what in ("begins", "a", "b", "ends")]:
            yield f"its output is {said}: operation {number}"
    elif kind == "post":
        for of in json.loads(row.outcome.value):
            if of not in remains.rows or remains.rows[of].outcome is None:
                yield f"{of} was posted and has no end: operation {number}"


def wrongs_of_times(of: InvocationId, events: list[Recorded]) -> Iterator[str]:
    """Nothing with a date came early."""
    due: dict[Any, float] = {}
    for recorded in events:
        match recorded.event:
            case e.InvocationAccepted(scheduled_for=at) if at is not None:
                due[None] = at
            case e.SleepScheduled(step=step, wake_at=at) | e.DeadlineScheduled(step=step, expires_at=at):
                due[step] = at
            case e.TimerFired(step=step) if recorded.stamp.at < due[step]:
                yield f"{of}: {step} came {due[step] - recorded.stamp.at} seconds early"
            case e.InvocationDue() if recorded.stamp.at < due[None]:
                yield f"{of} came {due[None] - recorded.stamp.at} seconds early"


def wrongs_of_stream(stream: Stream) -> Iterator[str]:
    """The object is the fold of its events, and its handlers ran in the order in which they came."""
    if stream.state is None:
        yield f"{stream.name}: its events do not follow from each other"
    elif stream.head.snapshot and not any(isinstance(r.event, e.Erased) for r in stream.events):
        # What was purged is in the snapshot alone; of the users' objects here nothing is.
        rest = [r for r in stream.events if r.number > stream.head.snapshot]
        partly = fold(stream.id, StoredStream(stream.head.last, 0, stream.head.snapshot, stream.snapshot, rest))
        if encode_snapshot(partly) != encode_snapshot(stream.state):
            yield f"{stream.name}: the snapshot and the events disagree"
    came = arrivals(stream.events)
    started = [r.event.invocation_id for r in stream.events if isinstance(r.event, e.InvocationStarted)]
    both = {*came} & {*started}
    if [i for i in came if i in both] != [i for i in started if i in both]:
        yield f"{stream.name}: not first come first served"


def arrivals(events: list[Recorded]) -> list[InvocationId]:
    """Those that run one at a time, in the order in which they stood in line."""
    came: list[InvocationId] = []
    exclusive: set[InvocationId] = set()
    for recorded in events:
        match recorded.event:
            case e.InvocationAccepted(invocation_id=of, mode=Mode.EXCLUSIVE, scheduled_for=at):
                exclusive.add(of)
                if at is None:
                    came.append(of)
            case e.InvocationDue(invocation_id=of) if of in exclusive:
                came.append(of)
    return came


def wrongs_of_accounts(remains: Remains) -> Iterator[str]:
    """Accounts hold what came to them, by a count of our own, and no money was made or lost."""
    total = 0
    for stream in remains.streams:
        if stream.state is not None and stream.state.service == "Account":
            total += int(stream.state.fields.get("balance", b"%d" % OPENING_BALANCE)) - OPENING_BALANCE
            yield from _wrongs_of_account(remains, stream, stream.state.fields)
    paid_in = sum(
        operation(number).amount for number, row in remains.by_number.items() if row.target.handler == "deposit"
    )
    if total != paid_in:
        yield f"money was made or lost: {total} came together of {paid_in}"


def _wrongs_of_account(remains: Remains, stream: Stream, fields: dict[str, bytes]) -> Iterator[str]:
    name = stream.name
    arguments = {
        r.event.invocation_id: (r.event.handler, r.event.argument)
        for r in stream.events
        if isinstance(r.event, e.InvocationAccepted)
    }
    came = [arguments[of] for of in arrivals(stream.events)]
    amounts = [int(argument) for handler, argument in came if handler == "deposit"]
    noted = [int(argument) for handler, argument in came if handler == "note"]
    balance = int(fields.get("balance", b"%d" % OPENING_BALANCE))
    if balance != OPENING_BALANCE + sum(amounts):
        yield f"{name}: its balance is {balance}, and {sum(amounts)} came in"
    if json.loads(fields.get("seen", b"[]")) != noted[-LAST_SEEN:]:
        yield f"{name}: it saw {fields.get('seen')!r}, and {noted[-LAST_SEEN:]} came last"
    lines, marks = _items(remains, stream)
    if lines != noted:
        yield f"{name}: {len(lines)} lines in the log, {len(noted)} were noted"
    if marks != Counter(str(number % MARKS) for number in noted):
        yield f"{name}: its marks are {marks}"
    yield from _wrongs_of_posts(name, noted)


def _items(remains: Remains, stream: Stream) -> tuple[list[int], dict[str, int]]:
    log, marks = keys.items(stream.partition, stream.id, "lines"), keys.items(stream.partition, stream.id, "marks")
    items = remains.items[stream.id]
    return (
        [int(value) for key, value in items.items() if key.startswith(log)],
        {json.loads(key[len(marks) :]): int(value) for key, value in items.items() if key.startswith(marks)},
    )


def _wrongs_of_posts(name: str, noted: list[int]) -> Iterator[str]:
    """What one sender sent to one key came in order, each once; posts are the negative numbers."""
    posts: dict[int, list[int]] = defaultdict(list)
    for number in noted:
        if number < 0:
            posts[-number // 10].append(-number % 10)
    for sender, places in posts.items():
        if places != [*range(POSTED_TOGETHER)]:
            yield f"{name}: of what operation {sender} sent in order, {places} came"


def wrongs_of_logs(remains: Remains, seen: Iterable[Seen]) -> Iterator[str]:
    """Each log is linearizable: what was appended lies where its client was told, once; and whatever was answered before something
    was asked for came before it."""
    lines = {stream.name: _items(remains, stream)[0] for stream in remains.streams}
    for account in {one.account for one in seen}:
        of_account = [one for one in seen if one.account == account]
        yield from wrongs_of_log(account, lines.get(f"Account/{account}", []), of_account)


def wrongs_of_log(account: str, lines: list[int], seen: list[Seen]) -> Iterator[str]:
    """``lines``: what is in the log now."""
    for number, times in Counter(lines).items():
        if times > 1:
            yield f"{account}: {number} is in the log {times} times"
    longest, answered = 0, iter(sorted(seen, key=attrgetter("answered")))
    earlier = next(answered, None)
    for one in sorted(seen, key=attrgetter("asked")):
        while earlier is not None and earlier.answered < one.asked:
            longest = max(longest, earlier.length)
            earlier = next(answered, None)
        if one.appended is None:
            is_right = longest <= one.length <= len(lines)
        else:
            is_right = longest < one.length <= len(lines) and lines[one.length - 1] == one.appended
        if not is_right:
            yield f"{account}: not linearizable: {one}, after a length of {longest} had been told; the log: {lines}"
            return


def wrongs_of_readers(remains: Remains, told: Iterable[Told]) -> Iterator[str]:
    """What a reader was told is what lies there."""
    by_name = {stream.name: stream for stream in remains.streams}
    for account in told:
        stream = by_name.get(f"Account/{account.key}")
        if stream is None and account.balance == OPENING_BALANCE and not account.lines:
            continue
        if stream is None or stream.state is None:
            yield f"{account} has nothing on disk"
            continue
        lies_there = int(stream.state.fields.get("balance", b"%d" % OPENING_BALANCE)), len(_items(remains, stream)[0])
        if (account.balance, account.lines) != lies_there:
            yield f"a reader was told {account}, and {lies_there} is there"
