"""A step that opens a transaction, and commits its outcome in it.

The order is what makes it exactly once. The database commits the rows and the outcome together; the journal records the outcome after
that. A process that dies in between leaves a step without an outcome in the journal: its next try finds the outcome in the database.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from actors.errors import MisuseError, UnserializableError
from actors.integrations.transactions.table import (
    claim,
    claim_async,
    record,
    record_async,
    transaction_of,
    unknown,
)
from actors.model.contexts import StepSurroundings, current_step
from actors.model.verbs.steps import Step, is_async, step
from actors.values import ValueProblem, decode_kept, result_codec
from actors.values.limits import too_large

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from actors.model.step_options import Redactor
    from actors.values.arguments import Seconds
    from actors.values.codec import Codec
    from actors.values.retries import RetryPolicy

P = ParamSpec("P")
R = TypeVar("R")


class _TransactionalMaker(Protocol):
    @overload
    def __call__(self, body: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> Step[P, R]: ...
    @overload
    def __call__(self, body: Callable[Concatenate[Any, P], R]) -> Step[P, R]: ...


def transactional(
    connect: Callable[[], Any],
    *,
    name: str | None = None,
    aliases: tuple[str, ...] = (),
    retry: RetryPolicy | None = None,
    timeout: Seconds | None = None,
    redact: Sequence[str] | Redactor = (),
) -> _TransactionalMaker:
    """Make a function a step whose changes in a database happen exactly once.

    ``connect`` opens a connection of sqlite3, psycopg or SQLAlchemy (``engine.connect``) to SQLite or PostgreSQL; each try opens one and
    closes it. The body gets the connection as its first argument, in a transaction that it must not end. The step commits the body's
    changes and its outcome together, in the table ``playhead_outcomes`` (:func:`create_table`). A try that finds the outcome there returns
    it without running the body. The other options are those of :func:`actors.step`.

    A plain function runs in a thread. An ``async def`` runs on asyncio with a ``psycopg.AsyncConnection``.

    An error of the body rolls its changes back, and is retried as that of any step. A result that cannot be stored raises
    :class:`actors.errors.UnserializableError`, one that is too large :class:`actors.LimitExceededError`, and a body that has ended its
    transaction :class:`actors.errors.MisuseError`. Other effects of the body, such as a mail, are not part of the transaction.

    ::

        @transactional(lambda: sqlite3.connect("shop.db"))
        def book(connection: sqlite3.Connection, order: int, amount: int) -> int:
            return connection.execute("insert into bookings values (?, ?)", (order, amount)).rowcount


        booked = await book(17, 40)  # in a handler
    """

    def make(body: Callable[..., Any]) -> Step[Any, Any]:
        asynchronous = is_async(body)
        function = _asynchronous(connect, body) if asynchronous else _plain(connect, body)
        signature = inspect.signature(body)
        function.__signature__ = signature.replace(parameters=[*signature.parameters.values()][1:])
        made: Step[Any, Any] = step(
            name=name,
            aliases=aliases,
            retry=retry,
            timeout=timeout,
            loop="asyncio" if asynchronous else "trio",
            redact=redact,
        )(function)
        return made

    return make


def _plain(connect: Callable[[], Any], body: Callable[..., Any]) -> Any:
    @functools.wraps(body)
    def run(*args: Any, **kwargs: Any) -> Any:
        this = _running()
        key, codec = _key_of(this), result_codec(body, this.name)
        opened = connect()
        entered = closing(opened) if isinstance(opened, sqlite3.Connection) else opened
        with entered as connection, transaction_of(connection):
            found = claim(connection, key)
            if found is None:
                result = body(connection, *args, **kwargs)
                record(connection, key, _encoded(this, codec, result))
            else:
                result = decode_kept(codec, found.encode(), f"the outcome of step {this.name!r}")
        return result

    return run


def _asynchronous(connect: Callable[[], Any], body: Callable[..., Any]) -> Any:
    @functools.wraps(body)
    async def run(*args: Any, **kwargs: Any) -> Any:
        this = _running()
        key, codec = _key_of(this), result_codec(body, this.name)
        opened = connect()
        if inspect.isawaitable(opened):
            opened = await opened
        if not hasattr(opened, "__aenter__"):
            raise unknown(opened)
        async with opened as connection:
            if not hasattr(connection, "transaction"):
                raise unknown(connection)
            async with connection.transaction():
                found = await claim_async(connection, key)
                if found is None:
                    result = await body(connection, *args, **kwargs)
                    await record_async(connection, key, _encoded(this, codec, result))
                else:
                    result = decode_kept(codec, found.encode(), f"the outcome of step {this.name!r}")
        return result

    return run


def _running() -> StepSurroundings:
    this = current_step.get()
    if this is None:
        raise MisuseError(
            "a transactional step works only in a running handler; to test its body, call it with a connection"
        )
    return this


def _key_of(this: StepSurroundings) -> str:
    """Return the key of the step's row: that of the step, and a mark of the store, because two stores may have a workflow with one key."""
    return f"{hashlib.sha256(this.handler.secret.encode()).hexdigest()[:16]}/{this.step_key}"


def _encoded(this: StepSurroundings, codec: Codec[Any], result: Any) -> str:
    what = f"the result of step {this.name!r}"
    try:
        data = codec.encode(result)
    except ValueProblem as error:
        raise UnserializableError(f"{what}: {error.path}: {error.problem}", path=error.path) from error
    limit = this.handler.limits.payload_bytes
    if len(data) > limit:
        raise too_large(data, limit, what)
    return data.decode()
