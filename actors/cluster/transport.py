"""Requests between the nodes of a cluster, over HTTP. ::

    router ─► ask ─► POST /requests ─► NodeApi ─► take ─► processor of the owner
                                          └── signed, for this run of this node

Each node has a listener for the others, apart from that of its clients: it is there before the node claims anything, it needs no
``serve=``, a crowd of clients cannot take its connections, and no token of a client opens it.

A request takes one hop: the node that gets it looks into its own processors alone. An answer is an answer of the owner, an error
included; anything else says that the node was not reached (:class:`actors.errors.NotOwnerError`), or that it is unknown whether it was
(:class:`actors.errors.UnknownOutcomeError`).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import trio
from outcome import Error, Value

from actors.cluster.connections import IDLE_SECONDS, Broken, NodeConnections, Unreached, connect_over_tcp
from actors.cluster.repeats import RepeatGuard
from actors.cluster.signatures import SCHEME, NodeSigner, Signed, digest_of, is_equal
from actors.engine.forwarding import decode_answer, decode_request, encode_answer, encode_request
from actors.errors import (
    AccessDeniedError,
    ActorError,
    ErrorCode,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    NotOwnerError,
    RefusedError,
    ResourceKind,
    UnknownOutcomeError,
)
from actors.http.closing import Closing
from actors.http.messages import CLIENT_GONE, ClientGone, HttpResponse, UnreadableRequest
from actors.http.models import NODE_HEADER
from actors.http.problems import respond_unreadable, respond_with
from actors.http.server.bodies import read_whole
from actors.http.server.listener import serve
from actors.http.server_options import ServerLimits
from journal.errors import CorruptRecord, JournalError
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from outcome import Maybe

    from actors.cluster.connections import Connect
    from actors.engine.requests import ObjectRequest
    from actors.engine.waiter import Reply
    from actors.http.messages import HttpRequest
    from journal.clock import Clock
    from journal.replicated.membership import Member

    Take = Callable[[ObjectRequest], Reply[Any]]

log = SafeLogger(__name__)

PATH = "/requests"
SIGNATURE_HEADER = "x-playhead-signature"
DIGEST_HEADER = "x-playhead-digest"
TIME_HEADER = "x-playhead-time"
NONCE_HEADER = "x-playhead-nonce"

_NONCE_BYTES = 16

_UNSIGNED = 1_000
_MANY = 20_000
LIMITS = ServerLimits(
    connections=_UNSIGNED,
    connections_of_one_peer=_UNSIGNED,
    control_connections=_MANY,
    waiting_calls=_MANY,
    head_seconds=2 * IDLE_SECONDS,
)
"""Connections on which a node has signed a request are counted apart from the others, so strangers cannot use up the room for nodes: of
the others, the oldest one that is idle makes room for the next."""

_MORE_THAN_A_VALUE = 4
_REST_BYTES = 1 << 20


class NodeTransport:
    """Sends requests of one node to others, and takes those that others send to it. ``payload_bytes`` is the largest value that a
    client may send."""

    def __init__(
        self,
        name: str,
        secret: str,
        listeners: Sequence[trio.SocketListener],
        *,
        payload_bytes: int,
        clock: Clock,
        connect: Connect = connect_over_tcp,
        limits: ServerLimits = LIMITS,
    ) -> None:
        """Create the transport of node ``name``, in a cluster whose journal has this secret."""
        self._name = name
        self._clock = clock
        self._signer = NodeSigner(secret)
        self._listeners = listeners
        self._largest = _MORE_THAN_A_VALUE * payload_bytes + _REST_BYTES
        self._connections = NodeConnections(connect)
        self._limits = limits

    async def ask(self, to: Member, request: ObjectRequest) -> Any:
        """Send a request to another node, and return its answer. Raises what the other node raises, and as
        :class:`actors.environment.Peers` says."""
        body = encode_request(request)
        if len(body) > self._largest:
            raise LimitExceededError(
                f"the request has {len(body)} bytes; between nodes the limit is {self._largest}",
                limit="payload_bytes",
                maximum=self._largest,
                found=len(body),
                code=ErrorCode.TOO_LARGE,
            )
        signed = Signed(to.name, digest_of(body), f"{self._clock.now():.3f}", secrets.token_hex(_NONCE_BYTES))
        signature = self._signer.of_request(signed)
        headers = headers_of(signed, signature)
        if not to.address:
            raise self._not_reached(to, "it says no address")
        try:
            answer = await self._connections.post(to.address, PATH, headers, body, largest_answer=self._largest)
        except Unreached as error:
            raise self._not_reached(to, f"{error}") from error
        except Broken as error:
            raise UnknownOutcomeError(
                f"the connection to node {to.name} at {to.address} broke before its answer arrived: {error}"
            ) from error
        given = answer.headers.get(SIGNATURE_HEADER.encode(), b"").decode("latin-1")
        if not is_equal(given, self._signer.of_answer(signature, answer.body)):
            raise self._not_reached(to, f"the process at this address is not this node (status {answer.status})")
        return decode_answer(request, answer.body).unwrap()

    async def serve(self, take: Take, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take the requests of other nodes until cancelled. ``take`` gives one to its processor, or raises
        :class:`NotOwnerError`."""
        try:
            api = NodeApi(self._name, self._signer, RepeatGuard(self._name, self._clock), take, self._largest)
            await serve(api, [*self._listeners], Closing(), limits=self._limits, task_status=task_status)
        finally:
            self.close()

    def close(self) -> None:
        """Close the connections that carry no request."""
        self._connections.close()

    def _not_reached(self, to: Member, why: str) -> NotOwnerError:
        return NotOwnerError(
            f"node {to.name} cannot be reached at {to.address or 'any address'}: {why}", node=to.name, url=to.url
        )


