"""A client of NATS under trio: one connection at a time, to the first server that takes it, and again after it was lost.

A request that was sent and not answered is in doubt: only who made it can find out. What is published without a reply may be lost.
"""

from __future__ import annotations

import random
import secrets
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import trio

from journal.errors import InDoubt, JournalError, Unavailable
from journal.mock_clock import is_mocked, still
from journal.replicated.log import LogUnusable
from journal.replicated.nats import protocol
from journal.replicated.nats.protocol import Delivery, Info, Parser, Ping, Pong, ProtocolBroken, ServerError
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from journal.replicated.nats.address import NatsAddress, NatsServer
    from journal.replicated.nats.protocol import NatsMessage

log = SafeLogger(__name__)

SECONDS_TO_CONNECT = 5.0
SECONDS_TO_ANSWER = 5.0
PING_SECONDS = 5.0
"""The time between two questions whether the server lives, and the time that it has to answer one."""

_BETWEEN_TRIES_SECONDS = 0.1
_MOST_BYTES_WAITING = 8 << 20
_RECEIVED_TOGETHER = 1 << 18
_NO_RESPONDERS = 503
_ANSWERS = 1


class NoResponders(Unavailable):
    """Nobody serves the subject now; nothing was done."""


class _Lost(Exception):
    """The connection has ended."""


class _Answer:
    """The place of one request's answers."""

    def __init__(self, *, is_last: Callable[[NatsMessage], bool]) -> None:
        self.messages: list[NatsMessage] = []
        self.is_last = is_last
        self.is_over = trio.Event()
        self.failure: JournalError | None = None

    def take(self, message: NatsMessage) -> bool:
        """Take an answer, and return whether it was the last one."""
        self.messages.append(message)
        if not self.is_last(message):
            return False
        self.is_over.set()
        return True

    def fail(self, failure: JournalError) -> None:
        self.failure = failure
        self.is_over.set()


