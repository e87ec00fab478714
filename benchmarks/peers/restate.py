"""Restate: its server beside a process with one of its SDKs, asked over HTTP, which is the way to call it.

Settings: what the server has by default, where an acknowledgement waits for the disk (``rocksdb-disable-wal-fsync`` is off).
It has 24 partitions by default, which suits its one node here; telemetry and the web console are off. With the Python SDK
runs hypercorn, as its documentation has it, and HTTP/2 between the two, so that a handler is one stream for all its steps.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.asking import Given, answer, given, tell
from benchmarks.peers.http_client import Connections, OverHttp
from benchmarks.peers.processes import free_port, running, until_ready

HERE = Path(__file__).parent
INSTALLED = Path(sys.prefix)
"""Where npm has installed, too."""

MODULES = INSTALLED / "node_modules"
WITHOUT_END = "2147483647"
HYPERCORN = f"""
keep_alive_timeout = 3600
h2_max_concurrent_streams = {WITHOUT_END}
keep_alive_max_requests = {WITHOUT_END}
"""
"""Its default of a thousand requests a connection would break the server's connections again and again."""


def _version_of(package: str) -> str:
    told = json.loads((MODULES / "@restatedev" / package / "package.json").read_text())
    return str(told["version"])


def _python_sdk(room: Path, port: int) -> list[str]:
    (room / "hypercorn.toml").write_text(HYPERCORN)
    hypercorn = [sys.executable, "-m", "hypercorn", "--config", str(room / "hypercorn.toml"), "--workers", "0"]
    return [*hypercorn, "--bind", f"127.0.0.1:{port}", "benchmarks.peers.restate_app:app"]


def _typescript_sdk(_: Path, port: int) -> list[str]:
    (node,) = MODULES.glob("node-*/bin/node")
    return [str(node), str(HERE / "restate_app.mjs"), str(MODULES), str(port)]


SDKS = {"python": _python_sdk, "typescript": _typescript_sdk}


def _environment(room: Path, ingress: int, admin: int) -> dict[str, str]:
    return os.environ | {
        "RESTATE_BASE_DIR": str(room / "data"),
        "RESTATE_BIND_IP": "127.0.0.1",
        "RESTATE_BIND_PORT": str(free_port()),
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_ADMIN__DISABLE_WEB_UI": "true",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "warn",
        "DO_NOT_TRACK": "1",
    }


async def main(told: Given) -> None:
    """Start the server and the services, have the one find the other, and ask."""
    room = Path(told.room)
    tell(server=_version_of("restate-server"))
    tell(sdk=version("restate-sdk") if told.form == "python" else _version_of("restate-sdk"))
    services, ingress, admin = free_port(), free_port(), free_port()
    (binary,) = (MODULES / "@restatedev").glob("restate-server-*/bin/restate-server")
    with ExitStack() as stack:
        stack.enter_context(running(SDKS[told.form](room, services), room / "services.log"))
        server = room / "server.log"
        stack.enter_context(running([str(binary)], server, env=_environment(room, ingress, admin)))
        where = json.dumps({"uri": f"http://127.0.0.1:{services}"}).encode()
        await until_ready(lambda: Connections(admin).post("/deployments", where), server)
        connections = Connections(ingress)
        peer = OverHttp(connections)
        await until_ready(lambda: peer.call("first"), server)
        await answer(peer, told.seconds)
        connections.close()


if __name__ == "__main__":
    asyncio.run(main(given()))
