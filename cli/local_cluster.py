"""A cluster on this machine, for trying out: a PostgreSQL server and several servers of one app, which end together. ::

    DIR/postgres     the tables            DIR/node-1, DIR/node-2 …     the copies of the nodes
    DIR/*.log        what each process has printed

Each process is a child in a session of its own, so that a Ctrl-C at the terminal reaches this process alone, which ends the nodes
first and then PostgreSQL. If this process is killed, the watcher (:mod:`cli.cluster_watcher`) does that.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from actors.errors import UnavailableError
from actors.http.address import read_address
from actors.http.token_path import token_path
from cli.render.output import err, out
from cli.watcher_pipe import WatcherPipe, open_watcher
from journal.errors import Unavailable
from journal.replicated.background import background
from journal.replicated.postgres.connection import check_answers, complete_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)
_OTHER_USER = "postgres"
_PORT = 5432  # a part of the name of its socket
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OF_ONE_NODE = ("PLAYHEAD_ADVERTISE", "PLAYHEAD_CLUSTER_LISTEN")
"""Variables with addresses, of which each node needs its own."""

_DATABASE, _NODE = 1, 2
"""The order of the processes for the watcher, which ends the last first."""

_LOOK_SECONDS = 0.05
_START_SECONDS = 60.0
_END_SECONDS = 30.0
_SHOWN_BYTES = 2_000


async def run_cluster(app: str, data: Path | None, nodes: int) -> None:
    """Run the cluster until SIGINT, SIGTERM or SIGHUP, and leave no process. Without ``data``, its files are in a temporary directory,
    which is removed. A node that ends by itself is reported, and the others go on.

    Raises :class:`actors.UnavailableError` if PostgreSQL is not installed, if a process does not start, and if PostgreSQL or the last node
    ends by itself.
    """
    programs = find_postgres()
    with trio.open_signal_receiver(*_SIGNALS) as signals, _folder(data) as folder:
        async with open_watcher() as watcher, background() as nursery:
            if data is None:
                await watcher.remove(folder)
            nursery.start_soon(_end_at_signal, signals, nursery.cancel_scope)
            async with (
                _postgres(programs, folder, watcher, nursery) as database,
                _nodes(app, folder, database, watcher, nodes) as started,
            ):
                _announce(database, folder, started)
                await _until_the_last_ends(started)


def find_postgres(folders: Sequence[str] = _FOLDERS) -> Path:
    """Return the folder with the programs of a PostgreSQL server: on PATH, or the newest that is installed. Raises
    :class:`actors.UnavailableError`."""
    on_path = shutil.which("postgres")
    installed = [Path(on_path).resolve().parent] if on_path else []
    for pattern in folders:
        installed += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    for folder in installed:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise UnavailableError(
        "no PostgreSQL server is installed: there is no initdb on PATH or in "
        + ", ".join(folders)
        + ". Install it, for example with "
        "'apt-get install postgresql'; to use a server elsewhere, start 'playhead serve APP --cluster postgresql://…' on each machine"
    )


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="playhead-cluster-"))
    folder.chmod(0o711)  # PostgreSQL may run as another user, who must get through
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _until_the_last_ends(nodes: Sequence[_Child]) -> None:
    """Report each node that ends by itself. Raises :class:`actors.UnavailableError` for the last one."""
    left = set(nodes)

    async def report(node: _Child) -> None:
        await node.process.wait()
        left.discard(node)
        if not left:
            raise node.ended()
        err(
            f"{node.name} has ended with exit code {node.process.returncode}; {', '.join(sorted(each.name for each in left))} took over"
        )

    async with background() as nursery:
        for node in nodes:
            nursery.start_soon(report, node)
        await trio.sleep_forever()


async def _end_at_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        err("the cluster ends")
        scope.cancel()
        return


@attrs.frozen(eq=False)
class _Child:
    """A process of the cluster, and the file with what it prints."""

    name: str
    process: trio.Process
    log: Path
    how: signal.Signals
    watcher: WatcherPipe

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        watcher: WatcherPipe,
        *,
        how: signal.Signals,
        order: int,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> _Child:
        """Start a process that ends at the signal ``how``. ``environment`` is all of its environment, by default that of this one."""
        log = folder / f"{name}.log"
        with log.open("ab") as printed:
            process = await trio.lowlevel.open_process(
                [*map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
                env=environment,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                cwd="/" if user is not None else None,
            )
        await watcher.started(order, process.pid, how)
        return cls(name, process, log, how, watcher)

    def ended(self) -> UnavailableError:
        """Return the error to raise when the process has ended by itself."""
        return UnavailableError(
            f"{self.name} has ended with exit code {self.process.returncode}; it printed: {self._said}"
        )

    def late(self) -> UnavailableError:
        """Return the error to raise when the process has not started in time."""
        return UnavailableError(
            f"{self.name} has not started within {_START_SECONDS:g} seconds; it printed: {self._said}"
        )

    @property
    def _said(self) -> str:
        return self.log.read_bytes()[-_SHOWN_BYTES:].decode(errors="replace").strip() or "nothing"

    async def raise_at_its_end(self) -> None:
        """Raise when the process has ended by itself."""
        await self.process.wait()
        raise self.ended()

    async def end(self) -> None:
        """Ask the process to end, and end it at once if it does not in time."""
        with trio.CancelScope(shield=True):
            if self.process.poll() is None:
                self.process.send_signal(self.how)
            with trio.move_on_after(_END_SECONDS):
                await self.process.wait()
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                await self.process.wait()
            await self.watcher.ended(self.process.pid)


@asynccontextmanager
async def _postgres(programs: Path, folder: Path, watcher: WatcherPipe, nursery: trio.Nursery) -> AsyncIterator[str]:
    """Run a server on a Unix socket, and give the block the address of its database. If the server ends by itself, a task of the
    nursery raises that."""
    user = _user_of_postgres()
    tables = folder / "postgres"
    sockets = Path(tempfile.mkdtemp(prefix="playhead-pg-"))  # the path of a socket must be short
    try:
        await watcher.remove(sockets)
        if user is not None:
            shutil.chown(sockets, user)
        if _prepare(tables, user):
            await _make_tables(programs, tables, user)
        settings = ["-p", str(_PORT), "-c", "listen_addresses=", "-c", f"unix_socket_directories={sockets}"]
        command: list[str | Path] = [programs / "postgres", "-D", tables, *settings]
        fast = signal.SIGINT  # PostgreSQL's fast shutdown
        server = await _Child.start("postgres", command, folder, watcher, how=fast, order=_DATABASE, user=user)
        try:
            address = f"host={sockets} port={_PORT} user=playhead dbname=postgres"
            await _until_it_answers(server, address)
            nursery.start_soon(server.raise_at_its_end)
            yield address
        finally:
            await server.end()
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


def _user_of_postgres() -> str | None:
    """Return the user to run PostgreSQL as, which refuses to run as root; None for this one."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam(_OTHER_USER).pw_name
    except KeyError:
        raise UnavailableError(
            f"PostgreSQL does not run as root, and there is no user {_OTHER_USER!r}: run the command as another user"
        ) from None


