"""What a NATS server must be to keep a journal: recent, with JetStream, and syncing each message before it acknowledges it.

A client is told the first two. Whether a server syncs is on its monitoring page alone, which the operator of a server switches on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from journal.replicated.log import LogUnusable
from journal.replicated.nats.client import standing_still
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from journal.replicated.nats.address import NatsAddress, NatsServer

log = SafeLogger(__name__)

OLDEST = (2, 15)
_SECONDS_TO_LOOK = 5.0
_MOST_BYTES = 1 << 20
_PAGE = b"GET /varz HTTP/1.0\r\n\r\n"
_HOW = "set 'jetstream { sync_interval: always }' in its configuration"


async def check_server(server: NatsServer, info: Mapping[str, Any], address: NatsAddress) -> None:
    """Return if a server that was connected to can keep a journal. Raises :class:`LogUnusable`."""
    version = str(info.get("version", ""))
    found = re.match(r"(\d+)\.(\d+)\.", version)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        expected = ".".join(map(str, OLDEST))
        raise LogUnusable(
            f"the NATS server {server} has version {version[:40]}, expected {expected} or later: upgrade it"
        )
    if not info.get("headers"):
        raise LogUnusable(
            f"the NATS server {server} takes no headers: set 'no_header_support: false' in its configuration"
        )
    if not info.get("jetstream"):
        raise LogUnusable(f"the NATS server {server} runs without JetStream: {_HOW}")
    if server.monitor is not None:
        await _check_sync(server, server.monitor, address)


async def check_others(address: NatsAddress) -> None:
    """Check the servers of an address, for all of them keep the streams. One that does not run is reported and left out. Raises
    :class:`LogUnusable`."""
    unchecked = [server for server in address.servers if server.monitor is None]
    if unchecked:
        log.warning(
            "it was not checked whether NATS syncs each message to its disks (sync=unchecked): if 'sync_interval: always' is not set on "
            "each server, a power cut can undo acknowledged commits"
        )
        return
    for server in address.servers:
        with standing_still():
            await _check_running(server, address)


async def _check_running(server: NatsServer, address: NatsAddress) -> None:
    try:
        async with await trio.open_tcp_stream(server.host, server.port):
            pass
    except OSError:
        log.warning("the NATS server %s does not run, so it was not checked", server)
        return
    if server.monitor is not None:
        await _check_sync(server, server.monitor, address)


async def _check_sync(server: NatsServer, monitor: tuple[str, int], address: NatsAddress) -> None:
    shown = "{}:{}".format(*monitor)
    try:
        found = await _look(*monitor)
    except (OSError, ValueError, trio.TooSlowError, trio.BrokenResourceError) as error:
        raise LogUnusable(
            f"the monitoring page of the NATS server {server} cannot be read at {shown}, so it is unknown whether it syncs each "
            f"message: set 'http_port: {monitor[1]}' in its configuration, or name another port (…?monitor=PORT). If you have "
            "checked each server yourself, say so: …?sync=unchecked"
        ) from error
    jetstream = found.get("jetstream") or {}
    settings = jetstream.get("config") or {}
    if not settings.get("sync_always"):
        seconds = int(settings.get("sync_interval", 0)) / 1e9
        raise LogUnusable(
            f"the NATS server {server} syncs its disk every {seconds:g} s, so a power cut could undo acknowledged commits: {_HOW}"
        )
    size = (jetstream.get("meta") or {}).get("cluster_size", 1)
    if size > len(address.servers):
        raise LogUnusable(
            f"the NATS cluster has {size} servers with JetStream, and the address names {len(address.servers)}: name all of them, so that "
            "each is checked"
        )


async def _look(host: str, port: int) -> dict[str, Any]:
    received = bytearray()
    with trio.fail_after(_SECONDS_TO_LOOK):
        async with await trio.open_tcp_stream(host, port) as stream:
            await stream.send_all(_PAGE)
            async for data in stream:
                received += data
                if len(received) > _MOST_BYTES:
                    raise ValueError("the page is too large")
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise ValueError("the page is missing")
    found = msgspec.json.decode(body)
    if not isinstance(found, dict):
        raise ValueError("the page is not an object")  # noqa: TRY004 - as one that cannot be decoded
    return found
