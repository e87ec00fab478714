"""DBOS: a library, as playhead is, on SQLite or on PostgreSQL.

It has no keyed objects. ``call`` asks for less than of the others: a workflow that is durable from its start to its result, and
neither state nor turns. Where turns are the question (``queue``), a workflow changes a row of its key in a transaction, and
the row's lock is the turn: the transactions of a datasource, which take effect exactly once.

Settings, each the best of those that were tried: asyncio's form of workflows and steps; with PostgreSQL a pool with a
connection for each client; with SQLite a single connection, because its writers exclude each other, and wait for each other
there by sleeping; WAL and ``synchronous=FULL``, so that a commit waits for the disk as everybody's here does. PostgreSQL has memory for all
that is written, and ``fsync`` and ``synchronous_commit`` as they are by default: on.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from dbos import DBOS, SQLAlchemyDatasource

from benchmarks.peers.asking import STEPS, Given, answer, given, tell
from benchmarks.peers.processes import free_port, running, until_ready

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

CLIENTS = 64
MANY_CONNECTIONS = 2 * CLIENTS + 20
NOBODY = 65_534
"""A user without rights: PostgreSQL refuses to run as root."""

ADD = sa.text(
    "INSERT INTO counter VALUES (:key, 1) ON CONFLICT (key) DO UPDATE SET total = counter.total + 1 RETURNING total"
)


@DBOS.workflow()
async def add(amount: int) -> int:
    """A call that only computes."""
    return amount


@DBOS.step()
async def twice(number: int) -> int:
    """Something to do."""
    return number * 2


@DBOS.workflow()
async def work(number: int) -> int:
    """Ten steps, one after the other."""
    for _ in range(STEPS):
        number = await twice(number) % 1_000
    return number


class Dbos:
    """What it is asked."""

    def __init__(self, add_in_turn: Callable[[str], object]) -> None:
        self._add_in_turn = add_in_turn
        self._threads = ThreadPoolExecutor(CLIENTS)

    async def call(self, _: str) -> object:
        return await add(1)

    async def queue(self, key: str) -> object:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._add_in_turn, key)

    async def work(self, number: int) -> object:
        return await work(number)

    async def send(self, _: str) -> object:
        return await DBOS.start_workflow_async(add, 1)


def transactions(engine: sa.Engine, isolation: Any) -> Callable[[str], object]:
    """A workflow that adds one to the row of a key."""
    source = SQLAlchemyDatasource.create(engine.url.render_as_string(hide_password=False), engine=engine)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE counter (key text PRIMARY KEY, total bigint NOT NULL)"))

    @source.transaction(isolation_level=isolation)
    def change(key: str) -> int:
        return int(source.sql_session().execute(ADD, {"key": key}).scalar_one())

    @DBOS.workflow()
    def add_in_turn(key: str) -> int:
        return change(key)

    return add_in_turn


@asynccontextmanager
async def sqlite(room: Path) -> AsyncIterator[Dbos]:
    """Two files: what DBOS keeps, and what the application keeps."""
    DBOS(config=_config(f"sqlite:///{room}/system.db", system_database_engine=_sqlite_engine(room / "system.db")))
    add_in_turn = transactions(_sqlite_engine(room / "application.db"), "SERIALIZABLE")
    DBOS.launch()
    yield Dbos(add_in_turn)


def _sqlite_engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=0)

    @sa.event.listens_for(engine, "connect")
    def _(connection: Any, _: object) -> None:
        connection.isolation_level = "IMMEDIATE"
        for setting in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {setting}")

    return engine


def make_cluster(data: Path) -> dict[str, Any]:
    """An empty one; how its processes have to be started."""
    data.mkdir()
    user: dict[str, Any] = {"cwd": data}
    if os.geteuid() == 0:
        user |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        os.chown(data, NOBODY, NOBODY)
        data.parent.chmod(0o711)
    make = [_binary("initdb"), "-D", str(data / "cluster"), "-U", "postgres", "-A", "trust"]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, **user)
    return user


@asynccontextmanager
async def postgres(room: Path) -> AsyncIterator[Dbos]:
    """A cluster of its own, on a port of its own, for the block."""
    data, port, log = room / "postgres", free_port(), room / "postgres.log"
    user = make_cluster(data)
    settings = ("shared_buffers=1GB", "max_wal_size=4GB", f"max_connections={MANY_CONNECTIONS + 10}")
    serve = [_binary("postgres"), "-D", str(data / "cluster"), "-p", str(port), "-h", "127.0.0.1", "-k", str(data)]
    serve += [part for setting in settings for part in ("-c", setting)]
    url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    with running(serve, log, stop=signal.SIGQUIT, **user):  # it gives its shared memory back, and writes nothing more

        async def connect() -> sa.Engine:
            engine = sa.create_engine(url, pool_size=CLIENTS, max_overflow=0)
            engine.connect().close()
            return engine

        engine = await until_ready(connect, log)
        tell(postgres=_version_of(engine))
        DBOS(config=_config(url.replace("+psycopg", ""), sys_db_pool_size=CLIENTS))
        add_in_turn = transactions(engine, "READ COMMITTED")
        DBOS.launch()
        yield Dbos(add_in_turn)


def _config(url: str, **more: Any) -> Any:
    return {"name": "peer", "system_database_url": url, "log_level": "ERROR", "max_executor_threads": CLIENTS, **more}


def _version_of(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(sa.text("SHOW server_version")).scalar_one()).split()[0]


def _binary(name: str) -> str:
    """Debian keeps PostgreSQL's programs off the path."""
    on_path = shutil.which(name)
    found = [on_path] if on_path else sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))
    if not found:
        sys.stderr.write(f"PostgreSQL is not installed ({name} is not found): apt-get install postgresql\n")
        raise SystemExit(os.EX_UNAVAILABLE)
    return found[-1]


FORMS = {"sqlite": sqlite, "postgres": postgres}


async def main(told: Given) -> None:
    """Make the database, launch, and ask."""
    tell(dbos=version("dbos"))
    try:
        async with FORMS[told.form](Path(told.room)) as peer:
            await answer(peer, told.seconds)
    except Exception:
        traceback.print_exc()
        os._exit(os.EX_SOFTWARE)
    # An ordinary exit would wait for what was accepted and is still to be carried out, in both cases.
    os._exit(os.EX_OK)


if __name__ == "__main__":
    asyncio.run(main(given()))