def _prepare(tables: Path, user: str | None) -> bool:
    """Make the folder of the tables, and return whether it has none yet."""
    tables.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        shutil.chown(tables, user)
    return not (tables / "PG_VERSION").exists()


async def _make_tables(programs: Path, tables: Path, user: str | None) -> None:
    command = [str(programs / "initdb"), "-D", str(tables), "-U", "playhead", "--auth=trust"]

    def run() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(  # noqa: S603 - initdb, as it was found, with our own arguments
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            cwd="/",
        )

    done = await trio.to_thread.run_sync(run)
    if done.returncode != 0:
        raise UnavailableError(f"the tables cannot be made in {tables}: {done.stderr.decode(errors='replace').strip()}")


async def _until_it_answers(server: _Child, address: str) -> None:
    with trio.move_on_after(_START_SECONDS):
        while server.process.poll() is None:
            try:
                await check_answers(complete_address(address))
            except Unavailable:
                await trio.sleep(_LOOK_SECONDS)
            else:
                return
        raise server.ended()
    raise server.late()


@asynccontextmanager
async def _nodes(
    app: str, folder: Path, database: str, watcher: WatcherPipe, count: int
) -> AsyncIterator[list[_Child]]:
    """Run the nodes, once each has its address."""
    started: list[_Child] = []
    try:
        for name in (f"node-{number}" for number in range(1, count + 1)):
            command = [sys.executable, "-m", "playhead", "serve", app, "--data", str(folder / name), "--port", "0"]
            environment = {name: value for name, value in os.environ.items() if name not in _OF_ONE_NODE}
            environment["PLAYHEAD_CLUSTER"] = database
            node = await _Child.start(
                name, command, folder, watcher, how=signal.SIGTERM, order=_NODE, environment=environment
            )
            started.append(node)
        for node in started:
            await _until_it_serves(folder, node)
        yield started
    finally:
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                for node in started:
                    nursery.start_soon(node.end)


async def _until_it_serves(folder: Path, node: _Child) -> None:
    with trio.move_on_after(_START_SECONDS):
        while _address(folder, node) is None:
            if node.process.poll() is not None:
                raise node.ended()
            await trio.sleep(_LOOK_SECONDS)
        return
    raise node.late()


def _address(folder: Path, node: _Child) -> str | None:
    found = read_address(folder / node.name)
    return found.url if found is not None and found.pid == node.process.pid else None


def _announce(database: str, folder: Path, started: Sequence[_Child]) -> None:
    for node in started:
        out(f"{node.name}  {_address(folder, node)}  {folder / node.name}")
    out(f"database  {database}")
    out(f"token  {token_path(folder / started[0].name).read_text().strip()}")
    err(f"the cluster runs; messages are in {folder}. End it with Ctrl-C")
