"""Requests between nodes: their bytes, and who may send them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from outcome import Error, Value

from actors.cluster.connections import Answer, NodeConnections
from actors.cluster.repeats import REMEMBERED_SECONDS, SKEW_SECONDS, RepeatGuard
from actors.cluster.signatures import NodeSigner, Signed, digest_of
from actors.cluster.transport import LIMITS, NONCE_HEADER, PATH, SIGNATURE_HEADER, NodeTransport, headers_of
from actors.core import commands as c
from actors.engine.forwarding import decode_answer, decode_request, encode_answer, encode_request
from actors.engine.requests import AuditOnly, AwaitOutcome, DeleteObject, Describe, ObjectRequest
from actors.engine.waiter import Reply
from actors.errors import (
    ConflictError,
    ErrorCode,
    InvocationPausedError,
    LimitExceededError,
    NotOwnerError,
    UnknownOutcomeError,
)
from actors.http.closing import Closing
from actors.http.messages import HttpRequest, HttpResponse
from actors.http.server.bodies import read_whole
from actors.http.server.listener import serve
from actors.rows.audit import ControlAction
from journal.errors import CorruptRecord, Damaged, StoreFailed, Unavailable
from journal.events import Outcome, OutcomeKind, Stamp, Status, Target
from journal.ids import InvocationId, StreamId
from journal.replicated.membership import Member
from tests.cluster import connected, listening
from tests.virtual import VirtualClock, on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OF = InvocationId("inv_1" + "0" * 33)
AUDITED = ControlAction(verb="edit", target="Tally/a", detail="value", reason="why", request="k")
INVOKE = c.Invoke(invocation_id=OF, target=Target("Tally", "a", "add"), argument=b"1", tags={"user": "ada"})


def request(command: Any, **more: Any) -> ObjectRequest:
    return ObjectRequest(StreamId(7), command, Stamp(1.5, "cause", "user:ada"), source="127.0.0.1:1", **more)


@pytest.mark.parametrize(
    "asked",
    [
        request(INVOKE, outcome=Reply(OF, leaves_at_pause=True), act=AUDITED, is_fresh=True),
        request(INVOKE, reply=Reply(OF)),
        request(c.CancelInvocation(invocation_id=OF, reason="enough"), reply=Reply(OF)),
        request(AwaitOutcome(OF, Reply(OF, leaves_at_pause=True))),
        request(Describe(OF, Reply(OF))),
        request(AuditOnly(act=AUDITED, reply=Reply(), refusal="no", dropped=3)),
        request(DeleteObject(service="Tally", key="a"), reply=Reply(), act=AUDITED),
    ],
    ids=lambda asked: type(asked.command).__name__,
)
def test_a_request_arrives_as_it_was_asked_and_is_never_taken_as_new(asked: ObjectRequest) -> None:
    found = decode_request(encode_request(asked))
    assert (found.to, found.stamp, found.source, found.act) == (asked.to, asked.stamp, asked.source, asked.act)
    assert (found.outcome is None, found.reply is None) == (asked.outcome is None, asked.reply is None)
    assert found.leaves_at_pause == asked.leaves_at_pause
    assert not found.is_fresh
    assert _plain(found.command) == _plain(asked.command)


def _plain(command: Any) -> Any:
    """A command without the replies in it, which do not travel."""
    if not isinstance(command, (AwaitOutcome, Describe, AuditOnly, DeleteObject)):
        return command
    names = [field.name for field in attrs.fields(type(command))]
    return {name: getattr(command, name) for name in names if name not in ("reply", "waiter")}


@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (
            NotOwnerError("not here", partition=3, node="n2", url="http://b"),
            {"partition": 3, "node": "n2", "url": "http://b", "code": ErrorCode.NOT_OWNER},
        ),
        (
            ConflictError("it has ended", code=ErrorCode.ALREADY_COMPLETED, status=Status.COMPLETED),
            {"code": ErrorCode.ALREADY_COMPLETED, "status": Status.COMPLETED},
        ),
        (LimitExceededError("too many", limit="mailbox", maximum=5, found=6), {"limit": "mailbox", "maximum": 5}),
        (InvocationPausedError("paused"), {"code": ErrorCode.PAUSED}),
        (Damaged(7, 3, "a flipped bit"), {"stream": 7, "number": 3, "reason": "a flipped bit"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_arrives_in_its_class_with_its_attributes(error: Exception, attributes: dict[str, Any]) -> None:
    answer = decode_answer(request(INVOKE), encode_answer(Error(error)))
    assert isinstance(answer, Error)
    found = answer.error
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert {name: getattr(found, name) for name in attributes} == attributes


def test_a_failed_disk_of_another_node_is_not_taken_for_the_own() -> None:
    unknown = UnknownOutcomeError("who knows")
    unknown.invocation_id = OF
    answer = decode_answer(request(INVOKE), encode_answer(Error(unknown)))
    assert isinstance(answer, Error)
    assert answer.error.invocation_id == OF  # type: ignore[attr-defined]
    broken = decode_answer(request(INVOKE), encode_answer(Error(StoreFailed("the disk is gone"))))
    assert isinstance(broken, Error)
    assert type(broken.error) is Unavailable


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x80", encode_request(request(INVOKE))[:-5]])
def test_other_bytes_are_no_request_and_no_answer(data: bytes) -> None:
    with pytest.raises(CorruptRecord):
        decode_request(data)
    if data not in (b"\x80",):
        with pytest.raises(CorruptRecord):
            decode_answer(request(INVOKE), data)


# Over HTTP.


@attrs.define
class Owner:
    """A node that answers each request with success, and counts them."""

    member: Member
    asked: int = 0

    def take(self, asked: ObjectRequest) -> Reply[Any]:
        self.asked += 1
        reply: Reply[Any] = Reply()
        reply.set(Outcome(OutcomeKind.SUCCEEDED, asked.command.argument))  # type: ignore[union-attr]
        return reply


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    address, listener = listening()
    found = Owner(Member(name="n1", address=address))
    async with trio.open_nursery() as nursery:
        transport = NodeTransport("n1", "secret", [listener], payload_bytes=1_000, clock=VirtualClock())
        await nursery.start(transport.serve, found.take)
        yield found
        nursery.cancel_scope.cancel()


async def ask(
    to: Member, argument: bytes = b"1", secret: str = "secret", payload_bytes: int = 1_000, ahead: float = 0.0
) -> Outcome:
    clock = VirtualClock()
    clock.shift(ahead)
    sender = NodeTransport("n2", secret, [], payload_bytes=payload_bytes, clock=clock, connect=connected)
    with closing(sender) as transport:
        invoke = c.Invoke(invocation_id=OF, target=INVOKE.target, argument=argument)
        outcome: Outcome = await transport.ask(to, request(invoke, outcome=Reply(OF)))
        return outcome


@on_virtual_time
async def test_a_node_with_another_secret_is_not_answered(owner: Owner) -> None:
    assert (await ask(owner.member)).value == b"1"
    with pytest.raises(NotOwnerError):
        await ask(owner.member, secret="another")
    for unreached in ({"name": "an earlier run"}, {"address": "nowhere"}, {"address": ""}):
        with pytest.raises(NotOwnerError):
            await ask(attrs.evolve(owner.member, **unreached))
    assert owner.asked == 1


@on_virtual_time
async def test_a_request_that_no_node_has_signed_is_refused_unread(owner: Owner) -> None:
    signed = headers(BODY, nonce="1")
    for given, path, sent, status in (
        ([], PATH, BODY, 401),
        ([("authorization", "Bearer a-token-of-a-client-with-32-chars")], PATH, BODY, 401),
        (signed[:1], PATH, BODY, 401),
        ([*signed[:3], (NONCE_HEADER, "2")], PATH, BODY, 401),
        (signed, "/health", BODY, 404),
        (signed, PATH, BODY + b"1", 400),
        (headers(BODY, nonce="2"), PATH, BODY, 200),
    ):
        answer = await post(owner.member.address, given, sent, path)
        assert answer.status == status
        assert answer.headers.get(b"www-authenticate") == (b"Playhead-Node" if status == 401 else None)
    assert owner.asked == 1


async def test_strangers_do_not_use_up_the_room_for_nodes() -> None:
    address, listener = listening()
    found = Owner(Member(name="n1", address=address))
    few = attrs.evolve(LIMITS, connections=4, connections_of_one_peer=4)
    strangers: list[trio.SocketStream] = []
    async with trio.open_nursery() as nursery:
        clock = VirtualClock()
        transport = NodeTransport("n1", "secret", [listener], payload_bytes=1_000, clock=clock, limits=few)
        await nursery.start(transport.serve, found.take)
        with closing(NodeConnections(connected)) as connections, trio.fail_after(60):
            for nonce in ("1", "2"):
                answer = await connections.post(address, PATH, headers(BODY, nonce=nonce), BODY, largest_answer=10_000)
                assert answer.status == 200
                strangers += [await connected(address) for _ in range(9)]
                assert await strangers[-5].receive_some() == b"", "the oldest made room"
        nursery.cancel_scope.cancel()
    for stranger in strangers:
        await stranger.aclose()
    assert found.asked == 2


BODY = encode_request(request(INVOKE, outcome=Reply(OF)))


def headers(body: bytes, *, nonce: str) -> list[tuple[str, str]]:
    """What a node signs now."""
    signed = Signed("n1", digest_of(body), f"{VirtualClock().now()}", nonce)
    return headers_of(signed, NodeSigner("secret").of_request(signed))


async def post(address: str, given: list[tuple[str, str]], body: bytes, path: str = PATH) -> Answer:
    with closing(NodeConnections(connected)) as connections:
        return await connections.post(address, path, given, body, largest_answer=10_000)


@on_virtual_time
async def test_a_request_that_was_recorded_is_refused_for_ever(owner: Owner) -> None:
    recorded = headers(BODY, nonce="1")
    assert (await post(owner.member.address, recorded, BODY)).status == 200
    for pause, error, why in (
        (0.0, UnknownOutcomeError, "has received this request before"),
        (SKEW_SECONDS, UnknownOutcomeError, "has received this request before"),
        (1.0, NotOwnerError, "differs by 31.0 s from its clock; at most 30 s of skew"),
        (REMEMBERED_SECONDS, NotOwnerError, "differs by 91.0 s"),
    ):
        await trio.sleep(pause)
        again = await post(owner.member.address, recorded, BODY)
        answer = decode_answer(request(INVOKE), again.body)
        assert again.status == 401
        assert isinstance(answer, Error)
        assert type(answer.error) is error
        assert why in str(answer.error)
    assert owner.asked == 1


@on_virtual_time
@pytest.mark.parametrize("ahead", [-31.0, 31.0])
async def test_a_node_whose_clock_is_wrong_is_told_so(owner: Owner, ahead: float) -> None:
    await ask(owner.member, ahead=ahead * 0.9)
    with pytest.raises(NotOwnerError, match=rf"differs by {-ahead} s from its clock.* set the clocks of both nodes"):
        await ask(owner.member, ahead=ahead)
    assert owner.asked == 1


@on_virtual_time
async def test_a_request_is_remembered_as_long_as_it_can_be_accepted_and_no_longer() -> None:
    clock = VirtualClock()
    guard = RepeatGuard("n1", clock, at_most=2)

    def sent(nonce: str, ahead: float = 0.0) -> Signed:
        return Signed("n1", "digest", f"{clock.now() + ahead}", nonce)

    early = sent("1", SKEW_SECONDS)
    guard.accept(early)
    guard.accept(sent("2"))
    with pytest.raises(NotOwnerError, match="more than 2 requests of other nodes within 60 s"):
        guard.accept(sent("3"))
    await trio.sleep(REMEMBERED_SECONDS)
    with pytest.raises(UnknownOutcomeError):
        guard.accept(early)
    await trio.sleep(0.1)
    with pytest.raises(NotOwnerError, match="skew"):
        guard.accept(early)
    guard.accept(sent("3"))
    guard.accept(sent("4"))
    for wrong in ("", "soon", "nan"):
        with pytest.raises(NotOwnerError, match="skew"):
            guard.accept(Signed("n1", "digest", wrong, "5"))


@on_virtual_time
async def test_a_recorded_request_is_refused_after_the_clock_was_set_back() -> None:
    clock = VirtualClock()
    guard = RepeatGuard("n1", clock)
    recorded = Signed("n1", "digest", f"{clock.now()}", "1")
    guard.accept(recorded)
    await trio.sleep(REMEMBERED_SECONDS + 1)
    guard.accept(Signed("n1", "digest", f"{clock.now()}", "2"))
    clock.shift(-(REMEMBERED_SECONDS + 1))
    with pytest.raises(NotOwnerError, match="set back"):
        guard.accept(recorded)
    await trio.sleep(1)
    guard.accept(Signed("n1", "digest", f"{clock.now()}", "3"))


@on_virtual_time
async def test_an_earlier_answer_to_the_same_question_is_not_believed(owner: Owner) -> None:
    address, listener = listening()
    recorded: list[Answer] = []

    async def repeat_the_first(asked: HttpRequest) -> HttpResponse:
        given = [
            (name.decode(), value.decode()) for name, value in asked.headers.raw if name.startswith((b"x-", b"auth"))
        ]
        recorded.append(await post(owner.member.address, given, await read_whole(asked, 10_000)))
        first = recorded[0]
        signature = first.headers[SIGNATURE_HEADER.encode()].decode()
        return HttpResponse(first.body, first.status, {SIGNATURE_HEADER: signature})

    async with trio.open_nursery() as nursery:
        await nursery.start(serve, repeat_the_first, [listener], Closing())
        between = attrs.evolve(owner.member, address=address)
        assert (await ask(between)).value == b"1"
        with pytest.raises(NotOwnerError, match="is not this node"):
            await ask(between)
        nursery.cancel_scope.cancel()
    assert [answer.body for answer in recorded] == [recorded[0].body] * 2


@on_virtual_time
async def test_an_answer_that_the_node_has_not_signed_is_not_believed() -> None:
    address, listener = listening()

    async def pretend(request: HttpRequest) -> HttpResponse:
        await read_whole(request, 10_000)
        return HttpResponse(encode_answer(Value(Outcome(OutcomeKind.SUCCEEDED, b"2"))))

    async with trio.open_nursery() as nursery:
        await nursery.start(serve, pretend, [listener], Closing())
        with pytest.raises(NotOwnerError):
            await ask(Member(name="n1", address=address))
        nursery.cancel_scope.cancel()


@on_virtual_time
async def test_what_is_too_large_for_a_node_is_refused_by_name(owner: Owner) -> None:
    with pytest.raises(LimitExceededError) as raised:
        await ask(owner.member, b"1" * 2_000_000)
    assert raised.value.code is ErrorCode.TOO_LARGE
    with pytest.raises(NotOwnerError):  # the limit of the other node is lower
        await ask(owner.member, b"1" * 2_000_000, payload_bytes=10_000_000)
    assert owner.asked == 0


@on_virtual_time
async def test_a_connection_is_used_again_unless_the_other_side_has_closed_it(owner: Owner) -> None:
    made = 0

    async def counted(address: str) -> trio.SocketStream:
        nonlocal made
        made += 1
        return await connected(address)

    sender = NodeTransport("n2", "secret", [], payload_bytes=1_000, clock=VirtualClock(), connect=counted)
    with closing(sender) as transport:
        for pause in (1.0, 1.0, 3_600.0, 1.0):
            await transport.ask(owner.member, request(INVOKE, outcome=Reply(OF)))
            await trio.sleep(pause)
    assert (owner.asked, made) == (4, 2)
