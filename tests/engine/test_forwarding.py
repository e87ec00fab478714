"""Requests between nodes: their bytes, and who may send them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from outcome import Error, Value

from actors.cluster.connections import NodeConnections
from actors.cluster.signatures import NodeSigner, digest_of
from actors.cluster.transport import DIGEST_HEADER, PATH, NodeTransport
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
from tests.virtual import on_virtual_time

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
        await nursery.start(NodeTransport("n1", "secret", [listener], payload_bytes=1_000).serve, found.take)
        yield found
        nursery.cancel_scope.cancel()


async def ask(to: Member, argument: bytes = b"1", secret: str = "secret", payload_bytes: int = 1_000) -> Outcome:
    with closing(NodeTransport("n2", secret, [], payload_bytes=payload_bytes, connect=connected)) as transport:
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
    signer, body = NodeSigner("secret"), encode_request(request(INVOKE, outcome=Reply(OF)))
    digest = digest_of(body)
    signed = ("authorization", signer.of_request("n1", digest))
    for headers, path, sent, status in (
        ([], PATH, body, 401),
        ([("authorization", "Bearer a-token-of-a-client-with-32-chars")], PATH, body, 401),
        ([signed], PATH, body, 401),
        ([signed, (DIGEST_HEADER, digest)], "/health", body, 404),
        ([signed, (DIGEST_HEADER, digest)], PATH, body + b"1", 400),
        ([signed, (DIGEST_HEADER, digest)], PATH, body, 200),
    ):
        with closing(NodeConnections(connected)) as connections:
            answer = await connections.post(owner.member.address, path, headers, sent, largest_answer=10_000)
        assert answer.status == status
    assert owner.asked == 1


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

    with closing(NodeTransport("n2", "secret", [], payload_bytes=1_000, connect=counted)) as transport:
        for pause in (1.0, 1.0, 3_600.0, 1.0):
            await transport.ask(owner.member, request(INVOKE, outcome=Reply(OF)))
            await trio.sleep(pause)
    assert (owner.asked, made) == (4, 2)
