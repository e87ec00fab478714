"""The tokens of a data directory: of its server where one runs, else as they lie there. The audit has both."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import attrs
import trio

from actors.engine.audit import note_at_rest
from actors.engine.requests import ControlAction, Principal
from actors.http.client.connection import path_of
from actors.http.routes import TokenScope
from actors.http.server.token_routes import MadeToken, RevokedToken, TokenInfo
from actors.http.server.token_routes import create as create_noted
from actors.http.server.token_routes import revoke as revoke_noted
from actors.http.tokens import TokenBook
from actors.query.audit import AuditPage, AuditQuery, list_audit
from cli.listing import TextColumn, TextTable
from cli.output import emit, remark, when
from cli.source import Where, connected, user
from journal.kv.data_directory import DataDirectory
from journal.log.open import open_journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from journal.log.protocol import RowSource

T = TypeVar("T")

TOKENS = TextTable[TokenInfo](
    id_of=lambda token: token.name,
    columns=(
        TextColumn("NAME", lambda token: token.name),
        TextColumn("SCOPE", lambda token: token.scope.value),
        TextColumn("CREATED", lambda token: when(token.created_at)),
    ),
)


def create(name: str, scope: str, reason: str, data: Path) -> None:
    """Make one and print it."""

    async def run() -> str:
        if DataDirectory(data).is_held():
            async with connected(Where(data=data)) as connection:
                body = {"name": name, "scope": scope, "reason": reason}
                return (await connection.post("/tokens", MadeToken, body)).token
        async with _at_rest(data) as auditor:
            return await create_noted(_book(data), name, TokenScope(scope), reason, auditor)

    emit(trio.run(run))
    remark(f"the token {name!r} has the scope {scope}; send it as 'Authorization: Bearer …', or set PLAYHEAD_TOKEN")


def show_all(data: Path, output: str) -> None:
    """List those that have names."""
    named = _book(data).named()
    TOKENS.show([TokenInfo(name=t.name, scope=t.scope, created_at=t.created_at) for t in named], output)


def revoke(name: str, reason: str, data: Path) -> None:
    """Take one back."""

    async def run() -> None:
        if DataDirectory(data).is_held():
            async with connected(Where(data=data)) as connection:
                await connection.patch(path_of("tokens", name, "revoke"), RevokedToken, {"reason": reason})
                return
        async with _at_rest(data) as auditor:
            await revoke_noted(_book(data), name, reason, auditor)

    trio.run(run)
    remark(f"the token {name!r} is revoked")


def _book(data: Path) -> TokenBook:
    DataDirectory(data).identity()  # raises where there is no store, so that a mistyped path gets no tokens
    return TokenBook(data)


@asynccontextmanager
async def _at_rest(data: Path) -> AsyncIterator[_AuditAtRest]:
    """The audit of a directory that nobody runs."""
    DataDirectory(data).identity()
    async with open_journal(data) as journal:
        yield _AuditAtRest(journal, partial(note_at_rest, journal), Principal(f"user:{user() or 'unknown'}", "process"))


@attrs.frozen
class _AuditAtRest:
    rows: RowSource
    tell: Callable[[ControlAction, Principal, str], Awaitable[None]]
    who: Principal

    def acting_as(self, by: str, origin: str) -> _AuditAtRest:
        return attrs.evolve(self, who=Principal(by, origin))

    async def note(self, act: ControlAction, *, refusal: str = "") -> None:
        await self.tell(act, self.who, refusal)

    async def audit(self, *, verb: str, target: str, limit: int, after: str | None) -> AuditPage:
        await trio.lowlevel.checkpoint()
        return list_audit(self.rows, AuditQuery(verb=verb, target=target, limit=limit, after=after))