def headers_of(signed: Signed, signature: str) -> list[tuple[str, str]]:
    """Return the headers of a request."""
    return [
        ("authorization", signature),
        (DIGEST_HEADER, signed.digest),
        (TIME_HEADER, signed.sent_at),
        (NONCE_HEADER, signed.nonce),
    ]


class NodeApi:
    """The application of HTTP that takes the requests of other nodes."""

    def __init__(self, name: str, signer: NodeSigner, guard: RepeatGuard, take: Take, largest: int) -> None:
        self._name = name
        self._signer = signer
        self._guard = guard
        self._take = take
        self._largest = largest

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request: one of a node with the answer of this one's processor, any other with a refusal."""
        try:
            asked = await self._read(request)
        except ClientGone:
            return HttpResponse(status_code=CLIENT_GONE)
        except UnreadableRequest as error:
            return respond_unreadable(error.status_code)
        except (
            NotOwnerError,
            UnknownOutcomeError,
        ) as refusal:  # of a request that a node has signed, and that may be repeated
            return self._signed(request, encode_answer(Error(refusal)), {"www-authenticate": SCHEME}, 401)
        except RefusedError as refusal:
            return respond_with(refusal, challenge=SCHEME)
        with trio.CancelScope() as scope, request.carrier.waiting(scope):
            body = encode_answer(await self._answer(asked))
            if len(body) > self._largest:
                body = encode_answer(Error(self._too_large(len(body))))
            return self._signed(request, body, {}, 200)
        return HttpResponse(status_code=CLIENT_GONE)

    def _signed(self, request: HttpRequest, body: bytes, headers: dict[str, str], status: int) -> HttpResponse:
        """Return an answer that is believed: one to a request whose signature is valid."""
        signature = self._signer.of_answer(request.headers.get("authorization"), body)
        headers |= {NODE_HEADER: self._name, SIGNATURE_HEADER: signature}
        return HttpResponse(body, status, headers, media_type="application/msgpack")

    async def _read(self, request: HttpRequest) -> ObjectRequest:
        given = request.headers
        signed = Signed(self._name, given.get(DIGEST_HEADER), given.get(TIME_HEADER), given.get(NONCE_HEADER))
        if not is_equal(given.get("authorization"), self._signer.of_request(signed)):
            raise AccessDeniedError(
                "only the other nodes of this cluster are answered here; clients use the address that 'serving' names",
                code=ErrorCode.UNAUTHENTICATED,
            )
        if (request.method, request.raw_path) != ("POST", PATH.encode()):
            raise NotFoundError(f"nodes send their requests with POST to {PATH}", kind=ResourceKind.PATH)
        request.carrier.take_control_seat()
        self._guard.accept(signed)
        body = await read_whole(request, self._largest)
        if digest_of(body) != signed.digest:
            raise InvalidArgumentError("the body is not the one that was signed")
        try:
            return decode_request(body)
        except CorruptRecord as error:
            log.error("%s: do all nodes run the same version of playhead?", error)  # noqa: TRY400 - the bytes say nothing more
            raise InvalidArgumentError(str(error)) from error

    async def _answer(self, asked: ObjectRequest) -> Maybe[Any]:
        try:
            return Value(await self._take(asked).wait())
        except (ActorError, JournalError) as error:
            return Error(error)

    def _too_large(self, found: int) -> LimitExceededError:
        return LimitExceededError(
            f"the answer has {found} bytes; between nodes the limit is {self._largest}",
            limit="payload_bytes",
            maximum=self._largest,
            found=found,
            code=ErrorCode.TOO_LARGE,
        )
