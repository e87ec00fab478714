"""Connections to PostgreSQL under trio, over libpq's calls that do not block.

``psycopg.pq`` is psycopg's public wrapper of libpq; psycopg's own connections need asyncio or a thread. Only what a log needs is here:
single statements with parameters. Names of hosts are looked up before libpq sees them, because it would block the event loop.
"""

from __future__ import annotations

import os
import socket
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

import trio
from psycopg import OperationalError, ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from journal.errors import InDoubt, JournalError, MalformedAddress, Unavailable
from journal.mock_clock import is_mocked, still

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

Row = tuple[bytes | None, ...]

SECONDS_TO_CONNECT = 5.0
SECONDS_TO_ANSWER = 30.0
_MOST_CONNECTIONS = 8
_LOOK_SECONDS = 0.01
_DEFAULTS: dict[str, str | int] = {
    "application_name": "playhead",
    "keepalives_idle": 10,
    "tcp_user_timeout": 15_000,  # milliseconds
}


class Refused(JournalError):
    """The server has refused a statement; nothing of it was done. ``sqlstate`` is its code."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class PostgresConnection:
    """A connection for one statement at a time. After a failure or a cancellation during a statement, ``is_broken`` is set."""

    def __init__(self, libpq: pq.abc.PGconn) -> None:
        self.is_broken = False
        self._libpq = libpq
        self._is_asking = False
        libpq.nonblocking = 1
        self._standing_still = still if is_mocked() else nullcontext

    @classmethod
    async def open(cls, address: str) -> PostgresConnection:
        """Connect. ``address`` is as :func:`complete_address` returns it. Raises ``Unavailable`` with the server's own reason."""
        reason = "no host is known by that name"
        with still() if is_mocked() else nullcontext():
            for attempt in await _attempts(address):
                libpq: pq.abc.PGconn = pq.PGconn.connect_start(attempt.encode())
                try:
                    with trio.fail_after(SECONDS_TO_CONNECT):
                        await _poll(libpq)
                except trio.TooSlowError:
                    reason = f"there was no answer within {SECONDS_TO_CONNECT:.0f} seconds"
                except BaseException:
                    libpq.finish()
                    raise
                else:
                    if libpq.status == pq.ConnStatus.OK:
                        return cls(libpq)
                    reason = _text(libpq.error_message)
                libpq.finish()
        raise Unavailable(f"PostgreSQL accepts no connection: {reason}")

    async def run(self, statement: str, *parameters: bytes | int | str) -> list[Row]:
        """Run a statement and return its rows in binary format. Raises :class:`Refused`, and ``InDoubt`` if the connection was lost
        before the answer."""
        self._is_asking = True
        try:
            with self._standing_still():
                results = await self._answer(statement, parameters)
        except BaseException:
            self.is_broken = True
            raise
        finally:
            self._is_asking = False
        return _rows_of(results)

    async def lost(self) -> None:
        """Return when the connection is lost; ``is_broken`` is set then. Nothing is sent for that."""
        with socket.socket(fileno=os.dup(self._libpq.socket)) as watched:  # a statement waits for the original
            while not self.is_broken:
                await trio.lowlevel.wait_readable(watched)
                if not self._is_asking and not self.is_broken:
                    try:
                        self._libpq.consume_input()
                    except OperationalError:
                        self.is_broken = True
                        return
                await trio.sleep(_LOOK_SECONDS)

    async def _answer(self, statement: str, parameters: Sequence[bytes | int | str]) -> list[pq.abc.PGresult]:
        values = [each if isinstance(each, bytes) else str(each).encode() for each in parameters]
        formats = [pq.Format.BINARY if isinstance(each, bytes) else pq.Format.TEXT for each in parameters]
        try:
            with trio.fail_after(SECONDS_TO_ANSWER):
                self._libpq.send_query_params(
                    statement.encode(), values, param_formats=formats, result_format=pq.Format.BINARY
                )
                while self._libpq.flush():
                    await trio.lowlevel.wait_writable(self._libpq.socket)
                results: list[pq.abc.PGresult] = []
                while True:
                    while self._libpq.is_busy():
                        await trio.lowlevel.wait_readable(self._libpq.socket)
                        self._libpq.consume_input()
                    result = self._libpq.get_result()
                    if result is None:
                        return results
                    results.append(result)
        except trio.TooSlowError:
            raise InDoubt(f"PostgreSQL did not answer within {SECONDS_TO_ANSWER:.0f} seconds") from None
        except OperationalError as error:
            raise InDoubt(f"the connection to PostgreSQL was lost: {error}") from error

    def close(self) -> None:
        """Close the connection; the server rolls back what is not committed."""
        self.is_broken = True
        self._libpq.finish()