class NatsClient:
    """A connection to one of the servers of an address."""

    def __init__(self, address: NatsAddress, check: Callable[[NatsServer, Mapping[str, Any]], Awaitable[None]]) -> None:
        """``check`` gets each server that is connected to, with what it says of itself, and raises to refuse it."""
        self.info: Mapping[str, Any] = {}
        self.on_connected: Callable[[], None] = lambda: None
        """Is called after each connection but the first."""
        self._address = address
        self._check = check
        self._inbox = f"_INBOX.{secrets.token_hex(11)}"
        self._last_request = 0
        self._answers: dict[str, _Answer] = {}
        self._subscriptions: dict[int, tuple[str, Callable[[NatsMessage], None]]] = {}
        self._stream: trio.abc.Stream | None = None
        self._parser = Parser()
        self._is_connected = trio.Event()
        self._sending: list[bytes] = []
        self._bytes_waiting = 0
        self._has_more = trio.Event()
        self._has_room = trio.Event()
        self._pong = trio.Event()

    # Asking.

    async def request(
        self,
        subject: str,
        data: bytes = b"",
        headers: Mapping[str, str | int] | None = None,
        *,
        seconds: float | None = None,
    ) -> NatsMessage:
        """Publish a message and return the answer. Raises :class:`NoResponders`, ``Unavailable`` if nothing was sent, and ``InDoubt`` if
        no answer came within the time, or the connection was lost."""
        [answer] = await self._ask(subject, data, headers or {}, lambda _: True, seconds or SECONDS_TO_ANSWER)
        return answer

    async def collect(self, subject: str, data: bytes) -> Sequence[NatsMessage]:
        """Publish a message and return all answers up to the first with a status, which is the last of them. Raises as :meth:`request` does."""
        return await self._ask(subject, data, {}, lambda answer: answer.status != 0, SECONDS_TO_ANSWER)

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str | int] | None = None) -> None:
        """Send a message that nobody answers. Raises ``Unavailable`` if there is no connection."""
        await self._wait_for_room(SECONDS_TO_ANSWER)
        self._send(protocol.publish(subject, data, headers or {}))

    def announce(self, subject: str, data: bytes) -> None:
        """Send a small message if there is a connection."""
        if self._stream is not None:
            self._send(protocol.publish(subject, data, {}))

    def subscribe(self, subject: str, receive: Callable[[NatsMessage], None]) -> None:
        """Call ``receive`` with each message of a subject that arrives from now on."""
        number = _ANSWERS + 1 + len(self._subscriptions)
        self._subscriptions[number] = subject, receive
        if self._stream is not None:
            self._send(protocol.subscribe(subject, number))

    async def _ask(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str | int],
        is_last: Callable[[NatsMessage], bool],
        seconds: float,
    ) -> list[NatsMessage]:
        with standing_still():
            await self._wait_for_room(seconds)
            self._last_request += 1
            token = str(self._last_request)
            answer = self._answers[token] = _Answer(is_last=is_last)
            try:
                self._send(protocol.publish(subject, data, headers, f"{self._inbox}.{token}"))
                with trio.move_on_after(seconds):
                    await answer.is_over.wait()
            finally:
                self._answers.pop(token, None)
        if answer.failure is not None:
            raise answer.failure
        if not answer.is_over.is_set():
            raise InDoubt(f"NATS did not answer within {seconds:g} seconds")
        if answer.messages[-1].status == _NO_RESPONDERS and not answer.messages[-1].data:
            raise NoResponders(
                "NATS has no server that answers for this now: a leader is being elected, or the stream is missing"
            )
        return answer.messages

    async def _wait_for_room(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self._is_connected.wait()
            while self._bytes_waiting > _MOST_BYTES_WAITING:
                await self._has_room.wait()
        if self._stream is None or self._bytes_waiting > _MOST_BYTES_WAITING:
            raise Unavailable("there is no connection to NATS")

    def _send(self, data: bytes) -> None:
        self._sending.append(data)
        self._bytes_waiting += len(data)
        self._has_more.set()

    # The connection.

    async def connect(self) -> None:
        """Connect to one of the servers. Raises :class:`LogUnusable` if one refuses for good and none accepts, else ``Unavailable``."""
        refusals: list[JournalError] = []
        for server in random.sample(self._address.servers, len(self._address.servers)):
            try:
                with standing_still():
                    await self._connect_to(server)
            except JournalError as error:
                refusals.append(error)
            else:
                return
        for refusal in refusals:
            if isinstance(refusal, LogUnusable):
                raise refusal
        raise Unavailable("; ".join(str(error) for error in refusals))

    async def _connect_to(self, server: NatsServer) -> None:
        stream: trio.abc.Stream | None = None
        try:
            with trio.fail_after(SECONDS_TO_CONNECT):
                stream = await trio.open_tcp_stream(server.host, server.port)
                self.info = await self._receive_info(stream)
                if self._address.tls is not None or self.info.get("tls_required"):
                    stream = await self._encrypted(stream, server)
                await self._introduce(stream)
            await self._check(server, self.info)
        except BaseException as error:
            if stream is not None:
                await trio.aclose_forcefully(stream)
            if isinstance(error, trio.TooSlowError):
                raise Unavailable(
                    f"the NATS server {server} did not answer within {SECONDS_TO_CONNECT:.0f} seconds"
                ) from error
            if isinstance(error, (OSError, trio.BrokenResourceError, _Lost)):
                raise Unavailable(f"the NATS server {server} accepts no connection: {_why(error)}") from error
            if isinstance(error, ProtocolBroken):
                raise LogUnusable(f"{server} is not a NATS server: {error}") from error
            raise
        self._stream = stream
        self._sending, self._bytes_waiting = [], 0
        self._is_connected.set()

    async def _receive_info(self, stream: trio.abc.Stream) -> Mapping[str, Any]:
        self._parser = Parser()
        while data := await stream.receive_some(_RECEIVED_TOGETHER):
            for operation in self._parser.feed(bytes(data)):
                if isinstance(operation, Info):
                    return operation.values
                raise ProtocolBroken("it does not begin with INFO")
        raise _Lost("it ended the connection")

    async def _encrypted(self, stream: trio.abc.Stream, server: NatsServer) -> trio.abc.Stream:
        if self._address.tls is None:
            raise LogUnusable(f"the NATS server {server} wants an encrypted connection: begin the address with tls://")
        if not (self.info.get("tls_required") or self.info.get("tls_available")):
            raise LogUnusable(
                f"the NATS server {server} offers no encrypted connection: set it up with tls, or use nats://"
            )
        encrypted = trio.SSLStream(stream, self._address.tls, server_hostname=server.host)
        try:
            await encrypted.do_handshake()
        except trio.BrokenResourceError as error:
            raise LogUnusable(f"no encrypted connection to the NATS server {server}: {_why(error)}") from error
        return encrypted

    async def _introduce(self, stream: trio.abc.Stream) -> None:
        """Send who this is and its subscriptions, and return once the server has accepted them."""
        options = {
            "verbose": False,
            "pedantic": False,
            "lang": "playhead",
            "version": "1",
            "name": "playhead",
            "protocol": 1,
            "headers": True,
            "no_responders": True,
            "tls_required": self._address.tls is not None,
        }
        if self._address.token is not None:
            options["auth_token"] = self._address.token
        if self._address.user is not None:
            options |= {"user": self._address.user, "pass": self._address.password}
        begun = [protocol.connect(options), protocol.subscribe(f"{self._inbox}.*", _ANSWERS)]
        begun += (protocol.subscribe(subject, number) for number, (subject, _) in self._subscriptions.items())
        await stream.send_all(b"".join([*begun, protocol.PING]))
        while data := await stream.receive_some(_RECEIVED_TOGETHER):
            for operation in self._parser.feed(bytes(data)):
                if isinstance(operation, ServerError):
                    raise LogUnusable(f"NATS refuses this client: {operation.reason}; check the user and the password")
                if isinstance(operation, Pong):
                    return
        raise _Lost("it ended the connection")

    async def run(self) -> None:
        """Carry messages until cancelled, over one connection after the other. :meth:`connect` must have succeeded."""
        while True:
            reason = await self._carry()
            self._lose(reason)
            log.warning("the connection to NATS was lost: %s", reason)
            while self._stream is None:
                try:
                    await self.connect()
                except JournalError as error:
                    log.debug("no connection to NATS: %s", error)
                    await trio.sleep(_BETWEEN_TRIES_SECONDS * (1 + random.random()))  # noqa: S311 - a pause
            log.info("connected to NATS again")
            self.on_connected()

    async def _carry(self) -> str:
        """Return why the connection has ended."""
        stream = self._stream
        if stream is None:
            return "there is none"
        reason = ""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._receive, stream)
                nursery.start_soon(self._transmit, stream)
                nursery.start_soon(self._watch)
        except* (_Lost, OSError, trio.BrokenResourceError, trio.ClosedResourceError, ProtocolBroken) as group:
            reason = _why(group)
        finally:
            self._stream = None
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)
        return reason

    def _lose(self, reason: str) -> None:
        self._is_connected = trio.Event()
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            answer.fail(InDoubt(f"the connection to NATS was lost before the answer: {reason}"))

    async def _receive(self, stream: trio.abc.Stream) -> None:
        while data := await stream.receive_some(_RECEIVED_TOGETHER):
            for operation in self._parser.feed(bytes(data)):
                match operation:
                    case Delivery():
                        self._deliver(operation)
                    case Ping():
                        self._send(protocol.PONG)
                    case Pong():
                        self._pong.set()
                    case Info():
                        self.info = operation.values
                    case ServerError():
                        log.warning("NATS reports: %s", operation.reason)
        raise _Lost("the server ended it")

    def _deliver(self, delivery: Delivery) -> None:
        message = delivery.message
        if delivery.subscription == _ANSWERS:
            token = message.subject.rpartition(".")[2]
            answer = self._answers.get(token)
            if answer is not None and answer.take(message):
                del self._answers[token]
        elif delivery.subscription in self._subscriptions:
            self._subscriptions[delivery.subscription][1](message)

    async def _transmit(self, stream: trio.abc.Stream) -> None:
        while True:
            await self._has_more.wait()
            self._has_more = trio.Event()
            data, self._sending = b"".join(self._sending), []
            await stream.send_all(data)
            self._bytes_waiting -= len(data)
            self._has_room.set()
            self._has_room = trio.Event()

    async def _watch(self) -> None:
        """End the connection to a server that does not answer."""
        while True:
            await trio.sleep(PING_SECONDS)
            self._pong = trio.Event()
            self._send(protocol.PING)
            with standing_still(), trio.move_on_after(PING_SECONDS):
                await self._pong.wait()
                continue
            raise _Lost(f"the server did not answer within {PING_SECONDS:g} seconds")


@contextmanager
def standing_still() -> Iterator[None]:
    """Stop trio's clock, if it is a mocked one, while something is on its way."""
    with still() if is_mocked() else nullcontext():
        yield


def _why(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    cause = error.__cause__ if isinstance(error, trio.BrokenResourceError) and error.__cause__ is not None else error
    with suppress(AttributeError):
        return str(cause.strerror or cause)  # type: ignore[attr-defined]
    return str(cause) or type(cause).__name__
