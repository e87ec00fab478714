"""The table of outcomes in a user's database, through sqlite3, psycopg or SQLAlchemy.

None of these libraries is imported here: the connection that a user opens says which one it is.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from actors.errors import InvalidArgumentError, MisuseError
from actors.errors.names import name_alone
from actors.values.arguments import checked_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.values.arguments import Seconds

CREATE_TABLE = """\
create table if not exists playhead_outcomes (
    key text primary key,
    recorded_at double precision not null,
    outcome text
)"""
"""The statement that creates the table, for SQLite and PostgreSQL. ``recorded_at`` is in seconds since 1970 UTC, ``outcome`` is JSON."""

# The row is inserted before the body runs. A second try of the step waits here for the end of the first transaction, so two bodies
# never run at once, and the row that it then finds is the outcome.
_CLAIM = (
    "insert into playhead_outcomes (key, recorded_at) values ({key}, {recorded_at}) on conflict (key) do nothing",
    ("key", "recorded_at"),
)
_READ = ("select outcome from playhead_outcomes where key = {key}", ("key",))
_RECORD = ("update playhead_outcomes set outcome = {outcome} where key = {key} and outcome is null", ("key", "outcome"))
_PRUNE = ("delete from playhead_outcomes where recorded_at < {before}", ("before",))


def create_table(connection: Any) -> None:
    """Create the table ``playhead_outcomes`` if there is none, and commit. With an asynchronous connection, execute
    :data:`CREATE_TABLE` yourself.

    ::

        with psycopg.connect(database) as connection:
            create_table(connection)
    """
    with transaction_of(connection):
        _execute(connection, (CREATE_TABLE, ()))


def prune(connection: Any, *, older_than: Seconds) -> int:
    """Delete the outcomes that were recorded more than ``older_than`` ago, in seconds or as a timedelta; commit, and return their number.

    A try that does not find its outcome runs the body again, so ``older_than`` must be longer than the time in which any step can be
    tried again: an invocation that was paused, and a backup that is restored, may repeat a step after months.

    ::

        prune(connection, older_than=timedelta(days=400))
    """
    before = time.time() - checked_seconds(older_than, "older_than")
    with transaction_of(connection):
        return int(_execute(connection, _PRUNE, before=before).rowcount)


def claim(connection: Any, key: str) -> str | None:
    """Insert the row of a step, or return the outcome that an earlier try has committed."""
    if _execute(connection, _CLAIM, key=key, recorded_at=time.time()).rowcount == 1:
        return None
    return _outcome_in(_execute(connection, _READ, key=key).fetchone(), key)


def record(connection: Any, key: str, outcome: str) -> None:
    """Store the outcome in the row that was claimed in this transaction."""
    if _library_of(connection) == "sqlite3" and not connection.in_transaction:
        raise _ended(key)
    if _execute(connection, _RECORD, key=key, outcome=outcome).rowcount != 1:
        raise _ended(key)


async def claim_async(connection: Any, key: str) -> str | None:
    """Do as :func:`claim` with an asynchronous connection of psycopg."""
    claimed = await connection.execute(*_for_psycopg(_CLAIM, {"key": key, "recorded_at": time.time()}))
    if claimed.rowcount == 1:
        return None
    return _outcome_in(await (await connection.execute(*_for_psycopg(_READ, {"key": key}))).fetchone(), key)


async def record_async(connection: Any, key: str, outcome: str) -> None:
    """Do as :func:`record` with an asynchronous connection of psycopg."""
    if (await connection.execute(*_for_psycopg(_RECORD, {"key": key, "outcome": outcome}))).rowcount != 1:
        raise _ended(key)


@contextmanager
def transaction_of(connection: Any) -> Iterator[None]:
    """Run the block in a transaction: commit at its end, roll back if it raises. Raises :class:`InvalidArgumentError` for a
    connection of another library or another database."""
    match _library_of(connection):
        case "sqlite3":
            with _sqlite_transaction(connection):
                yield
        case "psycopg" if hasattr(connection, "transaction") and not hasattr(connection, "__aenter__"):
            with connection.transaction():
                yield
        case "sqlalchemy" if getattr(getattr(connection, "dialect", None), "name", "") in ("sqlite", "postgresql"):
            with connection.begin():
                yield
        case _:
            raise unknown(connection)


def unknown(connection: Any) -> InvalidArgumentError:
    """Return the error for a connection that cannot be used."""
    kind = type(connection)
    return InvalidArgumentError(
        f"the connection is a {kind.__module__}.{name_alone(kind)}; expected one of sqlite3, psycopg, or SQLAlchemy with SQLite or "
        "PostgreSQL. In an 'async def', expected a psycopg.AsyncConnection",
        path="connect",
    )


@contextmanager
def _sqlite_transaction(connection: Any) -> Iterator[None]:
    # By itself, sqlite3 begins at the first change of a row, in a mode where a second writer fails at once. Its own commit() does
    # nothing in one of its three modes, so the statements are executed.
    if not connection.in_transaction:
        connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    finally:
        if connection.in_transaction:
            connection.execute("rollback")


def _library_of(connection: Any) -> str:
    """Return the library of the connection's class or of one of its bases."""
    for kind in type(connection).__mro__:
        library = kind.__module__.partition(".")[0]
        if library in ("sqlite3", "psycopg", "sqlalchemy"):
            return library
    return ""


def _execute(connection: Any, statement: tuple[str, tuple[str, ...]], **values: Any) -> Any:
    match _library_of(connection):
        case "psycopg":
            return connection.execute(*_for_psycopg(statement, values))
        case "sqlalchemy":
            from sqlalchemy import text

            return connection.execute(text(_with_marks(statement, ":{}")), values)
        case _:
            return connection.execute(_with_marks(statement, ":{}"), values)


def _for_psycopg(statement: tuple[str, tuple[str, ...]], values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return _with_marks(statement, "%({})s"), values


def _with_marks(statement: tuple[str, tuple[str, ...]], mark: str) -> str:
    text, names = statement
    return text.format(**{name: mark.format(name) for name in names})


def _outcome_in(row: Any, key: str) -> str:
    if row is None:
        raise MisuseError(
            f"playhead_outcomes has a row {key!r} that this transaction cannot read: delete no rows while their steps are tried"
        )
    outcome = next(iter(row.values())) if isinstance(row, dict) else row[0]
    if outcome is None:
        raise _ended(key)
    return str(outcome)


def _ended(key: str) -> MisuseError:
    return MisuseError(
        f"the body of the transactional step {key!r} has ended its transaction; expected it to leave commit and rollback to the step. "
        "Whether its rows are stored is unknown: compare them, then delete its row in playhead_outcomes to have it run again"
    )