async def check_answers(address: str) -> None:
    """Connect to a server and leave it. ``address`` is as :func:`complete_address` returns it. Raises ``Unavailable``."""
    connection = await PostgresConnection.open(address)
    connection.close()


class ConnectionPool:
    """Connections that are made when they are needed, at most eight."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._free: list[PostgresConnection] = []
        self._limit = trio.CapacityLimiter(_MOST_CONNECTIONS)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PostgresConnection]:
        """Lend the block a connection. Raises ``Unavailable`` if none can be made."""
        async with self._limit:
            connection = self._free.pop() if self._free else await self.connect()
            try:
                yield connection
            finally:
                if connection.is_broken:
                    self.close()  # what broke one has broken the others, most likely
                    connection.close()
                else:
                    self._free.append(connection)

    async def connect(self) -> PostgresConnection:
        """Return a new connection."""
        return await PostgresConnection.open(self._address)

    def close(self) -> None:
        """Close the connections that are not lent."""
        while self._free:
            self._free.pop().close()


def complete_address(address: str) -> str:
    """Return a connection string with what it lacks: timeouts, and a name. Raises :class:`MalformedAddress` if libpq cannot read
    it."""
    try:
        given = conninfo_to_dict(address)
        return make_conninfo(address, **{name: value for name, value in _DEFAULTS.items() if name not in given})
    except ProgrammingError as error:
        raise MalformedAddress(" ".join(str(error).split())) from None


def number_in(column: bytes | None) -> int:
    """Return the number in a column of a row."""
    return int.from_bytes(column or b"", "big")


async def _attempts(address: str) -> list[str]:
    """Return a connection string for each address of each host, in order. Raises ``Unavailable``."""
    options = conninfo_to_dict(address)
    hosts = str(options.get("host") or os.environ.get("PGHOST") or "").split(",")
    ports = str(options.get("port") or os.environ.get("PGPORT") or "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if options.get("hostaddr") or "service" in options or len(ports) != len(hosts):
        return [address]
    attempts: list[str] = []
    for host, port in zip(hosts, ports, strict=True):
        if not host or host[0] in "/@":
            attempts.append(make_conninfo(address, host=host, port=port))
            continue
        try:
            found = await trio.socket.getaddrinfo(host, None, type=trio.socket.SOCK_STREAM)
        except OSError as error:
            if len(hosts) == 1:
                raise Unavailable(f"PostgreSQL accepts no connection: the host {host!r} is unknown: {error}") from error
            continue
        attempts += [make_conninfo(address, host=host, hostaddr=str(each[4][0]), port=port) for each in found]
    return attempts


async def _poll(libpq: pq.abc.PGconn) -> None:
    """Connect, as far as it gets."""
    while libpq.status != pq.ConnStatus.BAD:
        match libpq.connect_poll():
            case pq.PollingStatus.READING:
                await trio.lowlevel.wait_readable(libpq.socket)
            case pq.PollingStatus.WRITING:
                await trio.lowlevel.wait_writable(libpq.socket)
            case _:
                break
    await trio.lowlevel.checkpoint()


def _rows_of(results: Sequence[pq.abc.PGresult]) -> list[Row]:
    rows: list[Row] = []
    for result in results:
        if result.status == pq.ExecStatus.TUPLES_OK:
            columns = range(result.nfields)
            rows += [tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples)]
        elif result.status != pq.ExecStatus.COMMAND_OK:
            sqlstate = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
            raise Refused(sqlstate.decode(), _text(result.error_message))
    return rows


def _text(message: bytes) -> str:
    return " ".join(message.decode(errors="replace").split())
